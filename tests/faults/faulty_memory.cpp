// operator new, all forms: see Kind::allocation.
#include <cstdlib>
#include <new>

#include "tests/faults/counted_calls.h"

namespace tarn::faults {
namespace {

void* allocate(size_t nbytes, size_t alignment = 0) noexcept {
  if (calls_of(Kind::allocation).next_fails()) return nullptr;
  if (alignment == 0) return std::malloc(nbytes == 0 ? 1 : nbytes);
  return std::aligned_alloc(alignment, (nbytes + alignment - 1) / alignment * alignment);
}

void* or_throw(void* bytes) {
  if (bytes == nullptr) throw std::bad_alloc();
  return bytes;
}

}  // namespace
}  // namespace tarn::faults

namespace faults = tarn::faults;

void* operator new(size_t n) { return faults::or_throw(faults::allocate(n)); }
void* operator new[](size_t n) { return faults::or_throw(faults::allocate(n)); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return faults::allocate(n); }
void* operator new[](size_t n, const std::nothrow_t&) noexcept { return faults::allocate(n); }
void* operator new(size_t n, std::align_val_t alignment) {
  return faults::or_throw(faults::allocate(n, size_t(alignment)));
}
void* operator new[](size_t n, std::align_val_t alignment) {
  return faults::or_throw(faults::allocate(n, size_t(alignment)));
}
void* operator new(size_t n, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return faults::allocate(n, size_t(alignment));
}
void* operator new[](size_t n, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return faults::allocate(n, size_t(alignment));
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t) noexcept { std::free(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete[](void* p, size_t, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
void operator delete[](void* p, std::align_val_t, const std::nothrow_t&) noexcept { std::free(p); }
