// Tells the address sanitizer which recycled bytes nobody may touch. Costs nothing without it.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#define TARN_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TARN_ADDRESS_SANITIZER 1
#endif
#endif

#ifdef TARN_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

namespace tarn {

#ifdef TARN_ADDRESS_SANITIZER
inline void poison(const void* bytes, size_t n) noexcept { __asan_poison_memory_region(bytes, n); }
inline void unpoison(const void* bytes, size_t n) noexcept {
  __asan_unpoison_memory_region(bytes, n);
}
// Has the leak check look for pointers in memory that did not come from the C library's heap.
inline void add_leak_roots(const void* bytes, size_t n) noexcept {
  __lsan_register_root_region(bytes, n);
}
inline void remove_leak_roots(const void* bytes, size_t n) noexcept {
  __lsan_unregister_root_region(bytes, n);
}
#else
inline void poison(const void*, size_t) noexcept {}
inline void unpoison(const void*, size_t) noexcept {}
inline void add_leak_roots(const void*, size_t) noexcept {}
inline void remove_leak_roots(const void*, size_t) noexcept {}
#endif

}  // namespace tarn
