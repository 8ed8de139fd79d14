// This executable has its own gesdd, syevd and geev, in front of those of the library.
#include "tests/contract/faulty_lapack.h"

#include <lapacke.h>

#include <atomic>
#include <limits>

#include "tests/faults/counted_calls.h"

namespace tarn::contract {

namespace {

std::atomic<bool> converges{true};

// How many off-diagonals did not converge to zero.
constexpr lapack_int kUnconverged = 1;

// What `info` of a decomposition is to be; if it is not to converge, of what it made `first` is
// overwritten.
lapack_int outcome(lapack_int info, lapack_int work_size, float* first) {
  if (work_size == -1 || converges) return info;
  *first = std::numeric_limits<float>::quiet_NaN();
  return kUnconverged;
}

}  // namespace

NoConvergence::NoConvergence() { converges = false; }
NoConvergence::~NoConvergence() { converges = true; }

}  // namespace tarn::contract

namespace contract = tarn::contract;

extern "C" {

lapack_int LAPACKE_sgesdd_work(int layout, char job, lapack_int m, lapack_int n, float* a,
                               lapack_int a_stride, float* s, float* u, lapack_int u_stride,
                               float* vt, lapack_int vt_stride, float* work, lapack_int work_size,
                               lapack_int* integers) {
  static auto* const real =
      tarn::faults::next_definition<decltype(LAPACKE_sgesdd_work)>("LAPACKE_sgesdd_work");
  const lapack_int info = real(layout, job, m, n, a, a_stride, s, u, u_stride, vt, vt_stride, work,
                               work_size, integers);
  return contract::outcome(info, work_size, s);
}

lapack_int LAPACKE_ssyevd_work(int layout, char job, char triangle, lapack_int n, float* a,
                               lapack_int a_stride, float* values, float* work,
                               lapack_int work_size, lapack_int* integers, lapack_int n_integers) {
  static auto* const real =
      tarn::faults::next_definition<decltype(LAPACKE_ssyevd_work)>("LAPACKE_ssyevd_work");
  const lapack_int info =
      real(layout, job, triangle, n, a, a_stride, values, work, work_size, integers, n_integers);
  return contract::outcome(info, work_size, values);
}

lapack_int LAPACKE_sgeev_work(int layout, char left, char right, lapack_int n, float* a,
                              lapack_int a_stride, float* real_parts, float* imaginary_parts,
                              float* vl, lapack_int vl_stride, float* vr, lapack_int vr_stride,
                              float* work, lapack_int work_size) {
  static auto* const real =
      tarn::faults::next_definition<decltype(LAPACKE_sgeev_work)>("LAPACKE_sgeev_work");
  const lapack_int info = real(layout, left, right, n, a, a_stride, real_parts, imaginary_parts, vl,
                               vl_stride, vr, vr_stride, work, work_size);
  return contract::outcome(info, work_size, real_parts);
}

}  // extern "C"
