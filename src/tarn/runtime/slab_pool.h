// Blocks of up to kMaxSmall bytes: slots cut from slabs, of one size each. Threads take and give
// them in bulk; what a thread holds is in thread_cache.h.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "tarn/runtime/block.h"
#include "tarn/runtime/block_cache.h"

namespace tarn {

constexpr size_t kMaxSmall = 4096;

struct SmallClasses {
  // The first is for headers of users' memory.
  static constexpr std::array<uint16_t, 25> kCapacity = {
      0,   64,  128, 192,  256,  320,  384,  448,  512,  576,  640,  704, 768,
      832, 896, 960, 1024, 1280, 1536, 1792, 2048, 2560, 3072, 3584, 4096};
  static constexpr int kCount = kCapacity.size();
  static constexpr int kHeader = 0;

  static constexpr size_t slot_bytes(int size_class) {
    return sizeof(Block) + kCapacity[size_class];
  }
  // The class with at least `size` bytes, never kHeader. Requires: size <= kMaxSmall.
  static constexpr int of(size_t size) { return kOfLines[(size + kLine - 1) / kLine]; }

 private:
  static constexpr size_t kLine = 64;
  static constexpr auto kOfLines = [] {
    std::array<uint8_t, kMaxSmall / kLine + 1> classes{};
    for (size_t lines = 0; lines < classes.size(); ++lines) {
      uint8_t size_class = 1;
      while (kCapacity[size_class] < lines * kLine) ++size_class;
      classes[lines] = size_class;
    }
    return classes;
  }();
};

// A list of small blocks by links.next.
struct BlockList {
  Block* head = nullptr;
  uint32_t count = 0;

  void push(Block* block) noexcept {
    block->links.next = head;
    head = block;
    ++count;
  }
  // Requires: the list is not empty.
  Block* pop() noexcept {
    Block* block = head;
    head = block->links.next;
    --count;
    return block;
  }
  // Keeps the first `kept` blocks and returns the others. Requires: 0 < kept < count.
  BlockList split(uint32_t kept) noexcept {
    Block* last = head;
    for (uint32_t i = 1; i < kept; ++i) last = last->links.next;
    BlockList rest{last->links.next, count - kept};
    count = kept;
    return rest;
  }
};

struct Slab;
struct Chunk;

// Slabs, cut from blocks of kHugePage bytes. Thread-safe.
class SlabSource {
 public:
  explicit constexpr SlabSource(BlockCache& cache) : cache_(cache) {}

  // A slab without slots, or null.
  Slab* take() noexcept;
  // A chunk whose slabs are all back goes to the block cache, unless it is the last one here.
  void give(Slab* slab) noexcept;

  void lock() noexcept { mutex_.lock(); }
  void unlock() noexcept { mutex_.unlock(); }

 private:
  Chunk* add_chunk() noexcept;

  BlockCache& cache_;
  std::mutex mutex_;
  Chunk* usable_ = nullptr;  // chunks with free slabs
};

// Thread-safe.
class SlabPool {
 public:
  explicit constexpr SlabPool(BlockCache& cache) : slabs_(cache) {}

  // Up to `count` blocks of a class: fewer, maybe none, when there is no memory.
  BlockList take(int size_class, uint32_t count) noexcept;
  // Takes back blocks of one class.
  void give(int size_class, BlockList blocks) noexcept;

  // For fork(): while locked nobody else is inside.
  void lock() noexcept;
  void unlock() noexcept;

 private:
  // Aligned, since threads fill up on several classes at a time.
  struct alignas(64) SizeClass {
    std::mutex mutex;
    Slab* usable = nullptr;  // slabs with free slots
  };

  std::array<SizeClass, SmallClasses::kCount> classes_{};
  SlabSource slabs_;
};

}  // namespace tarn
