// Counts the bytes of live buffers: exactly, and without a cache line that all threads write.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace tarn {

// Note [Exact account]
//
// The active bytes are a shared count plus one balance per thread. Only its thread writes a
// balance, with plain loads and stores; a balance may be negative, since a block may be freed by
// another thread than allocated it. The sum is exact when nobody is allocating.
//
// The peak is exact as long as one thread at a time allocates: each thread also keeps the highest
// balance it had, and whenever the rest of the sum is about to change, the highest balances become
// part of the peak ("settling"). Blocks from kSharedFrom on go to the shared count, and settle; so
// threads that run together can err by their balances only, which are kept small by folding them
// into the shared count.

// One thread's part of the account.
struct alignas(64) AccountShard {
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::min();

  std::atomic<int64_t> balance{0};
  std::atomic<int64_t> highest{kNone};  // since it was settled; kNone if nothing was allocated
  AccountShard* next = nullptr;         // in the account's list; constant once there

  // By the owning thread only.
  void allocated(size_t nbytes) noexcept {
    const int64_t now = balance.load(std::memory_order_relaxed) + static_cast<int64_t>(nbytes);
    balance.store(now, std::memory_order_relaxed);
    if (now > highest.load(std::memory_order_relaxed)) {
      highest.store(now, std::memory_order_relaxed);
    }
  }
  void freed(size_t nbytes) noexcept {
    balance.store(balance.load(std::memory_order_relaxed) - static_cast<int64_t>(nbytes),
                  std::memory_order_relaxed);
  }
};

// Thread-safe. See Note [Exact account].
class MemoryAccount {
 public:
  // Blocks of at least this size are counted in the shared count.
  static constexpr size_t kSharedFrom = 256 << 10;
  // A balance further from 0 than this is folded when its thread next asks.
  static constexpr int64_t kFoldAt = 256 << 10;

  // Adds a thread's shard, which must live as long as the account.
  void join(AccountShard& shard) noexcept;

  // `shard` is the calling thread's, or null.
  void allocated(AccountShard* shard, size_t nbytes) noexcept;
  void freed(AccountShard* shard, size_t nbytes) noexcept;

  // Moves the calling thread's balance to the shared count if it is large.
  void fold_if_large(AccountShard& shard) noexcept;

  size_t active() const noexcept;
  // Active bytes but for the balances: cheap, and off by kFoldAt and a little for each thread.
  int64_t active_estimate() const noexcept { return shared_.load(std::memory_order_relaxed); }

  size_t peak() noexcept;
  void reset_peak() noexcept;

 private:
  void fold(AccountShard& shard) noexcept;
  void add_shared(int64_t nbytes) noexcept;
  int64_t settle() noexcept;
  void raise_peak(int64_t candidate) noexcept;

  std::atomic<int64_t> shared_{0};
  std::atomic<int64_t> peak_{0};
  std::atomic<AccountShard*> shards_{nullptr};
};

}  // namespace tarn
