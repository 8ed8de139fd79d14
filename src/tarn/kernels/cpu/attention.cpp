#include "tarn/kernels/cpu/attention.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <memory>

#include "tarn/base/ceil_div.h"
#include "tarn/base/half.h"
#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/attention_rows.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/creation.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/matmul_kernels.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

// Blocks of rows are made smaller until there are this many tasks; then the keys are cut, too.
constexpr int64_t kEnoughTasks = 64;
constexpr int64_t kMinPartKeys = 512;
// Up to so many rows wait for memory rather than for products.
constexpr int64_t kFewRows = 4;
// Products of a range of tasks; where memory is waited for, of as many rows as take that time.
constexpr int64_t kMinRangeWork = 2 << 20;
constexpr int64_t kRowsOfMemory = 16;

// Bytes, rounded up so that what follows is aligned.
int64_t padded(int64_t nbytes) { return ceil_div(nbytes, 64) * 64; }

bool has_adjacent_elements(const View& view) { return view.strides[3] == 1 || view.shape[3] <= 1; }

struct alignas(64) Line {
  std::byte bytes[64];
};

// How the work is cut into tasks. Depends on shapes only.
struct Split {
  int64_t kv_heads;  // of all batches
  int64_t rows;      // of a KV head, see AttentionTask
  int64_t block_rows, n_blocks;
  int64_t part_keys, n_parts;

  Split(const View& q, const View& k, const AttentionKernels& kernels) {
    const int64_t n_keys = k.shape[2];
    kv_heads = int64_t(k.shape[0]) * k.shape[1];
    rows = int64_t(q.shape[1]) / k.shape[1] * q.shape[2];
    const int64_t panel = kernels.panel_rows[index_of(q.dtype)];
    int64_t panels = kAttentionPanels;
    while (panels > 1 && kv_heads * ceil_div(rows, panels * panel) < kEnoughTasks) --panels;
    block_rows = panels * panel;
    n_blocks = ceil_div(rows, block_rows);
    n_parts =
        std::clamp<int64_t>(n_keys / kMinPartKeys, 1, ceil_div(kEnoughTasks, kv_heads * n_blocks));
    part_keys = ceil_div(ceil_div(n_keys, n_parts), kAttentionKeys) * kAttentionKeys;
    n_parts = ceil_div(n_keys, part_keys);
  }

  int64_t n_tasks() const { return kv_heads * n_blocks * n_parts; }
  bool is_row_by_row() const { return rows <= kFewRows; }
};

// T is the type that sums are kept in.
template <class T>
class Attention {
 public:
  Attention(const ops::Attention& op, std::span<const View> in, const View& to, std::byte* scratch,
            const AttentionKernels& kernels)
      : op_(op),
        kernels_(kernels),
        q_(dense(in[0], strides_[0], scratch)),
        k_(dense(in[1], strides_[1], scratch)),
        v_(dense(in[2], strides_[2], scratch)),
        mask_(op.has_mask ? &in[3] : nullptr),
        sinks_(op.has_sinks ? &in.back() : nullptr),
        to_(to),
        split_(q_, k_, kernels),
        value_dim_(v_.shape[3]),
        parts_(split_.n_parts > 1 ? reinterpret_cast<T*>(scratch) : nullptr) {}

  static int64_t scratch_bytes(std::span<const View> in, const View& to,
                               const AttentionKernels& kernels) {
    int64_t nbytes = 0;
    for (const View& view : in.first(3)) {
      if (!has_adjacent_elements(view)) nbytes += padded(view.nbytes());
    }
    const Split split(in[0], in[1], kernels);
    const int64_t n_rows = split.kv_heads * split.rows;
    return nbytes + (split.n_parts > 1
                         ? split.n_parts * n_rows * (to.shape[3] + 2) * int64_t(sizeof(T))
                         : 0);
  }

  void run() const {
    const int64_t work = std::max(kRowsOfMemory, std::min(split_.rows, split_.block_rows)) *
                         split_.part_keys * (q_.shape[3] + value_dim_);
    const int64_t grain = std::max<int64_t>(1, kMinRangeWork / std::max<int64_t>(1, work));
    parallel_ranges(split_.n_tasks(), grain, [&](RangeQueue& queue) {
      const Workspace space(*this);
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        for (int64_t task = r.begin; task < r.end; ++task) run_task(task, space);
      }
    });
    if (split_.n_parts == 1) return;
    const int64_t n_rows = split_.kv_heads * split_.rows;
    parallel_ranges(n_rows, kMinRangeWork / (split_.n_parts * value_dim_) + 1,
                    [&](RangeQueue& queue) {
                      const Workspace space(*this);
                      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
                        finish(parts_of(0, 0, n_rows), n_rows, r.begin, r.begin, r.end, space.row);
                      }
                    });
  }

 private:
  // max, sum and average of some rows.
  struct Rows {
    T* max;
    T* sum;
    T* average;
  };

  // What a thread needs.
  struct Workspace {
    explicit Workspace(const Attention& a) {
      const int64_t key_dim = a.q_.shape[3], dim = a.value_dim_;
      const int64_t rows = std::min(a.split_.rows, a.split_.block_rows);
      const int64_t kernel =
          padded(a.split_.is_row_by_row() ? attention_rows_bytes(a.q_.dtype, rows, key_dim, dim)
                                          : attention_panel_bytes(a.q_.dtype, key_dim, dim));
      const int64_t numbers = rows * (dim + 2) + dim;
      memory.reset(new Line[ceil_div(kernel + numbers * int64_t(sizeof(T)), sizeof(Line))]);
      max = reinterpret_cast<T*>(memory.get()->bytes + kernel);
      sum = max + rows;
      average = sum + rows;
      row = average + rows * dim;
    }

    std::unique_ptr<Line[]> memory;  // for the kernel, first
    T* max;
    T* sum;
    T* average;
    T* row;
  };

  View dense(const View& view, Strides& strides, std::byte*& scratch) {
    if (has_adjacent_elements(view)) return view;
    strides = row_major_strides(Shape(view.shape, view.shape + 4));
    const View copied{scratch, view.shape, strides.data(), 4, view.dtype, view.size};
    copy(view, copied);
    scratch += padded(view.nbytes());
    return copied;
  }

  const void* head_of(const View& view, int64_t batch, int64_t head) const {
    const int64_t offset = batch * view.strides[0] + head * view.strides[1];
    return view.as<const char>() + offset * view.itemsize();
  }

  Rows parts_of(int64_t part, int64_t row, int64_t n_rows) const {
    T* const sums = parts_ + split_.n_parts * n_rows;
    T* const averages = sums + split_.n_parts * n_rows;
    const int64_t i = part * n_rows + row;
    return {parts_ + i, sums + i, averages + i * value_dim_};
  }

  void run_task(int64_t number, const Workspace& space) const {
    const int64_t part = number % split_.n_parts;
    const int64_t block = number / split_.n_parts % split_.n_blocks;
    const int64_t kv_head = number / split_.n_parts / split_.n_blocks;
    const AttentionTask task = describe(kv_head, block, part);
    const int64_t row = kv_head * split_.rows + task.row_begin;
    const int64_t n_rows = task.row_end - task.row_begin;
    const Rows rows = split_.n_parts > 1 ? parts_of(part, row, split_.kv_heads * split_.rows)
                                         : Rows{space.max, space.sum, space.average};
    const AttentionRows to{rows.max, rows.sum, rows.average};
    if (split_.is_row_by_row()) {
      attend_rows(q_.dtype, task, to, space.memory.get());
    } else {
      kernels_.attend[index_of(q_.dtype)](task, to, space.memory.get());
    }
    if (split_.n_parts == 1) finish(rows, 0, row, 0, n_rows, space.row);
  }

  AttentionTask describe(int64_t kv_head, int64_t block, int64_t part) const {
    const int64_t batch = kv_head / k_.shape[1];
    const int64_t head = kv_head % k_.shape[1];
    const int64_t group = q_.shape[1] / k_.shape[1];
    AttentionTask task{};
    task.q = head_of(q_, batch, head * group);
    task.q_head = q_.strides[1];
    task.q_row = q_.strides[2];
    task.k = head_of(k_, batch, head);
    task.k_row = k_.strides[2];
    task.v = head_of(v_, batch, head);
    task.v_row = v_.strides[2];
    if (mask_ != nullptr) {
      task.mask = head_of(*mask_, batch, head * group);
      task.mask_is_bool = mask_->dtype == bool_;
      task.mask_head = mask_->strides[1];
      task.mask_row = mask_->strides[2];
      task.mask_key = mask_->strides[3];
    }
    task.is_causal = op_.is_causal;
    task.causal_offset = int64_t(k_.shape[2]) - q_.shape[2];
    task.scale = op_.scale;
    task.n_queries = q_.shape[2];
    task.key_dim = q_.shape[3];
    task.value_dim = value_dim_;
    task.row_begin = block * split_.block_rows;
    task.row_end = std::min(split_.rows, task.row_begin + split_.block_rows);
    task.key_begin = part * split_.part_keys;
    task.key_end = std::min<int64_t>(k_.shape[2], task.key_begin + split_.part_keys);
    return task;
  }

  // Adds up the parts of rows [begin, end) of `rows`, which are `distance` rows apart, and writes
  // them as rows of the output from `to` on.
  void finish(const Rows& rows, int64_t distance, int64_t to, int64_t begin, int64_t end,
              T* row) const {
    const TileKernel narrow = kernels().cast[index_of(dtype_of<T>)][index_of(to_.dtype)];
    for (int64_t i = begin; i < end; ++i, ++to) {
      T factors[kEnoughTasks];
      find_factors(rows, distance, i, to, factors);
      char* const out = to_.as<char>() + to * value_dim_ * to_.itemsize();
      T* const sums = narrow ? row : reinterpret_cast<T*>(out);
      matmul_kernels().matvec_outer[index_of(dtype_of<T>)]({factors, rows.average + i * value_dim_,
                                                            distance * value_dim_, sums,
                                                            split_.n_parts, value_dim_});
      if (narrow) narrow(out, row, nullptr, nullptr, size_t(value_dim_));
    }
  }

  // What the parts of row i are to be multiplied by.
  void find_factors(const Rows& rows, int64_t distance, int64_t i, int64_t to, T* factors) const {
    const T sink = sinks_ != nullptr ? sink_of(to) : -std::numeric_limits<T>::infinity();
    T max = sink;
    for (int64_t p = 0; p < split_.n_parts; ++p) max = std::max(max, rows.max[p * distance + i]);
    // NaN if no key was seen, as the softmax of nothing but -infinity is.
    T sum = sinks_ != nullptr ? std::exp(sink - max) : T(0);
    for (int64_t p = 0; p < split_.n_parts; ++p) {
      factors[p] = std::exp(rows.max[p * distance + i] - max);
      sum += factors[p] * rows.sum[p * distance + i];
    }
    for (int64_t p = 0; p < split_.n_parts; ++p) factors[p] /= sum;
  }

  T sink_of(int64_t to) const {
    const int64_t head = to / q_.shape[2] % q_.shape[1];
    T sink = 0;
    visit(sinks_->dtype, [&](auto tag) {
      using E = typename decltype(tag)::type;
      if constexpr (is_floating_point_v<E>) sink = T(sinks_->as<E>()[head * sinks_->strides[0]]);
    });
    return sink;
  }

  const ops::Attention& op_;
  const AttentionKernels& kernels_;
  Strides strides_[3];  // of what had to be copied
  const View q_, k_, v_;
  const View* const mask_;
  const View* const sinks_;
  const View& to_;
  const Split split_;
  const int64_t value_dim_;
  T* const parts_;  // if there are several: of each part, max of all rows, then sum, then average
};

}  // namespace

int64_t attention_scratch_bytes(std::span<const View> in, const View& to,
                                const AttentionKernels& kernels) {
  if (to.size == 0 || in[1].shape[2] == 0) return 0;
  return to.dtype == float64 ? Attention<double>::scratch_bytes(in, to, kernels)
                             : Attention<float>::scratch_bytes(in, to, kernels);
}

void attention(const ops::Attention& op, std::span<const View> in, const View& to, void* scratch,
               const AttentionKernels& kernels) {
  assert(is_row_contiguous(to));
  if (to.size == 0) return;
  if (in[1].shape[2] == 0) {
    const uint64_t zero = 0;
    fill(&zero, to);
    return;
  }
  if (to.dtype == float64) {
    Attention<double>(op, in, to, static_cast<std::byte*>(scratch), kernels).run();
  } else {
    Attention<float>(op, in, to, static_cast<std::byte*>(scratch), kernels).run();
  }
}

}  // namespace tarn::cpu
