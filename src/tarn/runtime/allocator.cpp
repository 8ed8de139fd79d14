#include "tarn/runtime/allocator.h"

#include <cstdint>
#include <new>

#include "tarn/runtime/cpu_memory.h"
#include "tarn/runtime/out_of_memory.h"

namespace tarn::allocator {

namespace {

Block* block_of(Buffer buffer) noexcept { return static_cast<Block*>(buffer.ptr()); }

class CpuAllocator final : public Allocator {
 public:
  Buffer malloc(size_t size) override { return allocator::malloc(size); }
  void free(Buffer buffer) override { allocator::free(buffer); }
  size_t size(Buffer buffer) const override {
    return buffer.ptr() != nullptr ? block_of(buffer)->capacity : 0;
  }
  Buffer make_buffer(void* ptr, size_t size) override { return allocator::make_buffer(ptr, size); }
  void release(Buffer buffer) override { allocator::release(buffer); }
};

}  // namespace

Allocator& allocator() {
  alignas(CpuAllocator) static std::byte storage[sizeof(CpuAllocator)];
  static Allocator& instance = *new (storage) CpuAllocator;
  return instance;
}

Buffer malloc(size_t size) {
  CpuMemory& memory = CpuMemory::instance();
  Block* block = memory.allocate(size);
  if (block == nullptr) throw OutOfMemory(size, memory.active(), memory.memory_limit());
  // Users of this interface may write all that size(buffer) says.
  memory.resize(block, block->capacity);
  return Buffer(block);
}

void free(Buffer buffer) noexcept {
  if (buffer.ptr() != nullptr) CpuMemory::instance().free(block_of(buffer));
}

Buffer make_buffer(void* ptr, size_t size) {
  if (!can_reuse_alien_buffer(ptr)) return Buffer(nullptr);
  CpuMemory& memory = CpuMemory::instance();
  Block* block = memory.allocate_header(ptr, size);
  if (block == nullptr) throw OutOfMemory(sizeof(Block), memory.active(), memory.memory_limit());
  return Buffer(block);
}

void release(Buffer buffer) noexcept { free(buffer); }

bool can_reuse_alien_buffer(void* ptr) noexcept {
  return ptr != nullptr && reinterpret_cast<uintptr_t>(ptr) % alignof(std::max_align_t) == 0;
}

}  // namespace tarn::allocator
