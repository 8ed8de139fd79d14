#include "tarn/runtime/buffer.h"

#include <cassert>
#include <memory>
#include <new>
#include <utility>

#include "tarn/runtime/cpu_memory.h"
#include "tarn/runtime/out_of_memory.h"

namespace tarn {

namespace {

Block* block_of(allocator::Buffer buffer) noexcept { return static_cast<Block*>(buffer.ptr()); }

[[noreturn]] void throw_out_of_memory(size_t wanted) {
  CpuMemory& memory = CpuMemory::instance();
  throw OutOfMemory(wanted, memory.active(), memory.memory_limit());
}

bool is_default(const Deleter& deleter) noexcept {
  using Free = decltype(&allocator::free);
  const Free* function = deleter ? deleter.target<Free>() : nullptr;
  return !deleter || (function != nullptr && *function == &allocator::free);
}

void run_deleter(Block* block) noexcept {
  auto* stored = std::launder(reinterpret_cast<Deleter*>(block->deleter));
  const Deleter deleter = std::exchange(*stored, nullptr);
  stored->~Deleter();
  block->has_deleter = false;
  block->owners.store(1, std::memory_order_relaxed);
  try {
    deleter(allocator::Buffer(block));
  } catch (...) {
    // The owner that went is a destructor somewhere: it has nobody to tell and nothing to undo.
  }
}

using UserDeleter = std::function<void(void*)>;

void run_user_deleter(const UserDeleter& deleter, void* data) noexcept {
  try {
    deleter(data);
  } catch (...) {
    // As in run_deleter.
  }
}

}  // namespace

void dispose(Block* block) noexcept {
  if (block->has_deleter) {
    run_deleter(block);
  } else {
    CpuMemory::instance().free(block);
  }
}

BufferRef BufferRef::allocate(size_t nbytes) {
  Block* block = CpuMemory::instance().allocate(nbytes);
  if (block == nullptr) throw_out_of_memory(nbytes);
  return BufferRef(allocator::Buffer(block));
}

BufferRef BufferRef::try_allocate(size_t nbytes) noexcept {
  try {
    return BufferRef(allocator::Buffer(CpuMemory::instance().allocate(nbytes)));
  } catch (const std::bad_alloc&) {
    return {};
  }
}

BufferRef BufferRef::adopt(allocator::Buffer buffer) noexcept { return BufferRef(buffer); }

BufferRef BufferRef::adopt(allocator::Buffer buffer, Deleter deleter) noexcept {
  if (!is_default(deleter)) {
    Block* block = block_of(buffer);
    assert(block != nullptr);
    new (block->deleter) Deleter(std::move(deleter));
    block->has_deleter = true;
  }
  return BufferRef(buffer);
}

BufferRef BufferRef::wrap(void* data, size_t nbytes, UserDeleter deleter) {
  if (!deleter) deleter = [](void*) {};
  Block* block = nullptr;
  try {
    block = CpuMemory::instance().allocate_header(data, nbytes);
    if (block == nullptr) throw_out_of_memory(sizeof(Block));
    // A pointer fits into a std::function as it is, so that nothing below here can throw.
    auto* kept = new UserDeleter(std::move(deleter));
    return adopt(allocator::Buffer(block), [kept](allocator::Buffer buffer) {
      const std::unique_ptr<UserDeleter> once(kept);
      void* bytes = buffer.raw_ptr();
      allocator::release(buffer);
      (*once)(bytes);
    });
  } catch (...) {
    if (block != nullptr) CpuMemory::instance().free(block);
    run_user_deleter(deleter, data);
    throw;
  }
}

void BufferRef::resize(size_t nbytes) noexcept {
  assert(use_count() == 1 && nbytes <= capacity());
  CpuMemory::instance().resize(block(), nbytes);
}

}  // namespace tarn
