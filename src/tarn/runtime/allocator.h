// Raw buffers with MLX's interface. Arrays hold theirs through BufferRef (buffer.h).
#pragma once

#include <cstddef>

#include "tarn/runtime/block.h"

namespace tarn::allocator {

// An opaque handle of a block of bytes, without ownership. Copies name the same block.
class Buffer {
 public:
  explicit Buffer(void* ptr) noexcept : ptr_(ptr) {}

  // The bytes; null for the null buffer.
  void* raw_ptr() noexcept { return ptr_ != nullptr ? static_cast<Block*>(ptr_)->data : nullptr; }

  // The handle itself, not the bytes.
  void* ptr() noexcept { return ptr_; }
  const void* ptr() const noexcept { return ptr_; }

 private:
  void* ptr_;
};

// Thread-safe.
class Allocator {
 public:
  Allocator() = default;
  Allocator(const Allocator&) = delete;
  Allocator(Allocator&&) = delete;
  Allocator& operator=(const Allocator&) = delete;
  Allocator& operator=(Allocator&&) = delete;
  virtual ~Allocator() = default;

  // At least `size` bytes, uninitialised, aligned to kBufferAlignment. Zero is a size like any
  // other. Throws OutOfMemory.
  virtual Buffer malloc(size_t size) = 0;
  // Takes back what malloc gave; the null buffer is allowed.
  virtual void free(Buffer buffer) = 0;
  // The bytes that may be used: at least what was asked for.
  virtual size_t size(Buffer buffer) const = 0;

  // A buffer over the user's memory, or the null buffer if that is not possible. Throws
  // OutOfMemory.
  virtual Buffer make_buffer(void*, size_t) { return Buffer(nullptr); }
  // Ends a buffer of make_buffer; the memory stays the user's.
  virtual void release(Buffer) {}
};

// The allocator of host memory. Never destroyed.
Allocator& allocator();

Buffer malloc(size_t size);
void free(Buffer buffer) noexcept;
Buffer make_buffer(void* ptr, size_t size);
void release(Buffer buffer) noexcept;

// Whether make_buffer takes this memory: it must suit every element type.
bool can_reuse_alien_buffer(void* ptr) noexcept;

}  // namespace tarn::allocator
