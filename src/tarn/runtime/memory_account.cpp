#include "tarn/runtime/memory_account.h"

#include <algorithm>
#include <cstdlib>

namespace tarn {

void MemoryAccount::join(AccountShard& shard) noexcept {
  shard.next = shards_.load(std::memory_order_relaxed);
  while (!shards_.compare_exchange_weak(shard.next, &shard, std::memory_order_release,
                                        std::memory_order_relaxed)) {
  }
}

void MemoryAccount::allocated(AccountShard* shard, size_t nbytes) noexcept {
  if (shard == nullptr || nbytes >= kSharedFrom) {
    add_shared(static_cast<int64_t>(nbytes));
  } else {
    shard->allocated(nbytes);
    fold_if_large(*shard);
  }
}

void MemoryAccount::freed(AccountShard* shard, size_t nbytes) noexcept {
  if (shard == nullptr || nbytes >= kSharedFrom) {
    add_shared(-static_cast<int64_t>(nbytes));
  } else {
    shard->freed(nbytes);
    fold_if_large(*shard);
  }
}

void MemoryAccount::fold_if_large(AccountShard& shard) noexcept {
  if (std::abs(shard.balance.load(std::memory_order_relaxed)) > kFoldAt) fold(shard);
}

void MemoryAccount::fold(AccountShard& shard) noexcept {
  settle();
  const int64_t balance = shard.balance.load(std::memory_order_relaxed);
  // In this order, so that a reader of the shared count and then the balance never counts both.
  shard.balance.store(0, std::memory_order_release);
  shared_.fetch_add(balance, std::memory_order_acq_rel);
}

size_t MemoryAccount::active() const noexcept {
  int64_t sum = shared_.load(std::memory_order_acquire);
  for (AccountShard* shard = shards_.load(std::memory_order_acquire); shard != nullptr;
       shard = shard->next) {
    sum += shard->balance.load(std::memory_order_acquire);
  }
  return static_cast<size_t>(std::max<int64_t>(sum, 0));
}

size_t MemoryAccount::peak() noexcept {
  settle();
  return static_cast<size_t>(peak_.load(std::memory_order_acquire));
}

void MemoryAccount::reset_peak() noexcept {
  settle();
  peak_.store(0, std::memory_order_release);
}

void MemoryAccount::add_shared(int64_t nbytes) noexcept {
  const int64_t balances = settle();
  const int64_t shared = shared_.fetch_add(nbytes, std::memory_order_acq_rel) + nbytes;
  if (nbytes > 0) raise_peak(shared + balances);
}

// Makes the highest balances part of the peak. Returns the sum of the balances.
int64_t MemoryAccount::settle() noexcept {
  const int64_t shared = shared_.load(std::memory_order_acquire);
  int64_t balances = 0;
  int64_t above = -1;  // by how much the sum was once higher than now; -1: nothing to settle
  for (AccountShard* shard = shards_.load(std::memory_order_acquire); shard != nullptr;
       shard = shard->next) {
    const int64_t balance = shard->balance.load(std::memory_order_acquire);
    const int64_t highest = shard->highest.load(std::memory_order_relaxed);
    balances += balance;
    if (highest == AccountShard::kNone) continue;
    above = std::max({above, highest - balance, int64_t{0}});
    shard->highest.store(AccountShard::kNone, std::memory_order_relaxed);
  }
  if (above >= 0) raise_peak(shared + balances + above);
  return balances;
}

void MemoryAccount::raise_peak(int64_t candidate) noexcept {
  int64_t peak = peak_.load(std::memory_order_relaxed);
  while (candidate > peak &&
         !peak_.compare_exchange_weak(peak, candidate, std::memory_order_acq_rel)) {
  }
}

}  // namespace tarn
