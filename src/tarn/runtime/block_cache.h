// Freed blocks kept for reuse: those larger than kMaxSmall (slab_pool.h).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>

#include "tarn/runtime/block.h"

namespace tarn {

// Sizes are rounded up so that there are 16 capacities between a power of two and the next; that
// wastes at most one part in 16, and makes blocks of about the same size interchangeable.
struct BlockClasses {
  static constexpr int kMinLog2 = 12;
  static constexpr int kMaxLog2 = 47;
  static constexpr int kPerDoublingLog2 = 4;
  static constexpr int kPerDoubling = 1 << kPerDoublingLog2;
  static constexpr int kCount = (kMaxLog2 - kMinLog2) * kPerDoubling;
  static constexpr size_t kMaxSize = size_t{1} << kMaxLog2;  // the address space of a process

  // Requires: 2^kMinLog2 < size <= kMaxSize.
  static size_t capacity(size_t size) noexcept;
  static int index(size_t capacity) noexcept;
};

// Thread-safe. Owns the blocks that are in it.
class BlockCache {
 public:
  // A block with at least `size` bytes and at most so many that little is wasted, or null. Of
  // several the smallest, of those the last one freed, which is most likely still in the
  // processor's cache.
  Block* take(size_t size) noexcept;
  // Keeps the block; what is then above the limit goes back to the system, oldest first.
  void give(Block* block) noexcept;

  // Gives the oldest blocks back to the system until at most this many bytes are left.
  void trim(size_t nbytes) noexcept;

  size_t bytes() const noexcept { return bytes_.load(std::memory_order_acquire); }
  // Sets the limit unless it has been set. Until then there is none.
  void init_limit(size_t nbytes) noexcept;
  // Returns the previous limit.
  size_t set_limit(size_t nbytes) noexcept;

  // For fork(): while locked nobody else is inside.
  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }

 private:
  static constexpr size_t kNoLimitYet = ~size_t{0};

  void unlink(Block* block) noexcept;
  Block* evict(size_t nbytes) noexcept;

  std::mutex mutex_;  // guards all but the atomics' reads
  std::array<Block*, BlockClasses::kCount> bins_{};
  Block* newest_ = nullptr;
  Block* oldest_ = nullptr;
  std::atomic<size_t> bytes_{0};
  std::atomic<size_t> limit_{kNoLimitYet};
};

}  // namespace tarn
