#include "tarn/runtime/system_pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

#include "tarn/runtime/memory_poison.h"

namespace tarn {

namespace {

constinit std::atomic<int> requests_to_fail{0};

bool fails_on_request() noexcept {
  int left = requests_to_fail.load(std::memory_order_relaxed);
  while (left > 0 && !requests_to_fail.compare_exchange_weak(left, left - 1)) {
  }
  return left > 0;
}

// Address space that starts on a huge page. Only what is written becomes memory.
std::byte* map_huge_pages(size_t nbytes) noexcept {
  const size_t reserved = nbytes + kHugePage;
  void* mapped =
      mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* begin = static_cast<std::byte*>(mapped);
  const size_t before = -reinterpret_cast<uintptr_t>(mapped) & (kHugePage - 1);
  if (before > 0) munmap(begin, before);
  munmap(begin + before + nbytes, kHugePage - before);
  // Without huge pages the block is slower to fill but as good.
  madvise(begin + before, nbytes, MADV_HUGEPAGE);
  return begin + before;
}

Block* new_block(void* header, std::byte* data, size_t capacity, BlockKind kind) noexcept {
  auto* block = new (header) Block;
  block->data = data;
  block->capacity = capacity;
  block->size = 0;
  block->kind = kind;
  block->has_deleter = false;
  poison(data, capacity);
  return block;
}

}  // namespace

Block* obtain_block(size_t capacity) noexcept {
  if (fails_on_request()) return nullptr;
  const bool large = capacity >= kHugePage;
  // A large block's header is apart, so that the bytes fill their pages.
  void* header = std::aligned_alloc(kBufferAlignment, sizeof(Block) + (large ? 0 : capacity));
  if (header == nullptr) return nullptr;
  if (!large) {
    auto* data = static_cast<std::byte*>(header) + sizeof(Block);
    return new_block(header, data, capacity, BlockKind::medium);
  }
  std::byte* data = map_huge_pages(capacity);
  if (data == nullptr) {
    std::free(header);
    return nullptr;
  }
  return new_block(header, data, capacity, BlockKind::large);
}

void return_block(Block* block) noexcept {
  unpoison(block->data, block->capacity);
  if (block->kind == BlockKind::large) munmap(block->data, block->capacity);
  block->~Block();
  std::free(block);
}

namespace memory_testing {
void fail_system_requests(int n) noexcept { requests_to_fail.store(n); }
}  // namespace memory_testing

}  // namespace tarn
