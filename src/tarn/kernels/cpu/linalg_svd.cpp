// Singular values and vectors, by LAPACK's divide and conquer.
#include <fmt/format.h>

#include "tarn/kernels/cpu/lapack.h"
#include "tarn/kernels/cpu/linalg.h"

namespace tarn::cpu {

namespace {

// LAPACK's function with the arguments that real and complex matrices have together. The matrix is
// dense and becomes garbage.
template <class T>
struct GesddCall {
  char job;
  lapack_int m, n;
  T* a;
  RealOf<T>* s;
  T* u;
  T* vt;
  lapack_int vt_stride;
  lapack_int* integers;
  RealOf<T>* reals;  // complex matrices want them

  lapack_int operator()(T* work, lapack_int work_size) const {
    if constexpr (kIsComplex<T>) {
      return Lapack<T>::gesdd(LAPACK_COL_MAJOR, job, m, n, a, m, s, u, m, vt, vt_stride, work,
                              work_size, reals, integers);
    } else {
      return Lapack<T>::gesdd(LAPACK_COL_MAJOR, job, m, n, a, m, s, u, m, vt, vt_stride, work,
                              work_size, integers);
    }
  }
};

int64_t n_reals(char job, int64_t smaller, int64_t larger) {
  if (job == 'N') return 7 * smaller;
  return smaller * std::max(5 * smaller + 5, 2 * larger + 2 * smaller + 1);
}

// Decomposes one matrix after another with memory of its own.
template <class T>
class SvdWorker {
 public:
  // `job` as LAPACK has it: N for values only, S for as many vectors as values, A for all.
  SvdWorker(char job, int64_t m, int64_t n) : m_(m), n_(n), k_(std::min(m, n)) {
    if (k_ == 0) return;
    matrix_.reset(new T[m * n]);
    integers_.reset(new lapack_int[8 * k_]);
    if (kIsComplex<T>) reals_.reset(new RealOf<T>[n_reals(job, k_, std::max(m, n))]);
    // LAPACK sees the transposed matrix: n rows, m columns.
    call_ = {job,
             lapack_size(n),
             lapack_size(m),
             matrix_.get(),
             nullptr,
             nullptr,
             nullptr,
             lapack_size(job == 'A' ? m : k_),
             integers_.get(),
             reals_.get()};
    T wanted{};
    call_(&wanted, -1);
    work_size_ = workspace_size("svd", std::real(wanted));
    work_.reset(new T[work_size_]);
  }

  // Null for vectors that are not wanted.
  lapack_int decompose(const View& a, T* u, RealOf<T>* s, T* vt) {
    copy_by_rows(a, matrix_.get());
    if (!all_finite(matrix_.get(), m_ * n_)) return kNotFinite;
    call_.s = s;
    call_.u = vt;
    call_.vt = u;
    const lapack_int info = call_(work_.get(), work_size_);
    return info != kFine || all_finite(s, k_) ? info : kOverflow;
  }

 private:
  const int64_t m_, n_, k_;
  std::unique_ptr<T[]> matrix_;
  std::unique_ptr<lapack_int[]> integers_;
  std::unique_ptr<RealOf<T>[]> reals_;
  GesddCall<T> call_;
  std::unique_ptr<T[]> work_;
  lapack_int work_size_ = 0;
};

template <class T>
void make_identities(const View& matrices) {
  const int64_t n = columns(matrices);
  std::fill_n(matrices.as<T>(), matrices.size, T{0});
  for (int64_t i = 0; i < matrices.size; i += n * n) {
    for (int64_t j = 0; j < n; ++j) matrices.as<T>()[i + j * (n + 1)] = 1;
  }
}

}  // namespace

void svd(const View& a, const View* u, const View& s, const View* vt) {
  const MatrixBatch matrices(a);
  const int64_t m = rows(a), n = columns(a), k = std::min(m, n);
  const char job = u == nullptr ? 'N' : columns(*u) == k && rows(*vt) == k ? 'S' : 'A';
  by_type(a.dtype, [&]<class T>(T) {
    if (k == 0) {
      if (job != 'A') return;
      make_identities<T>(*u);
      make_identities<T>(*vt);
      return;
    }
    const auto matrix_of = [](const View* vectors, int64_t i) {
      if (vectors == nullptr) return static_cast<T*>(nullptr);
      return vectors->as<T>() + i * rows(*vectors) * columns(*vectors);
    };
    const Defect defect = for_each_matrix(matrices.size(), k, [&] {
      return [&, worker = SvdWorker<T>(job, m, n)](int64_t i) mutable {
        return worker.decompose(matrices[i], matrix_of(u, i), s.as<RealOf<T>>() + i * k,
                                matrix_of(vt, i));
      };
    });
    throw_if_defect("svd", matrices.size(), defect, [](lapack_int info) {
      return fmt::format("has singular values that do not converge (LAPACK's gesdd returned {})",
                         info);
    });
  });
}

}  // namespace tarn::cpu
