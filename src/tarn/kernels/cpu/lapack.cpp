#include "tarn/kernels/cpu/lapack.h"

#include <fmt/format.h>

#include <cassert>
#include <limits>

#include "tarn/base/failure.h"

namespace tarn::cpu {

void copy_by_rows(const View& matrix, void* to) {
  const int64_t strides[] = {columns(matrix), 1};
  copy(matrix, {to, matrix.shape, strides, 2, matrix.dtype, matrix.size});
}

void copy_by_columns(const View& matrix, void* to) {
  const int64_t strides[] = {1, rows(matrix)};
  copy(matrix, {to, matrix.shape, strides, 2, matrix.dtype, matrix.size});
}

void copy_from_columns(const void* from, int64_t stride, const View& to) {
  const int64_t strides[] = {1, stride};
  copy({const_cast<void*>(from), to.shape, strides, 2, to.dtype, to.size}, to);
}

lapack_int workspace_size(const char* op, double wanted) {
  // LAPACK tells the size as a floating number, which may have been rounded down.
  const double size = wanted * (1 + std::numeric_limits<float>::epsilon()) + 1;
  if (size > std::numeric_limits<lapack_int>::max()) {
    throw OperationError(
        FailureKind::operation,
        fmt::format("[{}] matrices so large need more work space than LAPACK can count", op));
  }
  return static_cast<lapack_int>(size);
}

void throw_defect(const char* op, int64_t batch, const Defect& defect,
                  const std::string& description) {
  assert(defect.info > 0 || defect.info == kNotFinite || defect.info == kOverflow);
  const std::string which =
      batch == 1 ? "the matrix" : fmt::format("matrix {} of the batch", defect.matrix);
  const std::string why = defect.info == kNotFinite  ? "has an element that is not finite"
                          : defect.info == kOverflow ? "has a result that overflows"
                                                     : description;
  throw OperationError(FailureKind::numerical, fmt::format("[{}] {} {}", op, which, why));
}

}  // namespace tarn::cpu
