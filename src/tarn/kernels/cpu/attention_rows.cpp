#include "tarn/kernels/cpu/attention_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tarn/base/half.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/matmul_kernels.h"

namespace tarn::cpu {

namespace {

// A block of keys and values stays in the second-level cache until all rows have seen it.
constexpr int64_t kBlockKeys = 256;

// T is the type that sums are kept in.
template <class T>
class RowAttention {
 public:
  RowAttention(Dtype dtype, const AttentionTask& task, const AttentionRows& to, void* scratch)
      : dtype_(dtype),
        t_(task),
        max_(static_cast<T*>(to.max)),
        sum_(static_cast<T*>(to.sum)),
        average_(static_cast<T*>(to.average)),
        n_rows_(task.row_end - task.row_begin),
        scores_(static_cast<T*>(scratch)),
        products_(scores_ + kBlockKeys),
        q_(products_ + task.value_dim) {}

  void run() {
    for (int64_t i = 0; i < n_rows_; ++i) load_query(i);
    std::fill_n(max_, n_rows_, -std::numeric_limits<T>::infinity());
    std::fill_n(sum_, n_rows_, T(0));
    std::fill_n(average_, n_rows_ * t_.value_dim, T(0));
    for (int64_t key = t_.key_begin; key < t_.key_end; key += kBlockKeys) {
      for (int64_t i = 0; i < n_rows_; ++i) {
        const int64_t n = std::min(kBlockKeys, key_end(i) - key);
        if (n > 0) add_keys(i, key, n);
      }
    }
  }

 private:
  int64_t head(int64_t i) const { return (t_.row_begin + i) / t_.n_queries; }
  int64_t query(int64_t i) const { return (t_.row_begin + i) % t_.n_queries; }
  int64_t key_end(int64_t i) const {
    if (!t_.is_causal) return t_.key_end;
    return std::min(t_.key_end, query(i) + t_.causal_offset + 1);
  }

  static const char* at(const void* base, int64_t offset, int64_t itemsize) {
    return static_cast<const char*>(base) + offset * itemsize;
  }

  // Times the scale, which saves scaling scores.
  void load_query(int64_t i) {
    visit(dtype_, [&](auto tag) {
      using E = typename decltype(tag)::type;
      if constexpr (is_floating_point_v<E>) {
        const E* const from =
            static_cast<const E*>(t_.q) + head(i) * t_.q_head + query(i) * t_.q_row;
        T* const to = q_ + i * t_.key_dim;
        for (int64_t d = 0; d < t_.key_dim; ++d) to[d] = T(from[d]) * T(t_.scale);
      }
    });
  }

  void add_keys(int64_t i, int64_t first, int64_t n) {
    const int64_t itemsize = dtype_.size();
    const MatmulKernels& products = matmul_kernels();
    const KernelTable& table = kernels();
    products.matvec_inner[index_of(dtype_)]({q_ + i * t_.key_dim,
                                             at(t_.k, first * t_.k_row, itemsize), t_.k_row,
                                             scores_, t_.key_dim, n});
    if (t_.mask != nullptr) apply_mask(i, first, n);

    T max = max_[i];
    table.max[index_of(dtype_of<T>)](&max, scores_, size_t(n));
    if (max == -std::numeric_limits<T>::infinity()) return;
    const T shrink = std::exp(max_[i] - max);
    const double sum =
        table.exp_run[index_of(dtype_of<T>)](scores_, scores_, &max, scores_, size_t(n));
    max_[i] = max;
    sum_[i] = T(double(sum_[i]) * double(shrink) + sum);
    products.matvec_outer[index_of(dtype_)](
        {scores_, at(t_.v, first * t_.v_row, itemsize), t_.v_row, products_, n, t_.value_dim});
    T* const average = average_ + i * t_.value_dim;
    for (int64_t d = 0; d < t_.value_dim; ++d) average[d] = average[d] * shrink + products_[d];
  }

  void apply_mask(int64_t i, int64_t first, int64_t n) {
    const int64_t offset = head(i) * t_.mask_head + query(i) * t_.mask_row + first * t_.mask_key;
    if (t_.mask_is_bool) {
      const bool* const mask = static_cast<const bool*>(t_.mask) + offset;
      for (int64_t j = 0; j < n; ++j) {
        if (!mask[j * t_.mask_key]) scores_[j] = -std::numeric_limits<T>::infinity();
      }
      return;
    }
    visit(dtype_, [&](auto tag) {
      using E = typename decltype(tag)::type;
      if constexpr (is_floating_point_v<E>) {
        const E* const mask = static_cast<const E*>(t_.mask) + offset;
        for (int64_t j = 0; j < n; ++j) scores_[j] += T(mask[j * t_.mask_key]);
      }
    });
  }

  const Dtype dtype_;
  const AttentionTask& t_;
  T* const max_;
  T* const sum_;
  T* const average_;
  const int64_t n_rows_;
  T* const scores_;    // of a block; then weights
  T* const products_;  // of these and values
  T* const q_;
};

}  // namespace

void attend_rows(Dtype dtype, const AttentionTask& task, const AttentionRows& to, void* scratch) {
  if (dtype == float64) {
    RowAttention<double>(dtype, task, to, scratch).run();
  } else {
    RowAttention<float>(dtype, task, to, scratch).run();
  }
}

int64_t attention_rows_bytes(Dtype dtype, int64_t n_rows, int64_t key_dim, int64_t value_dim) {
  return (kBlockKeys + value_dim + n_rows * key_dim) * std::max<int64_t>(4, dtype.size());
}

}  // namespace tarn::cpu
