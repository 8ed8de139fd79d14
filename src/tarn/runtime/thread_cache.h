// The small blocks that one thread keeps for itself, so that most of its allocations need no lock.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "tarn/runtime/memory_account.h"
#include "tarn/runtime/slab_pool.h"

namespace tarn {

// Used by its thread only, the shard excepted. Lives for ever: when the thread ends, the blocks go
// back and the cache waits for another thread.
struct ThreadCache {
  // How many blocks of a class are kept: some 32 KiB, so that all classes together stay below 1
  // MiB.
  static constexpr auto kMaxCount = [] {
    constexpr size_t kBytesPerClass = 32 << 10;
    std::array<uint16_t, SmallClasses::kCount> counts{};
    for (int i = 0; i < SmallClasses::kCount; ++i) {
      const size_t fitting = kBytesPerClass / SmallClasses::slot_bytes(i);
      counts[i] = static_cast<uint16_t>(std::min<size_t>(fitting, 256));
    }
    return counts;
  }();

  AccountShard shard;
  std::array<BlockList, SmallClasses::kCount> lists{};
  ThreadCache* next_idle = nullptr;
};

}  // namespace tarn
