#include "tarn/runtime/block_cache.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "tarn/runtime/system_pages.h"

namespace tarn {

namespace {

// A block that is a quarter too large is better than a fresh one; for small sizes, where a fresh
// one costs a trip through the C library, one of twice the size is.
size_t largest_acceptable(size_t size) noexcept {
  constexpr size_t kSmallWaste = 32 << 10;
  return std::max(size + size / 4, std::min(2 * size, size + kSmallWaste));
}

void return_blocks(Block* block) noexcept {
  while (block != nullptr) {
    Block* next = block->links.next;
    return_block(block);
    block = next;
  }
}

}  // namespace

size_t BlockClasses::capacity(size_t size) noexcept {
  const size_t step = std::bit_floor(size - 1) / kPerDoubling;
  return (size + step - 1) & ~(step - 1);
}

int BlockClasses::index(size_t capacity) noexcept {
  assert(capacity > size_t{1} << kMinLog2);
  const int log2 = static_cast<int>(std::bit_width(capacity - 1)) - 1;
  const size_t above = capacity - (size_t{1} << log2);  // more than 0, at most 2^log2
  const auto steps = static_cast<int>(above >> (log2 - kPerDoublingLog2));
  return (log2 - kMinLog2) * kPerDoubling + steps - 1;
}

Block* BlockCache::take(size_t size) noexcept {
  const int first = BlockClasses::index(BlockClasses::capacity(size));
  const size_t largest = largest_acceptable(size);
  // Nothing of more than twice the size is acceptable.
  const int end = std::min(first + BlockClasses::kPerDoubling + 1, BlockClasses::kCount);
  std::lock_guard lock(mutex_);
  for (int index = first; index < end; ++index) {
    Block* block = bins_[index];
    if (block == nullptr) continue;
    if (block->capacity > largest) return nullptr;
    unlink(block);
    return block;
  }
  return nullptr;
}

void BlockCache::give(Block* block) noexcept {
  Block* evicted = nullptr;
  {
    std::lock_guard lock(mutex_);
    Block*& bin = bins_[block->size_class];
    block->links = {.next = bin, .previous = nullptr, .newer = nullptr, .older = newest_};
    if (bin != nullptr) bin->links.previous = block;
    bin = block;
    (newest_ != nullptr ? newest_->links.newer : oldest_) = block;
    newest_ = block;
    bytes_.store(bytes_.load(std::memory_order_relaxed) + block->capacity,
                 std::memory_order_release);
    evicted = evict(limit_.load(std::memory_order_relaxed));
  }
  return_blocks(evicted);
}

void BlockCache::trim(size_t nbytes) noexcept {
  Block* evicted = nullptr;
  {
    std::lock_guard lock(mutex_);
    evicted = evict(nbytes);
  }
  return_blocks(evicted);
}

void BlockCache::init_limit(size_t nbytes) noexcept {
  size_t expected = kNoLimitYet;
  limit_.compare_exchange_strong(expected, nbytes, std::memory_order_acq_rel);
}

size_t BlockCache::set_limit(size_t nbytes) noexcept {
  const size_t previous =
      limit_.exchange(std::min(nbytes, kNoLimitYet - 1), std::memory_order_acq_rel);
  trim(nbytes);
  return previous;
}

void BlockCache::unlink(Block* block) noexcept {
  const Block::Links& links = block->links;
  (links.previous != nullptr ? links.previous->links.next : bins_[block->size_class]) = links.next;
  if (links.next != nullptr) links.next->links.previous = links.previous;
  (links.newer != nullptr ? links.newer->links.older : newest_) = links.older;
  (links.older != nullptr ? links.older->links.newer : oldest_) = links.newer;
  bytes_.store(bytes_.load(std::memory_order_relaxed) - block->capacity, std::memory_order_release);
}

// Takes out the oldest blocks above `nbytes`, as a list by links.next. They go back to the system
// after the lock is released: to unmap a gigabyte takes milliseconds.
Block* BlockCache::evict(size_t nbytes) noexcept {
  Block* evicted = nullptr;
  while (bytes_.load(std::memory_order_relaxed) > nbytes) {
    Block* block = oldest_;
    unlink(block);
    block->links.next = evicted;
    evicted = block;
  }
  return evicted;
}

}  // namespace tarn
