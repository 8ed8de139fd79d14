#include "tarn/runtime/slab_pool.h"

#include <bit>
#include <new>

#include "tarn/runtime/memory_poison.h"
#include "tarn/runtime/system_pages.h"

namespace tarn {

constexpr size_t kSlabBytes = 64 << 10;
constexpr size_t kSlabsPerChunk = kHugePage / kSlabBytes;

// A huge page's worth of slabs. Guarded by SlabSource::mutex_.
struct Chunk {
  Block* block;
  uint32_t free;  // a bit for each slab
  Chunk* next;
  Chunk* previous;
};
static_assert(kSlabsPerChunk == 32);
constexpr uint32_t kAllFree = ~uint32_t{0};

// The start of kSlabBytes that are aligned to kSlabBytes; the slots follow. Guarded by the mutex of
// its size class.
struct Slab {
  Chunk* chunk;
  Slab* next = nullptr;
  Slab* previous = nullptr;
  BlockList free{};
  uint32_t cut =
      0;  // slots that exist; the others are cut when needed, so that a slab fills gradually
  uint32_t taken = 0;

  static Slab* of(Block* block) noexcept {
    const size_t offset = reinterpret_cast<uintptr_t>(block) % kSlabBytes;
    return reinterpret_cast<Slab*>(reinterpret_cast<std::byte*>(block) - offset);
  }
};
constexpr size_t kSlabHeader = 64;
static_assert(sizeof(Slab) <= kSlabHeader);

namespace {

// Doubly linked lists of chunks and of slabs.
template <class T>
void link(T*& head, T* item) noexcept {
  item->previous = nullptr;
  item->next = head;
  if (head != nullptr) head->previous = item;
  head = item;
}

template <class T>
void unlink(T*& head, T* item) noexcept {
  (item->previous != nullptr ? item->previous->next : head) = item->next;
  if (item->next != nullptr) item->next->previous = item->previous;
}

uint32_t slots_of(int size_class) noexcept {
  return static_cast<uint32_t>((kSlabBytes - kSlabHeader) / SmallClasses::slot_bytes(size_class));
}

bool has_free_slot(const Slab& slab, int size_class) noexcept {
  return slab.free.count > 0 || slab.cut < slots_of(size_class);
}

Block* cut_slot(Slab& slab, int size_class) noexcept {
  auto* slot = reinterpret_cast<std::byte*>(&slab) + kSlabHeader +
               slab.cut * SmallClasses::slot_bytes(size_class);
  ++slab.cut;
  auto* block = new (slot) Block;
  block->data = slot + sizeof(Block);
  block->capacity = SmallClasses::kCapacity[size_class];
  block->size = 0;
  block->kind = BlockKind::small;
  block->has_deleter = false;
  block->size_class = static_cast<uint16_t>(size_class);
  poison(block->data, block->capacity);
  return block;
}

}  // namespace

Chunk* SlabSource::add_chunk() noexcept {
  Block* block = cache_.take(kHugePage);
  if (block == nullptr) block = obtain_block(kHugePage);
  if (block == nullptr) return nullptr;
  auto* chunk = new (std::nothrow) Chunk{block, kAllFree, nullptr, nullptr};
  if (chunk == nullptr) {
    return_block(block);
    return nullptr;
  }
  block->size_class = static_cast<uint16_t>(BlockClasses::index(block->capacity));
  add_leak_roots(block->data, kHugePage);
  link(usable_, chunk);
  return chunk;
}

Slab* SlabSource::take() noexcept {
  std::lock_guard lock(mutex_);
  Chunk* chunk = usable_ != nullptr ? usable_ : add_chunk();
  if (chunk == nullptr) return nullptr;
  const int index = std::countr_zero(chunk->free);
  chunk->free &= ~(uint32_t{1} << index);
  if (chunk->free == 0) unlink(usable_, chunk);
  std::byte* bytes = chunk->block->data + index * kSlabBytes;
  unpoison(bytes, kSlabBytes);
  return new (bytes) Slab{chunk};
}

void SlabSource::give(Slab* slab) noexcept {
  Chunk* chunk = slab->chunk;
  const size_t index = (reinterpret_cast<std::byte*>(slab) - chunk->block->data) / kSlabBytes;
  std::lock_guard lock(mutex_);
  if (chunk->free == 0) link(usable_, chunk);
  chunk->free |= uint32_t{1} << index;
  const bool last = usable_ == chunk && chunk->next == nullptr;
  if (chunk->free != kAllFree || last) return;
  unlink(usable_, chunk);
  remove_leak_roots(chunk->block->data, kHugePage);
  poison(chunk->block->data, chunk->block->capacity);
  cache_.give(chunk->block);
  delete chunk;
}

BlockList SlabPool::take(int size_class, uint32_t count) noexcept {
  SizeClass& pool = classes_[size_class];
  BlockList blocks;
  std::lock_guard lock(pool.mutex);
  while (blocks.count < count) {
    if (pool.usable == nullptr) {
      Slab* fresh = slabs_.take();
      if (fresh == nullptr) break;
      link(pool.usable, fresh);
    }
    Slab& slab = *pool.usable;
    blocks.push(slab.free.count > 0 ? slab.free.pop() : cut_slot(slab, size_class));
    ++slab.taken;
    if (!has_free_slot(slab, size_class)) unlink(pool.usable, &slab);
  }
  return blocks;
}

void SlabPool::give(int size_class, BlockList blocks) noexcept {
  SizeClass& pool = classes_[size_class];
  std::lock_guard lock(pool.mutex);
  while (blocks.count > 0) {
    Block* block = blocks.pop();
    Slab* slab = Slab::of(block);
    if (!has_free_slot(*slab, size_class)) link(pool.usable, slab);
    slab->free.push(block);
    // One empty slab stays, for a program that allocates and frees a single block.
    const bool last = pool.usable == slab && slab->next == nullptr;
    if (--slab->taken > 0 || last) continue;
    unlink(pool.usable, slab);
    slabs_.give(slab);
  }
}

void SlabPool::lock() noexcept {
  for (SizeClass& pool : classes_) pool.mutex.lock();
  slabs_.lock();
}

void SlabPool::unlock() noexcept {
  slabs_.unlock();
  for (SizeClass& pool : classes_) pool.mutex.unlock();
}

}  // namespace tarn
