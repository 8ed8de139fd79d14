// Blocks from the operating system and back: what is behind the block cache.
#pragma once

#include <cstddef>

#include "tarn/runtime/block.h"

namespace tarn {

// From here on a block has whole huge pages: fresh ones of 4 KiB cost about as much to clear as
// three passes over the data.
constexpr size_t kHugePage = size_t{2} << 20;

// A fresh block with size_class unset, or null. Requires: capacity is a multiple of
// kBufferAlignment, and of 4 KiB from kHugePage on. Thread-safe.
Block* obtain_block(size_t capacity) noexcept;
// Ends a block of obtain_block.
void return_block(Block* block) noexcept;

namespace memory_testing {
// Makes the next `n` calls of obtain_block find no memory.
void fail_system_requests(int n) noexcept;
}  // namespace memory_testing

}  // namespace tarn
