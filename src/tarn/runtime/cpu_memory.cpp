#include "tarn/runtime/cpu_memory.h"

#include <pthread.h>

#include <algorithm>
#include <new>
#include <type_traits>
#include <utility>

#include "tarn/base/settings.h"
#include "tarn/runtime/memory_limit.h"
#include "tarn/runtime/system_pages.h"

namespace tarn {

constinit thread_local ThreadCache* thread_cache = nullptr;

namespace {

constinit CpuMemory memory;
static_assert(std::is_trivially_destructible_v<CpuMemory>, "buffers may outlive static objects");
constinit thread_local bool thread_is_ending = false;

// A thread-specific value rather than a thread_local object: its destructor runs after those of all
// thread_local objects, which may hold arrays, and setting it can fail without ending the process.
pthread_key_t retirement_key;
bool has_retirement_key = false;

// Near the limit each allocation is checked; this many bytes may be allocated unchecked. More than
// what the balances of some dozens of threads add up to.
constexpr size_t kMargin = 64 << 20;

void retire_thread(void* cache) {
  thread_is_ending = true;
  memory.retire(static_cast<ThreadCache*>(cache));
}

// Early, because fork() takes locks in the reverse order of registration, and these are the
// innermost of all: whoever holds another lock may allocate or free.
[[gnu::constructor]] void register_handlers() {
  pthread_atfork([] { memory.lock(); }, [] { memory.unlock(); }, [] { memory.unlock(); });
  has_retirement_key = pthread_key_create(&retirement_key, retire_thread) == 0;
}

AccountShard* shard() noexcept { return thread_cache != nullptr ? &thread_cache->shard : nullptr; }

}  // namespace

CpuMemory& CpuMemory::instance() noexcept { return memory; }

Block* CpuMemory::allocate_slow(size_t size) {
  init_limits();
  if (injected_failure() || size > BlockClasses::kMaxSize) return nullptr;
  ensure_thread_cache();
  Block* block = size <= kMaxSmall ? allocate_small(SmallClasses::of(size)) : allocate_big(size);
  update_watch();
  return block != nullptr ? in_use(block, size) : nullptr;
}

Block* CpuMemory::allocate_header(void* data, size_t nbytes) {
  init_limits();
  if (injected_failure()) return nullptr;
  ensure_thread_cache();
  Block* block = allocate_small(SmallClasses::kHeader);
  if (block == nullptr) return nullptr;
  block->kind = BlockKind::external;
  block->data = static_cast<std::byte*>(data);
  block->capacity = nbytes;
  return in_use(block, nbytes);
}

Block* CpuMemory::allocate_small(int size_class) noexcept {
  BlockList single;
  BlockList& list = thread_cache != nullptr ? thread_cache->lists[size_class] : single;
  if (list.count == 0) {
    const uint32_t wanted = thread_cache != nullptr ? ThreadCache::kMaxCount[size_class] / 2 : 1;
    list = slabs_.take(size_class, wanted);
    if (list.count == 0) {
      cache_.trim(0);
      list = slabs_.take(size_class, wanted);
    }
    if (list.count == 0) return nullptr;
    if (thread_cache != nullptr) account_.fold_if_large(thread_cache->shard);
  }
  if (admit(SmallClasses::kCapacity[size_class])) return list.pop();
  if (thread_cache == nullptr) slabs_.give(size_class, single);
  return nullptr;
}

Block* CpuMemory::allocate_big(size_t size) noexcept {
  if (Block* block = cache_.take(size)) {
    if (admit(block->capacity)) return block;
    cache_.give(block);  // it may have been larger than what still fits
  }
  const size_t capacity = BlockClasses::capacity(size);
  if (!fits(capacity)) return nullptr;
  make_room(capacity);
  Block* block = obtain_block(capacity);
  if (block == nullptr) {
    cache_.trim(0);
    block = obtain_block(capacity);
  }
  if (block == nullptr) return nullptr;
  block->size_class = static_cast<uint16_t>(BlockClasses::index(capacity));
  if (admit(capacity)) return block;
  return_block(block);
  return nullptr;
}

void CpuMemory::free_slow(Block* block) noexcept {
  ensure_thread_cache();
  switch (block->kind) {
    case BlockKind::external:
      block->kind = BlockKind::small;
      block->data = reinterpret_cast<std::byte*>(block + 1);
      block->capacity = SmallClasses::kCapacity[SmallClasses::kHeader];
      free_small(block);
      return;
    case BlockKind::small:
      free_small(block);
      return;
    case BlockKind::medium:
    case BlockKind::large:
      account_.freed(shard(), block->capacity);
      poison(block->data, block->capacity);
      cache_.give(block);
      return;
  }
}

void CpuMemory::free_small(Block* block) noexcept {
  const int size_class = block->size_class;
  account_.freed(shard(), block->capacity);
  poison(block->data, block->capacity);
  BlockList single;
  BlockList& list = thread_cache != nullptr ? thread_cache->lists[size_class] : single;
  list.push(block);
  if (thread_cache == nullptr) {
    slabs_.give(size_class, single);
  } else if (list.count > ThreadCache::kMaxCount[size_class]) {
    // The half that was used last stays.
    slabs_.give(size_class, list.split(list.count / 2));
  }
}

void CpuMemory::clear_cache() noexcept {
  if (thread_cache != nullptr) empty(*thread_cache);
  cache_.trim(0);
}

size_t CpuMemory::set_memory_limit(size_t limit) {
  init_limits();
  const size_t previous = limit_.exchange(std::min(limit, kUnset - 1));
  make_room(0);
  update_watch();
  return previous;
}

size_t CpuMemory::set_cache_limit(size_t limit) {
  init_limits();
  return cache_.set_limit(limit);
}

size_t CpuMemory::memory_limit() {
  init_limits();
  return limit_.load(std::memory_order_acquire);
}

// Without a lock, which a fork() could leave locked in the child: threads that come here together
// find the same limits.
void CpuMemory::init_limits() {
  if (limit_.load(std::memory_order_acquire) != kUnset) return;
  const Settings& chosen = settings();
  const size_t limit =
      chosen.memory_limit ? static_cast<size_t>(*chosen.memory_limit) : default_memory_limit();
  const size_t cache_limit =
      chosen.cache_limit ? static_cast<size_t>(*chosen.cache_limit) : limit / 2;
  size_t expected = kUnset;
  cache_.init_limit(cache_limit);
  limit_.compare_exchange_strong(expected, limit);
}

// Gives back cached memory so that it and `nbytes` more active bytes stay within the limit.
void CpuMemory::make_room(size_t nbytes) noexcept {
  const size_t limit = limit_.load(std::memory_order_acquire);
  const size_t needed = account_.active() + nbytes;
  cache_.trim(limit > needed ? limit - needed : 0);
}

bool CpuMemory::fits(size_t nbytes) const noexcept {
  return account_.active() + nbytes <= limit_.load(std::memory_order_acquire);
}

bool CpuMemory::near_limit(size_t nbytes) const noexcept {
  const auto active = static_cast<size_t>(std::max<int64_t>(account_.active_estimate(), 0));
  return active + nbytes + kMargin > limit_.load(std::memory_order_acquire);
}

// Counts the block as active if the limit allows it. A header, without bytes, always fits.
bool CpuMemory::admit(size_t nbytes) noexcept {
  if (nbytes == 0) return true;
  if (!near_limit(nbytes)) {
    account_.allocated(shard(), nbytes);
    return true;
  }
  std::lock_guard lock(admission_);
  if (!fits(nbytes)) return false;
  account_.allocated(shard(), nbytes);
  return true;
}

void CpuMemory::update_watch() noexcept {
  const auto is_current = [this] {
    const bool watched = (watch_.load(std::memory_order_relaxed) & kNearLimit) != 0;
    return near_limit(0) == watched;
  };
  if (is_current()) return;
  std::lock_guard lock(admission_);
  if (!is_current()) watch_.fetch_xor(kNearLimit, std::memory_order_relaxed);
}

ThreadCache* CpuMemory::ensure_thread_cache() noexcept {
  if (thread_cache != nullptr || thread_is_ending || !has_retirement_key) return thread_cache;
  ThreadCache* cache = nullptr;
  {
    std::lock_guard lock(idle_mutex_);
    cache = idle_caches_;
    if (cache != nullptr) idle_caches_ = cache->next_idle;
  }
  if (cache == nullptr) {
    cache = new (std::nothrow) ThreadCache;
    if (cache == nullptr) return nullptr;
    account_.join(cache->shard);
  }
  if (pthread_setspecific(retirement_key, cache) == 0) {
    thread_cache = cache;
  } else {
    retire(cache);
  }
  return thread_cache;
}

void CpuMemory::empty(ThreadCache& cache) noexcept {
  for (int size_class = 0; size_class < SmallClasses::kCount; ++size_class) {
    BlockList& list = cache.lists[size_class];
    if (list.count > 0) slabs_.give(size_class, std::exchange(list, BlockList{}));
  }
}

void CpuMemory::retire(ThreadCache* cache) noexcept {
  thread_cache = nullptr;
  empty(*cache);
  std::lock_guard lock(idle_mutex_);
  cache->next_idle = idle_caches_;
  idle_caches_ = cache;
}

void CpuMemory::lock() noexcept {
  idle_mutex_.lock();
  admission_.lock();
  slabs_.lock();
  cache_.lock();
}

void CpuMemory::unlock() noexcept {
  cache_.unlock();
  slabs_.unlock();
  admission_.unlock();
  idle_mutex_.unlock();
}

bool CpuMemory::injected_failure() noexcept {
  if ((watch_.load(std::memory_order_relaxed) & kInjecting) == 0) return false;
  const uint64_t n = injection_.seen.fetch_add(1) + 1;
  const uint64_t first = injection_.first.load();
  return n == first || (first != 0 && n > first && injection_.then_all.load());
}

void CpuMemory::inject_failure(uint64_t n, bool then_all) noexcept {
  injection_.first.store(n);
  injection_.then_all.store(then_all);
  injection_.seen.store(0);
  watch_.fetch_or(kInjecting);
}

void CpuMemory::end_injection() noexcept { watch_.fetch_and(~uint32_t{kInjecting}); }

}  // namespace tarn
