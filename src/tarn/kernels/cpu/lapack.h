// LAPACK by element type, and how a factorization goes through the matrices of a batch. For the
// files kernels/cpu/linalg_*.cpp.
#pragma once

#include <cblas.h>

#include <complex>
#define lapack_complex_float std::complex<float>
#define lapack_complex_double std::complex<double>
#include <lapacke.h>

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tarn/base/view.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/matrix_batch.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

// Note [Transposed factors]
// LAPACK takes matrices column by column, ours are row by row, so of our memory it sees Aᵀ.
// Inverting commutes with that, and so does the determinant. A triangle is found on the other side.
// Of Aᵀ = U S V the singular vectors of A are Vᵀ and Uᵀ: LAPACK's columns are our rows again. From
// the LU factors, Aᵀ = P L U, it follows that A = Uᵀ Lᵀ Pᵀ: of the memory of L and U, read row by
// row, the lower triangle is Uᵀ and the upper one, with ones on the diagonal, Lᵀ. The other
// factorizations take a copy of A by columns.

template <class T>
struct Lapack;
#define TARN_REAL_LAPACK(T, s)                              \
  template <>                                               \
  struct Lapack<T> {                                        \
    using Real = T;                                         \
    static constexpr auto* geev = LAPACKE_##s##geev_work;   \
    static constexpr auto* geqrf = LAPACKE_##s##geqrf_work; \
    static constexpr auto* geqrt = LAPACKE_##s##geqrt_work; \
    static constexpr auto* gesdd = LAPACKE_##s##gesdd_work; \
    static constexpr auto* getrf = LAPACKE_##s##getrf_work; \
    static constexpr auto* getri = LAPACKE_##s##getri_work; \
    static constexpr auto* heevd = LAPACKE_##s##syevd_work; \
    static constexpr auto* larfb = LAPACKE_##s##larfb_work; \
    static constexpr auto* orgqr = LAPACKE_##s##orgqr_work; \
    static constexpr auto* potrf = LAPACKE_##s##potrf_work; \
    static constexpr auto* trtri = LAPACKE_##s##trtri_work; \
    static constexpr auto* trsm = cblas_##s##trsm;          \
    static constexpr auto* trsv = cblas_##s##trsv;          \
  };
TARN_REAL_LAPACK(float, s)
TARN_REAL_LAPACK(double, d)
#undef TARN_REAL_LAPACK
template <>
struct Lapack<std::complex<float>> {
  using Real = float;
  static constexpr auto* geev = LAPACKE_cgeev_work;
  static constexpr auto* gesdd = LAPACKE_cgesdd_work;
  static constexpr auto* heevd = LAPACKE_cheevd_work;
};

template <class T>
using RealOf = typename Lapack<T>::Real;
template <class T>
inline constexpr bool kIsComplex = !std::is_same_v<T, RealOf<T>>;

// Calls f(float()) or f(double()), as the dtype is.
template <class F>
void by_real_type(Dtype dtype, F f) {
  assert(dtype == float32 || dtype == float64);
  dtype == float32 ? f(float()) : f(double());
}
// The same, or f(std::complex<float>()).
template <class F>
void by_type(Dtype dtype, F f) {
  if (dtype == complex64) return f(std::complex<float>());
  by_real_type(dtype, f);
}

// Why a matrix has no result: LAPACK's `info`, which is positive, or one of these.
inline constexpr lapack_int kFine = 0;
inline constexpr lapack_int kNotFinite = -1;
inline constexpr lapack_int kOverflow = -2;

inline bool is_finite(float x) { return std::isfinite(x); }
inline bool is_finite(double x) { return std::isfinite(x); }
inline bool is_finite(std::complex<float> z) {
  return std::isfinite(z.real()) && std::isfinite(z.imag());
}
template <class T>
bool all_finite(const T* elements, int64_t n) {
  return std::all_of(elements, elements + n, [](T x) { return is_finite(x); });
}

inline lapack_int lapack_size(int64_t n) { return static_cast<lapack_int>(n); }

// Copies a matrix to dense memory, by rows or by columns.
void copy_by_rows(const View& matrix, void* to);
void copy_by_columns(const View& matrix, void* to);
// Copies (rows, columns) elements that lie column by column, `stride` apart, to row-major memory.
void copy_from_columns(const void* from, int64_t stride, const View& to);

// Sets what is below, or above, the diagonal of a row-major matrix to zero.
template <class T>
void clear_triangle(T* matrix, int64_t n_rows, int64_t n_columns, bool below) {
  for (int64_t i = 0; i < n_rows; ++i) {
    T* const row = matrix + i * n_columns;
    const int64_t diagonal = std::min(i, n_columns);
    std::fill(below ? row : std::min(row + diagonal + 1, row + n_columns),
              below ? row + diagonal : row + n_columns, T{0});
  }
}

// The size of work space that LAPACK has asked for, as its integers take it. Throws OperationError
// if they cannot.
lapack_int workspace_size(const char* op, double wanted);

// The first matrix without a result and why.
struct Defect {
  int64_t matrix = 0;
  lapack_int info = kFine;
};

// OpenBLAS spreads what is large enough over threads of its own. When several of ours call it at
// once these wait for each other, and all is many times slower than without them. While one of
// these objects lives it computes on the calling threads alone: in the whole process, for there is
// no setting for one thread. What others are computing meanwhile gets slower, not wrong.
class NoOpenBlasThreads {
 public:
  NoOpenBlasThreads();
  ~NoOpenBlasThreads();
  NoOpenBlasThreads(const NoOpenBlasThreads&) = delete;
  NoOpenBlasThreads& operator=(const NoOpenBlasThreads&) = delete;
};

// The matrices of a batch are spread over our threads, which scales better than one matrix after
// the other on OpenBLAS's. Those take over from the first order on where there are fewer matrices
// than threads, and from the second where the work space of all our threads would be too large.
inline constexpr int64_t kOwnThreadsOrder = 128;
inline constexpr int64_t kInTurnOrder = 1024;

// Calls work(i), which returns the defect of matrix i, for i < batch. Each thread takes a `work` of
// its own from make_work().
template <class MakeWork>
Defect for_each_matrix(int64_t batch, int64_t order, MakeWork make_work) {
  // Multiplications and additions of one task, and of what is worth threads in any case.
  constexpr int64_t kTaskWork = 64 << 10;
  constexpr int64_t kLargeWork = 16 << 20;
  const bool in_turn =
      order >= kInTurnOrder || (order >= kOwnThreadsOrder && batch < num_threads());
  std::optional<NoOpenBlasThreads> ours_only;
  if (!in_turn || num_threads() == 1) ours_only.emplace();
  const int64_t work = order * order * order;
  const int64_t grain =
      in_turn ? std::max<int64_t>(1, batch) : kTaskWork / std::clamp<int64_t>(work, 1, kTaskWork);
  std::vector<lapack_int> defects(static_cast<size_t>(batch), kFine);
  const auto body = [&](RangeQueue& queue) {
    auto work_on = make_work();
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t i = range.begin; i < range.end; ++i) {
        defects[i] = work_on(i);
        if (in_turn && defects[i] != kFine) return queue.stop();
      }
    }
  };
  if (work >= kTaskWork && batch * work >= kLargeWork) {
    parallel_large_ranges(batch, grain, body);
  } else {
    parallel_ranges(batch, grain, body);
  }
  const auto first =
      std::find_if(defects.begin(), defects.end(), [](auto d) { return d != kFine; });
  if (first == defects.end()) return {};
  return {first - defects.begin(), *first};
}

[[noreturn]] void throw_defect(const char* op, int64_t batch, const Defect& defect,
                               const std::string& description);

// Throws OperationError(FailureKind::numerical) if there is a defect: "[inv] matrix 3 of the batch
// is singular (…)". What LAPACK's codes mean is told by describe(info).
template <class Describe>
void throw_if_defect(const char* op, int64_t batch, const Defect& defect, Describe describe) {
  if (defect.info == kFine) return;
  throw_defect(op, batch, defect, defect.info > 0 ? describe(defect.info) : std::string());
}

}  // namespace tarn::cpu
