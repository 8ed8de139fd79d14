// The header in front of every block of bytes that arrays own. Shared by the buffer handle and the
// allocator; users see it only as the opaque pointer in allocator::Buffer.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace tarn {

namespace allocator {
class Buffer;
}

// Called with a block in place of allocator::free when its last owner goes. It owes the block an
// allocator::free or allocator::release. What it throws is dropped.
using Deleter = std::function<void(allocator::Buffer)>;

enum class BlockKind : uint8_t {
  small,     // a slot of a slab: header and bytes together
  medium,    // header and bytes together, from the C library's heap
  large,     // bytes in whole huge pages, header elsewhere
  external,  // bytes belong to the user; the header is a slot without bytes
};

// One cache line. Owned by whoever holds the buffer while in use, else by a free list.
struct Block {
  // Where a free block hangs; a small one uses `next` only.
  struct Links {
    Block* next;
    Block* previous;
    Block* newer;
    Block* older;
  };

  std::byte* data;  // aligned to kBufferAlignment unless external
  size_t capacity;  // bytes at data
  size_t size;      // bytes asked for: size <= capacity
  std::atomic<uint32_t> owners;
  BlockKind kind;
  bool has_deleter;
  uint16_t size_class;
  union {
    Links links;                                          // while free
    alignas(Deleter) std::byte deleter[sizeof(Deleter)];  // while in use and has_deleter
  };
};
static_assert(sizeof(Block) == 64);

constexpr size_t kBufferAlignment = 64;

// Gives a block without owners to its deleter, or its bytes back to the allocator.
void dispose(Block* block) noexcept;

}  // namespace tarn
