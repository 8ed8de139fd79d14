#include "tarn/kernels/cpu/search_sorted.h"

#include <algorithm>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce_layout.h"

namespace tarn::cpu {

namespace {

constexpr int64_t kValuesPerRange = 1 << 10;
// Values that are looked for side by side, to hide the latency of memory.
constexpr int64_t kBatch = 16;

template <class T>
bool is_nan(T x) {
  if constexpr (is_complex<T>) {
    return is_nan(x.real()) || is_nan(x.imag());
  } else if constexpr (HalfType<T>) {
    return is_nan(float(x));
  } else {
    return x != x;
  }
}

// The order of sort(). Without branches, which could not be predicted.
template <class T>
bool is_before(T x, T y) {
  return bool(int(!is_nan(x)) & (int(is_nan(y)) | int(x < y)));
}

template <class T>
class Search {
 public:
  Search(const View& sorted, bool right)
      : first_(sorted.as<const T>()), stride_(sorted.strides[0]), n_(sorted.size), right_(right) {}

  // How many elements are below each of n values, at most kBatch.
  void run(const T* values, uint32_t* counts, int64_t n) const {
    int64_t below[kBatch] = {};
    for (int64_t length = n_; length > 0;) {
      // What is left is in `length` elements from `below` on.
      const int64_t half = (length + 1) / 2;
      for (int64_t i = 0; i < n; ++i) {
        const T element = first_[(below[i] + half - 1) * stride_];
        below[i] += half & -int64_t{is_counted(element, values[i])};
      }
      length -= half;
    }
    std::copy_n(below, n, counts);
  }

 private:
  bool is_counted(T element, T value) const {
    return right_ ? !is_before(value, element) : is_before(element, value);
  }

  const T* const first_;
  const int64_t stride_;
  const int64_t n_;
  const bool right_;
};

}  // namespace

void search_sorted(const View& sorted, const View& values, bool right, const View& out) {
  if (out.size == 0) return;
  visit(values.dtype, [&]<class T>(type_tag<T>) {
    const Search<T> search(sorted, right);
    const Walk walk = split_axes(values, {}).kept;
    parallel_ranges(values.size, kValuesPerRange, [&](RangeQueue& queue) {
      BlockReader reader(values, values.dtype.val());
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        const int64_t n_values = range.end - range.begin;
        const T* x = static_cast<const T*>(reader.read(walk, 0, range.begin, n_values));
        for (int64_t i = 0; i < n_values; i += kBatch) {
          search.run(x + i, out.as<uint32_t>() + range.begin + i, std::min(kBatch, n_values - i));
        }
      }
    });
  });
}

}  // namespace tarn::cpu
