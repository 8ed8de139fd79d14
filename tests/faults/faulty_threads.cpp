// pthread_create: see Kind::thread.
#include <pthread.h>

#include <cerrno>

#include "tests/faults/counted_calls.h"

namespace faults = tarn::faults;

extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*body)(void*), void* argument) noexcept {
  static auto* const real =
      faults::next_definition<int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>(
          "pthread_create");
  if (faults::calls_of(faults::Kind::thread).next_fails()) return EAGAIN;
  return real(thread, attributes, body, argument);
}
