// Collects elements that lie apart into contiguous memory, and the reverse. Elements are 1, 2, 4 or
// 8 bytes, whatever their dtype.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tarn::cpu {

// n copies of one element.
void fill(void* to, const void* element, int64_t n, int item_size);

// n elements that are `stride` elements apart.
void gather_run(void* to, const void* from, int64_t stride, int64_t n, int item_size);

// n elements in row-major order of `shape`, beginning with the one at position `begin`.
void gather(void* to, const void* from, std::span<const int32_t> shape, const int64_t* strides,
            int64_t begin, int64_t n, int item_size);

// The reverse: puts n contiguous elements to their places.
void scatter(void* to, std::span<const int32_t> shape, const int64_t* strides, int64_t begin,
             const void* from, int64_t n, int item_size);

// Element (r, c) of a panel of `rows` x `cols` is at from[r + c * from_stride] and goes to
// to[r * to_stride + c]. What the panel after it would read, from from[rows] on, is fetched.
void gather_transposed(void* to, int64_t to_stride, const void* from, int64_t from_stride,
                       int64_t rows, int64_t cols, int item_size);

// From this size on a target is written past the caches, which saves reading it first: the reader
// will not find such an amount in them anyway.
inline constexpr int64_t kStreamBytes = 8 << 20;

// KernelTable::stream_copy(), with `next` ahead unless it is null, and what must follow it.
void stream_copy(void* to, const void* from, size_t nbytes, const void* next);
void stream_fence();

}  // namespace tarn::cpu
