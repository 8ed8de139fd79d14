#include "tarn/runtime/outcome.h"

#include <cstdint>
#include <new>

#include "tarn/runtime/fork.h"

namespace tarn {

namespace {

constexpr int kBucketBits = 6;

struct Buckets {
  WaitBucket<StdSync> bucket[1 << kBucketBits];
};

// Never destroyed: at exit threads may still settle outcomes. Needs no memory: settling must not
// fail.
Buckets& buckets() noexcept {
  alignas(Buckets) static unsigned char storage[sizeof(Buckets)];
  static Buckets& instance = *new (storage) Buckets;
  return instance;
}

}  // namespace

template <>
WaitBucket<StdSync>& wait_bucket<StdSync>(const void* outcome) noexcept {
  // Fibonacci hashing: nodes are at least 64 bytes apart, so the low bits say little.
  uint64_t hash = reinterpret_cast<uintptr_t>(outcome) * 0x9E3779B97F4A7C15ull;
  return buckets().bucket[hash >> (64 - kBucketBits)];
}

namespace fork_hooks {

void lock_wait_buckets() noexcept {
  for (auto& bucket : buckets().bucket) bucket.mutex.lock();
}

void unlock_wait_buckets() noexcept {
  for (auto& bucket : buckets().bucket) bucket.mutex.unlock();
}

void renew_wait_buckets() noexcept { new (&buckets()) Buckets; }

}  // namespace fork_hooks
template <>
ThreadOwner*& owner_of_this_thread<StdSync>() noexcept {
  static constinit thread_local ThreadOwner* owner = nullptr;
  return owner;
}

}  // namespace tarn
