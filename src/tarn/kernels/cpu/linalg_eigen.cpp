// Eigenvalues and eigenvectors.
#include <fmt/format.h>

#include "tarn/kernels/cpu/lapack.h"
#include "tarn/kernels/cpu/linalg.h"

namespace tarn::cpu {

namespace {

using Complex = std::complex<float>;

// Of symmetric and Hermitian matrices, one after another, with memory of its own.
template <class T>
class EighWorker {
 public:
  EighWorker(int64_t n, bool upper, bool vectors)
      : n_(n), job_(vectors ? 'V' : 'N'), triangle_(upper ? 'U' : 'L'), matrix_(new T[n * n]) {
    if (n == 0) return;
    T work{};
    RealOf<T> reals{};
    lapack_int integers{};
    call(nullptr, {&work, -1, &reals, -1, &integers, -1});
    sizes_ = {nullptr, workspace_size("eigh", std::real(work)),
              nullptr, kIsComplex<T> ? workspace_size("eigh", reals) : 0,
              nullptr, integers};
    work_.reset(new T[sizes_.work_size]);
    reals_.reset(new RealOf<T>[sizes_.n_reals]);
    integers_.reset(new lapack_int[sizes_.n_integers]);
  }

  // `vectors` is null if they are not wanted; otherwise they become its columns.
  lapack_int decompose(const View& a, RealOf<T>* values, const View* vectors) const {
    if (n_ == 0) return kFine;
    copy_by_columns(a, matrix_.get());
    if (!triangle_is_finite()) return kNotFinite;
    const lapack_int info = call(values, {work_.get(), sizes_.work_size, reals_.get(),
                                          sizes_.n_reals, integers_.get(), sizes_.n_integers});
    if (info != kFine) return info;
    if (vectors != nullptr) copy_from_columns(matrix_.get(), n_, *vectors);
    return all_finite(values, n_) ? kFine : kOverflow;
  }

 private:
  struct Workspace {
    T* work;
    lapack_int work_size;
    RealOf<T>* reals;  // complex matrices want them
    lapack_int n_reals;
    lapack_int* integers;
    lapack_int n_integers;
  };

  lapack_int call(RealOf<T>* values, const Workspace& w) const {
    const lapack_int n = lapack_size(n_);
    if constexpr (kIsComplex<T>) {
      return Lapack<T>::heevd(LAPACK_COL_MAJOR, job_, triangle_, n, matrix_.get(), n, values,
                              w.work, w.work_size, w.reals, w.n_reals, w.integers, w.n_integers);
    } else {
      return Lapack<T>::heevd(LAPACK_COL_MAJOR, job_, triangle_, n, matrix_.get(), n, values,
                              w.work, w.work_size, w.integers, w.n_integers);
    }
  }

  bool triangle_is_finite() const {
    for (int64_t j = 0; j < n_; ++j) {
      const T* const column = matrix_.get() + j * n_;
      const bool upper = triangle_ == 'U';
      if (!all_finite(upper ? column : column + j, upper ? j + 1 : n_ - j)) return false;
    }
    return true;
  }

  const int64_t n_;
  const char job_, triangle_;
  const std::unique_ptr<T[]> matrix_;  // by columns; then the vectors
  Workspace sizes_{};
  std::unique_ptr<T[]> work_;
  std::unique_ptr<RealOf<T>[]> reals_;
  std::unique_ptr<lapack_int[]> integers_;
};

// Of any square matrices, one after another, with memory of its own.
template <class T>
class EigWorker {
 public:
  EigWorker(int64_t n, bool vectors)
      : n_(n), vectors_(vectors), matrix_(new T[n * n]), parts_(new RealOf<T>[2 * n]) {
    if (n == 0) return;
    if (kIsComplex<T>) values_.reset(new T[n]);
    if (vectors) right_.reset(new T[n * n]);
    T wanted{};
    call(&wanted, -1);
    work_size_ = workspace_size("eig", std::real(wanted));
    work_.reset(new T[work_size_]);
  }

  lapack_int decompose(const View& a, Complex* values, Complex* vectors) const {
    if (n_ == 0) return kFine;
    copy_by_columns(a, matrix_.get());
    if (!all_finite(matrix_.get(), n_ * n_)) return kNotFinite;
    const lapack_int info = call(work_.get(), work_size_);
    if (info != kFine) return info;
    store_values(values);
    if (vectors_) store_vectors(vectors);
    return all_finite(values, n_) ? kFine : kOverflow;
  }

 private:
  lapack_int call(T* work, lapack_int work_size) const {
    const lapack_int n = lapack_size(n_);
    const char job = vectors_ ? 'V' : 'N';
    if constexpr (kIsComplex<T>) {
      return Lapack<T>::geev(LAPACK_COL_MAJOR, 'N', job, n, matrix_.get(), n, values_.get(),
                             nullptr, n, right_.get(), n, work, work_size, parts_.get());
    } else {
      return Lapack<T>::geev(LAPACK_COL_MAJOR, 'N', job, n, matrix_.get(), n, parts_.get(),
                             parts_.get() + n_, nullptr, n, right_.get(), n, work, work_size);
    }
  }

  void store_values(Complex* to) const {
    for (int64_t i = 0; i < n_; ++i) {
      if constexpr (kIsComplex<T>) {
        to[i] = values_[i];
      } else {
        to[i] = {static_cast<float>(parts_[i]), static_cast<float>(parts_[n_ + i])};
      }
    }
  }

  // As columns. Of a pair of conjugate eigenvalues LAPACK stores the first one's vector, its real
  // part in one column and its imaginary part in the next.
  void store_vectors(Complex* to) const {
    for (int64_t j = 0; j < n_; ++j) {
      const T* const column = right_.get() + j * n_;
      if constexpr (kIsComplex<T>) {
        for (int64_t i = 0; i < n_; ++i) to[i * n_ + j] = column[i];
      } else if (parts_[n_ + j] == 0) {
        for (int64_t i = 0; i < n_; ++i) to[i * n_ + j] = static_cast<float>(column[i]);
      } else {
        for (int64_t i = 0; i < n_; ++i) {
          const Complex x(static_cast<float>(column[i]), static_cast<float>(column[n_ + i]));
          to[i * n_ + j] = x;
          to[i * n_ + j + 1] = std::conj(x);
        }
        ++j;
      }
    }
  }

  const int64_t n_;
  const bool vectors_;
  const std::unique_ptr<T[]> matrix_;         // by columns
  const std::unique_ptr<RealOf<T>[]> parts_;  // real, then imaginary parts; work space if complex
  std::unique_ptr<T[]> values_;
  std::unique_ptr<T[]> right_;
  std::unique_ptr<T[]> work_;
  lapack_int work_size_ = 0;
};

}  // namespace

void eigh(const View& a, bool upper, const View& values, const View* vectors) {
  const MatrixBatch matrices(a);
  const int64_t n = rows(a);
  by_type(a.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(matrices.size(), n, [&] {
      return [&, worker = EighWorker<T>(n, upper, vectors != nullptr)](int64_t i) {
        RealOf<T>* const to = values.as<RealOf<T>>() + i * n;
        if (vectors == nullptr) return worker.decompose(matrices[i], to, nullptr);
        const View columns = MatrixBatch(*vectors)[i];
        return worker.decompose(matrices[i], to, &columns);
      };
    });
    throw_if_defect("eigh", matrices.size(), defect, [](lapack_int info) {
      return fmt::format("has eigenvalues that do not converge (LAPACK's {}evd returned {})",
                         kIsComplex<T> ? "he" : "sy", info);
    });
  });
}

void eig(const View& a, const View& values, const View* vectors) {
  const MatrixBatch matrices(a);
  const int64_t n = rows(a);
  by_type(a.dtype, [&]<class T>(T) {
    const Defect defect = for_each_matrix(matrices.size(), n, [&] {
      return [&, worker = EigWorker<T>(n, vectors != nullptr)](int64_t i) {
        return worker.decompose(matrices[i], values.as<Complex>() + i * n,
                                vectors == nullptr ? nullptr : vectors->as<Complex>() + i * n * n);
      };
    });
    throw_if_defect("eig", matrices.size(), defect, [](lapack_int info) {
      return fmt::format("has eigenvalues that do not converge (LAPACK's geev returned {})", info);
    });
  });
}

}  // namespace tarn::cpu
