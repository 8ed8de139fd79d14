#include "tarn/kernels/cpu/picked_matmul.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tarn/base/failure.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/matmul.h"
#include "tarn/kernels/cpu/matrix_batch.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/picked_matrices.h"

namespace tarn::cpu {

namespace {

void multiply_run(const PickedRun& run, const std::vector<View>& a, const std::vector<View>& b,
                  const MatrixBatch& to, const AllocateScratch& allocate) {
  const auto n = static_cast<int32_t>(run.end - run.begin);
  const auto stacked = [&](const View& first, int64_t distance, Shape& shape, Strides& strides) {
    shape = {n, first.shape[0], first.shape[1]};
    strides = {distance / first.itemsize(), first.strides[0], first.strides[1]};
    return View{first.data, shape.data(), strides.data(), 3, first.dtype, n * first.size};
  };
  Shape shapes[3];
  Strides strides[3];
  const View result = to[run.begin];
  const int64_t distance = n > 1 ? bytes_between(a[run.begin], a[run.begin + 1]) : 0;
  matmul(stacked(a[run.begin], distance, shapes[0], strides[0]),
         stacked(b[run.begin], 0, shapes[1], strides[1]),
         stacked(result, result.nbytes(), shapes[2], strides[2]), allocate);
}

// `matrix` from one index of an axis up to another, which has `stride`.
View part(const View& matrix, int axis, int64_t begin, Shape& shape) {
  return {matrix.as<char>() + begin * matrix.strides[axis] * matrix.itemsize(),
          shape.data(),
          matrix.strides,
          2,
          matrix.dtype,
          size_of_shape(shape)};
}

}  // namespace

void gather_matmul(const View& a, const View& b, const View& a_indices, const View& b_indices,
                   const View& to, const AllocateScratch& allocate) {
  const std::vector<View> left = pick_matrices(a, a_indices, "gather_mm", "left");
  const std::vector<View> right = pick_matrices(b, b_indices, "gather_mm", "right");
  const MatrixBatch products(to);
  const std::vector<PickedRun> runs = find_runs(left, right);
  // Those that run at once would take too much memory together.
  const AllocateScratch none;
  const AllocateScratch& shared = runs.size() == 1 ? allocate : none;
  parallel_ranges(static_cast<int64_t>(runs.size()), 1, [&](RangeQueue& queue) {
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t i = range.begin; i < range.end; ++i) {
        multiply_run(runs[i], left, right, products, shared);
      }
    }
  });
}

void segmented_matmul(const View& a, const View& b, const View& segments, const View& to,
                      const AllocateScratch& allocate) {
  const std::vector<int64_t> bounds = dense_indices(segments);
  const MatrixBatch products(to);
  const int64_t depth = columns(a);
  for (int64_t i = 0; i < static_cast<int64_t>(bounds.size() / 2); ++i) {
    const int64_t begin = bounds[2 * i], end = std::max(begin, bounds[2 * i + 1]);
    if (begin < 0 || end > depth || bounds[2 * i + 1] < 0) {
      throw OperationError(
          FailureKind::index,
          fmt::format("[segmented_mm] segment {} from {} to {} is out of bounds for {} columns", i,
                      begin, bounds[2 * i + 1], depth));
    }
    const auto n = static_cast<int32_t>(end - begin);
    Shape left = {a.shape[0], n}, right = {n, b.shape[1]};
    matmul(part(a, 1, begin, left), part(b, 0, begin, right), products[i], allocate);
  }
}

}  // namespace tarn::cpu
