#include "tests/faults/fault_points.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <new>

namespace tarn::faults {

namespace {

// The calls of one kind. Usable before any constructor has run and after all destructors have.
struct Calls {
  std::atomic<uint64_t> count{0};
  std::atomic<uint64_t> first_failing{0};
  std::atomic<bool> then_all{false};
  std::atomic<bool> counting{false};

  bool next_fails() noexcept {
    if (!counting.load(std::memory_order_relaxed)) return false;
    const uint64_t n = count.fetch_add(1) + 1;
    const uint64_t first = first_failing.load();
    return n == first || (first != 0 && n > first && then_all.load());
  }
};

constinit Calls calls_of_kind[std::size(kAllKinds)];

Calls& calls_of(Kind kind) noexcept { return calls_of_kind[static_cast<size_t>(kind)]; }

// The function of the same name that this executable stands in front of.
template <class Function>
Function* next_definition(const char* name) noexcept {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

bool system_call_fails() noexcept {
  if (!calls_of(Kind::system_call).next_fails()) return false;
  errno = EIO;
  return true;
}

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

const char* kind_name(Kind kind) noexcept {
  static constexpr const char* kNames[] = {"allocation", "buffer", "thread", "system call"};
  return kNames[static_cast<size_t>(kind)];
}

Fault::Fault(Point point) : kind_(point.kind) {
  if (kind_ == Kind::buffer) {
    buffers_.emplace(point.n, point.mode == Mode::once ? memory_testing::Fail::once
                                                       : memory_testing::Fail::from_then_on);
    return;
  }
  Calls& calls = calls_of(kind_);
  calls.count = 0;
  calls.first_failing = point.n;
  calls.then_all = point.mode == Mode::from_then_on;
  calls.counting = true;
}

Fault::~Fault() { calls_of(kind_).counting = false; }

uint64_t Fault::calls() const noexcept {
  return buffers_ ? buffers_->tried() : calls_of(kind_).count.load();
}

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

// Stands in front of a call on files that returns -1 when it fails.
#define TARN_FAULTY_CALL(Result, name, parameters, arguments)                    \
  Result name parameters {                                                       \
    static auto* const real = faults::next_definition<Result parameters>(#name); \
    return faults::system_call_fails() ? Result(-1) : real arguments;            \
  }

extern "C" {

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) noexcept {
  static auto* const real =
      faults::next_definition<int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>(
          "pthread_create");
  if (faults::calls_of(faults::Kind::thread).next_fails()) return EAGAIN;
  return real(thread, attributes, body, argument);
}

int open(const char* path, int flags, ...) {
  static auto* const real = faults::next_definition<int(const char*, int, ...)>("open");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return faults::system_call_fails() ? -1 : real(path, flags, mode);
}

int openat(int directory, const char* path, int flags, ...) {
  static auto* const real = faults::next_definition<int(int, const char*, int, ...)>("openat");
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return faults::system_call_fails() ? -1 : real(directory, path, flags, mode);
}

TARN_FAULTY_CALL(ssize_t, read, (int fd, void* data, size_t n), (fd, data, n))
TARN_FAULTY_CALL(ssize_t, pread, (int fd, void* data, size_t n, off_t offset),
                 (fd, data, n, offset))
TARN_FAULTY_CALL(ssize_t, preadv, (int fd, const iovec* parts, int n, off_t offset),
                 (fd, parts, n, offset))
TARN_FAULTY_CALL(ssize_t, pwrite, (int fd, const void* data, size_t n, off_t offset),
                 (fd, data, n, offset))
TARN_FAULTY_CALL(int, fallocate, (int fd, int mode, off_t offset, off_t n), (fd, mode, offset, n))
TARN_FAULTY_CALL(int, fsync, (int fd), (fd))

int renameat(int from_directory, const char* from, int to_directory, const char* to) noexcept {
  static auto* const real =
      faults::next_definition<int(int, const char*, int, const char*)>("renameat");
  return faults::system_call_fails() ? -1 : real(from_directory, from, to_directory, to);
}

}  // extern "C"
