// How an operation along axes walks over its input, and how the input's elements are brought
// together. Shared by reductions (the fused ones of the backend, too), softmax, scans and sorting.
#pragma once

#include <cstdint>
#include <span>

#include "tarn/base/dtype.h"
#include "tarn/base/shape.h"
#include "tarn/base/view.h"
#include "tarn/kernels/cpu/kernel_table.h"

namespace tarn::cpu {

// A part of an input's dimensions: at least one, as few as its strides allow.
struct Walk {
  Shape shape;
  Strides strides;
  int64_t size;

  std::span<const int32_t> dims() const { return {shape.data(), shape.size()}; }
  int64_t inner_dim() const { return shape[shape.size() - 1]; }
  int64_t inner_stride() const { return strides[strides.size() - 1]; }
};

// The dimensions that stay, in order, and those that go: these with the smallest stride last, since
// their order does not matter to a reduction. More than kInlineDims in a part throw std::bad_alloc
// when memory runs out.
struct ReduceLayout {
  Walk kept;
  Walk reduced;
};
ReduceLayout split_axes(const View& in, std::span<const int> axes);

// Whether neighbouring outputs come from elements that are closer than those of one output.
bool prefers_columns(const ReduceLayout& layout);

// Reads elements of an array as contiguous elements of another dtype, in place where it can and
// else by way of its own memory. For one thread.
class BlockReader {
 public:
  static constexpr int64_t kBlock = 2048;

  BlockReader(const View& in, Dtype::Val dtype);

  // Whether a run of elements that are `stride` apart can be read in place, and so be of any
  // length.
  bool reads_in_place(int64_t stride) const { return !cast_ && stride == 1; }

  // The n elements, `stride` apart, from `offset` on. Valid until the next call.
  // Requires: n is at most kBlock, unless they are read in place.
  const void* read_run(int64_t offset, int64_t stride, int64_t n);

  // The n elements of `walk`, in its order, from number `begin` on; offset is that of its first
  // element. Valid until the next call. Requires: n is at most kBlock.
  const void* read(const Walk& walk, int64_t offset, int64_t begin, int64_t n);

 private:
  const void* convert(const void* elements, int64_t n);

  const char* const data_;
  const int item_size_;
  const TileKernel cast_;  // null if the dtype is the array's
  alignas(64) unsigned char gathered_[kBlock * 8];
  alignas(64) unsigned char converted_[kBlock * 8];
};

}  // namespace tarn::cpu
