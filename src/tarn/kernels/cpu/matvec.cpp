#include "tarn/kernels/cpu/matvec.h"

#include <algorithm>
#include <cassert>
#include <memory>

#include "tarn/base/ceil_div.h"
#include "tarn/base/half.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/matmul_kernels.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

constexpr int64_t kTaskBytes = 128 << 10;
// From this size on all threads start at once.
constexpr int64_t kLargeBytes = 8 << 20;
// Sums of this many columns stay close while rows are added to them, and the pieces of rows are
// several pages long, as the prefetchers like it; shorter where that leaves too little to share
// out.
constexpr int64_t kColumns = 4096;
constexpr int64_t kFewestColumns = 1024;
// A long sum is cut into parts that are added at the end, so that few results are enough for all
// cores, and because shorter sums are more accurate.
constexpr int64_t kMinDotPart = 1024;
constexpr int64_t kMinRowsPart = 128;
constexpr int64_t kMaxParts = 32;

// T is the type that sums are kept in.
template <class T>
class Matvec {
 public:
  explicit Matvec(const MatvecBatch& work)
      : w_(work), batch_(size_of_shape(Shape(work.batch_shape.begin(), work.batch_shape.end()))) {
    const int64_t itemsize = w_.dtype.size();
    rows_are_sums_ = w_.b_inner == 1;
    const int64_t bytes = w_.n_inner * w_.n_outer * itemsize;
    chunk_ = rows_are_sums_ ? std::max<int64_t>(4, kTaskBytes / (w_.n_inner * itemsize)) : kColumns;
    const int64_t min_part = rows_are_sums_ ? kMinDotPart : kMinRowsPart;
    const int64_t fewest_columns = rows_are_sums_ ? chunk_ : kFewestColumns;
    for (;; chunk_ /= 2) {
      chunk_ = std::min(w_.n_outer, chunk_);
      n_chunks_ = ceil_div(w_.n_outer, chunk_);
      const int64_t most_parts = std::max<int64_t>(1, kMaxParts / (n_chunks_ * batch_));
      n_parts_ = std::clamp<int64_t>(
          std::min(bytes / n_chunks_ / kTaskBytes, w_.n_inner / min_part), 1, most_parts);
      const bool is_enough = n_chunks_ * n_parts_ * batch_ >= kMaxParts;
      if (is_enough || chunk_ / 2 < fewest_columns) break;
    }
    // Whole groups of the rows that are read at once.
    part_ = ceil_div(ceil_div(w_.n_inner, n_parts_), kMatvecRows) * kMatvecRows;
    n_parts_ = ceil_div(w_.n_inner, part_);
    task_bytes_ = std::max<int64_t>(1, bytes / (n_chunks_ * n_parts_));
  }

  void run() {
    prepare_x();
    const int64_t n_sums = batch_ * w_.n_outer;
    const bool in_place = n_parts_ == 1 && sizeof(T) == w_.dtype.size();
    const std::unique_ptr<T[]> sums(in_place ? nullptr : new T[n_parts_ * n_sums]);
    sums_ = in_place ? static_cast<T*>(w_.y) : sums.get();

    const int64_t n_tasks = batch_ * n_chunks_ * n_parts_;
    const int64_t grain = std::max<int64_t>(1, kTaskBytes / task_bytes_);
    const auto drain = [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) run_tasks(r.begin, r.end);
    };
    n_tasks* task_bytes_ < kLargeBytes ? parallel_ranges(n_tasks, grain, drain)
                                       : parallel_large_ranges(n_tasks, grain, drain);
    if (in_place) return;
    for (int64_t part = 1; part < n_parts_; ++part) {
      for (int64_t j = 0; j < n_sums; ++j) sums_[j] += sums_[part * n_sums + j];
    }
    if (sizeof(T) == w_.dtype.size()) {
      std::copy(sums_, sums_ + n_sums, static_cast<T*>(w_.y));
    } else {
      kernels().cast[index_of(float32)][index_of(w_.dtype)](w_.y, sums_, nullptr, nullptr, n_sums);
    }
  }

 private:
  // x of every batch index as adjacent elements of T, unless it is that already.
  void prepare_x() {
    x_ = static_cast<const T*>(w_.x);
    const bool needs_cast = sizeof(T) != w_.dtype.size();
    if (w_.batch_shape.empty() && w_.x_stride == 1 && !needs_cast) return;
    converted_x_.reset(new T[batch_ * w_.n_inner]);
    x_ = converted_x_.get();
    visit(w_.dtype, [&](auto tag) {
      using E = typename decltype(tag)::type;
      if constexpr (is_floating_point_v<E>) {
        StridedIndex<1> index(w_.batch_shape, {w_.x_batch_strides});
        T* to = converted_x_.get();
        for (int64_t i = 0; i < batch_; ++i, index.next(), to += w_.n_inner) {
          const E* const from = static_cast<const E*>(w_.x) + index.offset(0);
          if (w_.x_stride == 1 && needs_cast) {
            kernels().cast[index_of(w_.dtype)][index_of(float32)](to, from, nullptr, nullptr,
                                                                  w_.n_inner);
          } else {
            for (int64_t j = 0; j < w_.n_inner; ++j) to[j] = static_cast<T>(from[j * w_.x_stride]);
          }
        }
      }
    });
  }

  void run_tasks(int64_t begin, int64_t end) const {
    const MatmulKernels& table = matmul_kernels();
    const int dtype = index_of(w_.dtype);
    const auto kernel = rows_are_sums_ ? table.matvec_inner[dtype] : table.matvec_outer[dtype];
    const int64_t stride = rows_are_sums_ ? w_.b_outer : w_.b_inner;
    const int64_t tasks_per_index = n_chunks_ * n_parts_;
    StridedIndex<1> index(w_.batch_shape, {w_.b_batch_strides});
    index.seek(begin / tasks_per_index);
    int64_t rest = begin % tasks_per_index;
    for (int64_t task = begin, batch = begin / tasks_per_index; task < end; ++task) {
      const int64_t i = rest / n_chunks_ * part_;
      const int64_t j = rest % n_chunks_ * chunk_;
      const int64_t b_offset = index.offset(0) + i * w_.b_inner + j * w_.b_outer;
      T* const to = sums_ + (i / part_ * batch_ + batch) * w_.n_outer + j;
      kernel({x_ + batch * w_.n_inner + i,
              static_cast<const char*>(w_.b) + b_offset * w_.dtype.size(), stride, to,
              std::min(part_, w_.n_inner - i), std::min(chunk_, w_.n_outer - j)});
      if (++rest < tasks_per_index) continue;
      rest = 0;
      ++batch;
      index.next();
    }
  }

  const MatvecBatch& w_;
  const int64_t batch_;
  bool rows_are_sums_;        // x · adjacent elements; otherwise multiples of them are added up
  int64_t chunk_, n_chunks_;  // of results
  int64_t part_, n_parts_;    // of sums
  int64_t task_bytes_;
  const T* x_;
  T* sums_;
  std::unique_ptr<T[]> converted_x_;
};

}  // namespace

bool takes_matvec(const MatvecBatch& work) {
  return matmul_kernels().matvec_inner[index_of(work.dtype)] != nullptr &&
         (work.b_inner == 1 || work.b_outer == 1);
}

void matvec(const MatvecBatch& work) {
  assert(takes_matvec(work));
  if (work.dtype == float64) {
    Matvec<double>(work).run();
  } else {
    Matvec<float>(work).run();
  }
}

}  // namespace tarn::cpu
