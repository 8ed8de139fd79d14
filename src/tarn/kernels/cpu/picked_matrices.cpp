#include "tarn/kernels/cpu/picked_matrices.h"

#include <fmt/format.h>

#include "tarn/base/failure.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/matrix_batch.h"

namespace tarn::cpu {

std::vector<int64_t> dense_indices(const View& view) {
  std::vector<int64_t> indices(static_cast<size_t>(view.size));
  const Strides strides = row_major_strides(Shape(view.shape, view.shape + view.ndim));
  copy(view, {indices.data(), view.shape, strides.data(), view.ndim, view.dtype, view.size});
  return indices;
}

std::vector<View> pick_matrices(const View& view, const View& indices, const char* op,
                                const char* side) {
  const MatrixBatch matrices(view);
  std::vector<View> picked;
  picked.reserve(static_cast<size_t>(indices.size));
  for (const int64_t index : dense_indices(indices)) {
    const int64_t i = index < 0 ? index + matrices.size() : index;
    if (i < 0 || i >= matrices.size()) {
      throw OperationError(FailureKind::index,
                           fmt::format("[{}] {} index {} is out of bounds for {} matrices", op,
                                       side, index, matrices.size()));
    }
    picked.push_back(matrices[i]);
  }
  return picked;
}

int64_t bytes_between(const View& first, const View& second) {
  return second.as<char>() - first.as<char>();
}

std::vector<PickedRun> find_runs(const std::vector<View>& a, const std::vector<View>& b) {
  std::vector<PickedRun> runs;
  for (int64_t i = 0; i < static_cast<int64_t>(a.size()); ++i) {
    if (!runs.empty() && b[i].data == b[i - 1].data) {
      PickedRun& run = runs.back();
      const int64_t distance = bytes_between(a[i - 1], a[i]);
      if (distance == bytes_between(a[run.begin], a[run.begin + 1])) {
        run.end = i + 1;
        continue;
      }
    }
    runs.push_back({i, i + 1});
  }
  return runs;
}

}  // namespace tarn::cpu
