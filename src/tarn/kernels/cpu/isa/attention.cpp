// Attention in panels of queries, each as many as there are lanes in a few vectors, and blocks of
// keys. Weights are relative to the largest score so far (Milakov and Gimelshein, "Online
// normalizer calculation for softmax", 2018), so scores are never kept for longer than a block.
#include <hwy/highway.h>

#include "tarn/kernels/cpu/isa/attention_products.h"

namespace tarn::HWY_NAMESPACE {

namespace {

using cpu::AttentionRows;
using cpu::AttentionTask;
using cpu::kAttentionKeys;
using cpu::kAttentionPanels;

// Calls f(Count of vectors).
template <class F>
TARN_FN void with_vectors(int64_t n, F f) {
  static_assert(kPanelVectors == 3);
  if (n == 1) return f(Count<1>());
  if (n == 2) return f(Count<2>());
  f(Count<3>());
}

template <class T, class E>
void widen_row(T* to, const E* from, int64_t stride, int64_t n) {
  if (stride == 1) return pack_row(to, from, n);
  for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(from[i * stride]);
}

// 0 for true, -infinity for false.
template <class T>
void bias_row(T* to, const bool* seen, int64_t stride, int64_t n) {
  const hn::ScalableTag<T> d;
  constexpr int64_t kLanes = Pack<T>::kLanes;
  const T hidden = -__builtin_inff();
  int64_t i = 0;
  if (stride == 1) {
    for (; i + kLanes <= n; i += kLanes) {
      const auto mask = load_mask<T>(seen + i);
      hn::StoreU(hn::IfThenElse(mask.m, hn::Zero(d), hn::Set(d, hidden)), d, to + i);
    }
  }
  for (; i < n; ++i) to[i] = seen[i * stride] ? T(0) : hidden;
}

template <class P>
class PanelAttention {
  using E = typename P::Element;
  using T = typename P::T;
  using Key = typename P::Key;
  static constexpr int64_t kLanes = Pack<T>::kLanes;
  static constexpr int64_t kMaxRows = kPanelVectors * kLanes;

 public:
  PanelAttention(const AttentionTask& task, void* scratch)
      : t_(task), q_units_((task.key_dim + P::kTerms - 1) / P::kTerms) {
    T* free = static_cast<T*>(scratch);
    const auto take = [&](int64_t n) {
      T* const p = free;
      free += (n + 15) / 16 * 16;
      return p;
    };
    scores_ = take(kAttentionKeys * kMaxRows);
    bias_ = take(kAttentionKeys * kMaxRows);
    shrink_ = take(kMaxRows);
    visible_ = take(kMaxRows);
    rows_ = take(kMaxRows * HWY_MAX(HWY_MAX(q_units_, t_.value_dim), kAttentionKeys));
    keys_ = take(kAttentionKeys * t_.key_dim);
    values_ = take(kAttentionKeys * t_.value_dim);
    for (int64_t row = t_.row_begin; row < t_.row_end; row += kMaxRows) {
      Panel& panel = panels_[n_panels_++];
      panel.row = row;
      panel.n_rows = HWY_MIN(kMaxRows, t_.row_end - row);
      panel.n_vectors = (panel.n_rows + kLanes - 1) / kLanes;
      panel.q = take(q_units_ * panel.width());
      panel.max = take(panel.width());
      panel.sum = take(panel.width());
      panel.average = take(t_.value_dim * panel.width());
    }
  }

  void run(const AttentionRows& to) {
    int64_t end = 0;
    for (int64_t i = 0; i < n_panels_; ++i) {
      begin_panel(panels_[i]);
      end = HWY_MAX(end, panels_[i].key_end);
    }
    for (int64_t key = t_.key_begin; key < end; key += kAttentionKeys) {
      const Block block = load_block(key, HWY_MIN(kAttentionKeys, end - key));
      for (int64_t i = 0; i < n_panels_; ++i) {
        const int64_t n = HWY_MIN(block.n, panels_[i].key_end - key);
        if (n <= 0) continue;
        with_vectors(panels_[i].n_vectors,
                     [&](auto v) { add_keys<decltype(v)::value>(panels_[i], block, n); });
      }
    }
    for (int64_t i = 0; i < n_panels_; ++i) end_panel(panels_[i], to);
  }

 private:
  struct Panel {
    int64_t row, n_rows, n_vectors;
    int64_t key_end;   // of the keys that any of its queries sees
    int64_t all_see;   // keys before this one are seen by all
    T *q, *max, *sum;  // q: [unit of elements][query]
    T* average;        // [element][query]

    int64_t width() const { return n_vectors * kLanes; }
  };
  // Keys [first, first + n), as they are multiplied.
  struct Block {
    int64_t first, n;
    const Key* keys;
    int64_t key_row;
    const T* values;  // [kTerms keys][element]
    int64_t value_row;
  };

  int64_t head(int64_t row) const { return row / t_.n_queries; }
  int64_t query(int64_t row) const { return row % t_.n_queries; }
  // The first key that a row does not see.
  int64_t key_end(int64_t row) const {
    if (!t_.is_causal) return t_.key_end;
    return HWY_MIN(t_.key_end, query(row) + t_.causal_offset + 1);
  }

  void begin_panel(Panel& panel) {
    panel.key_end = 0;
    panel.all_see = t_.key_end;
    for (int64_t i = 0; i < panel.n_rows; ++i) {
      const int64_t row = panel.row + i;
      panel.key_end = HWY_MAX(panel.key_end, key_end(row));
      panel.all_see = HWY_MIN(panel.all_see, key_end(row));
      const E* const from =
          static_cast<const E*>(t_.q) + head(row) * t_.q_head + query(row) * t_.q_row;
      T* const to = rows_ + i * q_units_;
      if constexpr (P::kTerms == 1) {
        pack_row(to, from, t_.key_dim);
      } else {
        if (q_units_ > 0) to[q_units_ - 1] = 0;
        std::memcpy(to, from, size_t(t_.key_dim) * sizeof(E));
      }
    }
    pack_panel(panel.q, panel.width(), rows_, q_units_, 1, panel.n_rows, q_units_);
    std::fill_n(panel.max, panel.width(), T(-__builtin_inff()));
    std::fill_n(panel.sum, panel.width(), T(0));
    std::fill_n(panel.average, t_.value_dim * panel.width(), T(0));
  }

  Block load_block(int64_t first, int64_t n) {
    const E* const k = static_cast<const E*>(t_.k) + first * t_.k_row;
    const E* const v = static_cast<const E*>(t_.v) + first * t_.v_row;
    Block block{first, n, nullptr, t_.k_row, nullptr, t_.v_row};
    if constexpr (std::is_same_v<E, Key>) {
      block.keys = k;
    } else {
      widen(k, t_.k_row, n, t_.key_dim, keys_);
      block.keys = keys_;
      block.key_row = t_.key_dim;
    }
    if constexpr (std::is_same_v<E, T>) {
      block.values = v;
    } else {
      if constexpr (P::kTerms == 1) {
        widen(v, t_.v_row, n, t_.value_dim, values_);
      } else {
        pair_values(v, n);
      }
      block.values = values_;
      block.value_row = t_.value_dim;
    }
    return block;
  }

  void widen(const E* from, int64_t stride, int64_t n, int64_t dim, T* to) {
    for (int64_t i = 0; i < n; ++i) pack_row(to + i * dim, from + i * stride, dim);
  }

  // Element d of two keys beside each other.
  void pair_values(const E* v, int64_t n) {
    const hn::ScalableTag<uint32_t> d32;
    const hn::Rebind<uint16_t, decltype(d32)> d16;
    const auto load16 = [&](const E* from) {
      return hn::PromoteTo(d32, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from)));
    };
    for (int64_t i = 0; i < n; i += 2) {
      const E* const first = v + i * t_.v_row;
      const bool has_second = i + 1 < n;
      const E* const second = has_second ? first + t_.v_row : first;
      char* const to = reinterpret_cast<char*>(values_ + i / 2 * t_.value_dim);
      int64_t j = 0;
      for (; j + kLanes <= t_.value_dim; j += kLanes) {
        auto pairs = load16(first + j);
        if (has_second) pairs = hn::Or(pairs, hn::ShiftLeft<16>(load16(second + j)));
        hn::StoreU(pairs, d32, reinterpret_cast<uint32_t*>(to) + j);
      }
      for (; j < t_.value_dim; ++j) {
        const uint32_t pair =
            uint32_t(first[j].bits_) | (has_second ? uint32_t(second[j].bits_) << 16 : 0);
        std::memcpy(to + j * 4, &pair, 4);
      }
    }
  }

  template <int kV>
  void add_keys(const Panel& panel, const Block& block, int64_t n) {
    using Loops = PanelLoops<P, kV>;
    Loops::score(panel.q, block.keys, block.key_row, n, t_.key_dim, T(t_.scale), scores_);
    if (block.first + n > panel.all_see) {
      for (int64_t i = 0; i < panel.width(); ++i) {
        const int64_t row = panel.row + HWY_MIN(i, panel.n_rows - 1);
        visible_[i] = T(HWY_MAX(key_end(row) - block.first, 0));
      }
      Loops::hide_later(visible_, n, scores_);
    }
    if (t_.mask != nullptr) {
      load_bias(panel, block.first, n);
      if (has_shared_bias(panel)) {
        t_.mask_is_bool ? Loops::template hide<true>(rows_, n, scores_)
                        : Loops::template add_bias<true>(rows_, n, scores_);
      } else {
        t_.mask_is_bool ? Loops::template hide<false>(bias_, n, scores_)
                        : Loops::template add_bias<false>(bias_, n, scores_);
      }
    }
    Loops::weigh(scores_, n, panel.max, panel.sum, shrink_);
    Loops::average(scores_, block.values, block.value_row, n, t_.value_dim, shrink_, panel.average);
  }

  // Whether all queries of a panel have the same mask.
  bool has_shared_bias(const Panel& panel) const {
    return panel.n_rows == 1 || (t_.mask_row == 0 && t_.mask_head == 0);
  }

  // The mask as [key][query] in bias_; a shared one as [key] in rows_.
  void load_bias(const Panel& panel, int64_t first, int64_t n) {
    const int64_t n_rows = has_shared_bias(panel) ? 1 : panel.n_rows;
    for (int64_t i = 0; i < n_rows; ++i) {
      const int64_t row = panel.row + i;
      const int64_t offset =
          head(row) * t_.mask_head + query(row) * t_.mask_row + first * t_.mask_key;
      T* const to = rows_ + i * kAttentionKeys;
      if (t_.mask_is_bool) {
        bias_row(to, static_cast<const bool*>(t_.mask) + offset, t_.mask_key, n);
      } else {
        widen_row(to, static_cast<const E*>(t_.mask) + offset, t_.mask_key, n);
      }
    }
    if (n_rows == 1) return;
    pack_panel(bias_, panel.width(), rows_, kAttentionKeys, 1, n_rows, n);
  }

  void end_panel(const Panel& panel, const AttentionRows& to) const {
    const int64_t row = panel.row - t_.row_begin;
    std::copy_n(panel.max, panel.n_rows, static_cast<T*>(to.max) + row);
    std::copy_n(panel.sum, panel.n_rows, static_cast<T*>(to.sum) + row);
    pack_panel(static_cast<T*>(to.average) + row * t_.value_dim, t_.value_dim, panel.average,
               panel.width(), 1, t_.value_dim, panel.n_rows);
  }

  const AttentionTask& t_;
  const int64_t q_units_;
  T* scores_;  // [key][query]; then weights
  T* bias_;
  T* shrink_;
  T* visible_;  // how many keys of a block each query sees
  T* rows_;     // what is to be transposed
  T* keys_;     // of a block
  T* values_;
  Panel panels_[kAttentionPanels];
  int64_t n_panels_ = 0;
};

template <class P>
void attend(const AttentionTask& task, const AttentionRows& to, void* scratch) {
  PanelAttention<P>(task, scratch).run(to);
}

template <class P>
void add(cpu::AttentionKernels& kernels) {
  const int dtype = int(dtype_of<typename P::Element>.val());
  kernels.panel_rows[dtype] = kPanelVectors * Pack<typename P::T>::kLanes;
  kernels.attend[dtype] = attend<P>;
}

}  // namespace

void add_attention(cpu::AttentionKernels& kernels) {
  add<SingleProducts<float>>(kernels);
  add<SingleProducts<double>>(kernels);
  add<SingleProducts<float16_t>>(kernels);
  add<SingleProducts<bfloat16_t>>(kernels);
}

void add_attention_of_pairs([[maybe_unused]] cpu::AttentionKernels& kernels) {
#if defined(__AVX512BF16__)
  add<PairProducts>(kernels);
#endif
}

}  // namespace tarn::HWY_NAMESPACE
