// The owner of an array's bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include "tarn/runtime/allocator.h"
#include "tarn/runtime/block.h"

namespace tarn {

// Shared owner of a block of bytes; the last owner returns them to the allocator's cache, or to the
// deleter. One pointer wide; the count is in the block. Distinct owners of one block may be used by
// distinct threads; a single owner is not thread-safe.
class BufferRef {
 public:
  // What MLX's owner points to.
  struct Data {
    allocator::Buffer buffer;
  };

  // Owns nothing: data() is null, size() and capacity() are 0.
  BufferRef(std::nullptr_t = nullptr) noexcept : owned_{allocator::Buffer(nullptr)} {}

  // At least `nbytes` uninitialised bytes, aligned to kBufferAlignment. Throws OutOfMemory.
  static BufferRef allocate(size_t nbytes);
  // The same, but without memory returns an owner of nothing.
  static BufferRef try_allocate(size_t nbytes) noexcept;

  // Takes over a buffer of allocator::malloc or make_buffer, which must have no owner. The last
  // owner calls `deleter` with it, once; an empty deleter means allocator::free.
  static BufferRef adopt(allocator::Buffer buffer) noexcept;
  static BufferRef adopt(allocator::Buffer buffer, Deleter deleter) noexcept;

  // Owns the user's memory, without a copy. The deleter runs exactly once, with `data`: when the
  // last owner goes, or before OutOfMemory is thrown for want of a header. What it throws is
  // dropped.
  static BufferRef wrap(void* data, size_t nbytes, std::function<void(void*)> deleter);

  BufferRef(const BufferRef& other) noexcept : owned_(other.owned_) {
    if (*this) block()->owners.fetch_add(1, std::memory_order_relaxed);
  }
  BufferRef(BufferRef&& other) noexcept
      : owned_(std::exchange(other.owned_, Data{allocator::Buffer(nullptr)})) {}
  BufferRef& operator=(BufferRef other) noexcept {
    swap(other);
    return *this;
  }
  ~BufferRef() { reset(); }

  void swap(BufferRef& other) noexcept { std::swap(owned_, other.owned_); }

  void reset() noexcept {
    if (!*this) return;
    Block* block = this->block();
    owned_.buffer = allocator::Buffer(nullptr);
    // A sole owner needs no atomic subtraction: nobody else is left who could copy.
    if (block->owners.load(std::memory_order_acquire) == 1 ||
        block->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      dispose(block);
    }
  }

  explicit operator bool() const noexcept { return owned_.buffer.ptr() != nullptr; }
  friend bool operator==(const BufferRef& a, const BufferRef& b) noexcept {
    return a.owned_.buffer.ptr() == b.owned_.buffer.ptr();
  }

  std::byte* data() const noexcept { return *this ? block()->data : nullptr; }
  // The bytes asked for. The address sanitizer reports an access past them.
  size_t size() const noexcept { return *this ? block()->size : 0; }
  // The bytes that may be asked for with resize.
  size_t capacity() const noexcept { return *this ? block()->capacity : 0; }
  // Changes size() for a new user of the same bytes. Requires: this is the sole owner, and nbytes
  // <= capacity().
  void resize(size_t nbytes) noexcept;

  // How many owners there are; 1 means that the bytes may be written or given away. Everything that
  // former owners did with the bytes happens before.
  size_t use_count() const noexcept {
    return *this ? block()->owners.load(std::memory_order_acquire) : 0;
  }

  // The handle for code written for MLX; ownership stays here.
  allocator::Buffer& buffer() noexcept { return owned_.buffer; }
  const allocator::Buffer& buffer() const noexcept { return owned_.buffer; }
  const Data* operator->() const noexcept { return &owned_; }

 private:
  explicit BufferRef(allocator::Buffer buffer) noexcept : owned_{buffer} {}
  Block* block() const noexcept {
    return static_cast<Block*>(const_cast<void*>(owned_.buffer.ptr()));
  }

  Data owned_;
};

}  // namespace tarn
