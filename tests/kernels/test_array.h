// Arrays for kernel tests: memory of their own under layouts that views produce.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>
#include <numeric>
#include <random>
#include <vector>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"
#include "tarn/base/layout.h"
#include "tarn/base/view.h"

namespace tarn {

class TestArray {
 public:
  // Row-major.
  TestArray(Dtype dtype, Shape shape) : TestArray(dtype, row_major(shape), size_of_shape(shape)) {}

  // Axes in some order, gaps between elements, some axes reversed, some so far apart that places
  // of elements are beyond 32 bits.
  static TestArray random_layout(Dtype dtype, const Shape& shape, std::mt19937& random) {
    std::vector<size_t> order(shape.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random);
    Layout layout{shape, Strides(shape.size(), 0), 0};
    int64_t extent = 1;
    for (size_t axis : order) {
      int64_t stride = extent + (random() % 4 == 0 ? random() % 3 : 0);
      const bool is_far = axis == order.back() && shape[axis] <= 8 && random() % 8 == 0;
      if (is_far) stride += int64_t{1} << 32;
      extent = stride * std::max<int64_t>(shape[axis], 1);
      const bool reversed = random() % 8 == 0;
      if (reversed && shape[axis] > 0) layout.offset += (shape[axis] - 1) * stride;
      layout.strides[axis] = reversed ? -stride : stride;
    }
    return TestArray(dtype, layout, extent);
  }

  TestArray(Dtype dtype, Layout layout, int64_t capacity)
      : dtype_(dtype),
        layout_(std::move(layout)),
        bytes_(allocate(static_cast<size_t>((capacity + 1) * dtype.size()))) {
    if (bytes_.get_deleter().n_mapped == 0) return;
    for_each_place([&](std::byte* place, int64_t) { std::fill_n(place, dtype_.size(), kUnset); });
  }

  View view() {
    return {bytes_.get() + layout_.offset * dtype_.size(),
            layout_.shape.data(),
            layout_.strides.data(),
            static_cast<int>(layout_.shape.size()),
            dtype_,
            size_of_shape(layout_.shape)};
  }

  const Shape& shape() const { return layout_.shape; }

  // The same elements under a shape that stretches dimensions of one.
  void broadcast_to(const Shape& shape) {
    layout_.strides = broadcast_strides(layout_, shape);
    layout_.shape = shape;
  }
  void transpose(const std::vector<int>& axes) { layout_ = permute(layout_, axes); }

  void fill_random_bytes(std::mt19937& random) {
    for_each_place([&](std::byte* place, int64_t) {
      std::generate_n(place, dtype_.size(), [&] { return static_cast<std::byte>(random()); });
    });
  }

  // Calls f(reference to the element, position in row-major order).
  template <class T, class F>
  void for_each(F f) {
    for_each_place([&](std::byte* place, int64_t i) { f(*reinterpret_cast<T*>(place), i); });
  }

  template <class T>
  std::vector<T> elements() {
    std::vector<T> result(static_cast<size_t>(size_of_shape(layout_.shape)));
    for_each<T>([&](const T& x, int64_t i) { result[static_cast<size_t>(i)] = x; });
    return result;
  }
  template <class T>
  void set(const std::vector<T>& values) {
    for_each<T>([&](T& x, int64_t i) { x = values[static_cast<size_t>(i)]; });
  }

 private:
  struct Free {
    size_t n_mapped;
    void operator()(std::byte* bytes) const {
      if (n_mapped == 0) {
        delete[] bytes;
      } else {
        munmap(bytes, n_mapped);
      }
    }
  };
  using Bytes = std::unique_ptr<std::byte[], Free>;
  static constexpr std::byte kUnset{0xaa};

  // Few bytes are all kUnset; of many, only the pages that are touched take memory.
  static Bytes allocate(size_t n) {
    if (n < size_t{1} << 30) {
      Bytes bytes(new std::byte[n], Free{0});
      std::fill_n(bytes.get(), n, kUnset);
      return bytes;
    }
    void* const mapped = mmap(nullptr, n, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    return Bytes(static_cast<std::byte*>(mapped), Free{n});
  }

  // Calls f(where the element is, position in row-major order).
  template <class F>
  void for_each_place(F f) {
    if (size_of_shape(layout_.shape) == 0) return;
    const size_t ndim = layout_.shape.size();
    const int32_t cols = ndim > 0 ? layout_.shape.back() : 1;
    const int64_t col_stride = ndim > 0 ? layout_.strides.back() : 0;
    std::vector<int32_t> index(std::max<size_t>(ndim, 1) - 1, 0);
    for (int64_t position = 0;;) {
      int64_t row = layout_.offset;
      for (size_t axis = 0; axis < index.size(); ++axis) row += index[axis] * layout_.strides[axis];
      for (int32_t col = 0; col < cols; ++col) {
        f(bytes_.get() + (row + col * col_stride) * dtype_.size(), position++);
      }
      size_t axis = index.size();
      while (axis > 0 && ++index[axis - 1] == layout_.shape[axis - 1]) index[--axis] = 0;
      if (axis == 0) return;
    }
  }

  Dtype dtype_;
  Layout layout_;
  Bytes bytes_;
};

inline int pick(std::mt19937& random, int low, int high) {
  return std::uniform_int_distribution(low, high)(random);
}

inline Shape random_shape(std::mt19937& random, int max_ndim, int max_dim) {
  Shape shape(static_cast<size_t>(pick(random, 0, max_ndim)));
  for (auto& dim : shape)
    dim = pick(random, 0, 15) == 0 ? pick(random, 0, 1) : pick(random, 1, max_dim);
  return shape;
}

}  // namespace tarn
