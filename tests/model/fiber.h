// A stack to run a virtual thread on, and the switch between two of them. x86-64 System V only.
#pragma once

#include <cstddef>

#if defined(__has_feature)
#define TARN_MODEL_HAS_FEATURE(name) __has_feature(name)
#else
#define TARN_MODEL_HAS_FEATURE(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || TARN_MODEL_HAS_FEATURE(address_sanitizer)
#define TARN_MODEL_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || TARN_MODEL_HAS_FEATURE(thread_sanitizer)
#define TARN_MODEL_TSAN 1
#endif

namespace tarn::model {

// AddressSanitizer is told of each switch, so the checker works under it, about 10 times slower.
// ThreadSanitizer would be a thousand times slower and see one OS thread: the tests skip themselves
// (thread_sanitizer.cpp).
#if defined(TARN_MODEL_ASAN)
inline constexpr bool kSlowBuild = true;
#else
inline constexpr bool kSlowBuild = false;
#endif

// All fibers of one OS thread. A default-made fiber stands for the OS thread's own stack; `prepare`
// gives it its own.
class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // The next switch to this fiber calls `entry`, which must never return, on an empty stack. What
  // an earlier entry left on the stack is forgotten, not unwound. Requires: this fiber is not
  // running.
  void prepare(void (*entry)());

  // Requires: this fiber is running. Returns when somebody switches back to it.
  void switch_to(Fiber& target);

 private:
  // What the C++ runtime keeps of exceptions per OS thread (__cxa_eh_globals of the Itanium ABI).
  // It must follow the fiber: else a `throw;` in one fiber's handler rethrows what another fiber
  // has caught since.
  struct ExceptionState {
    void* caught = nullptr;
    unsigned int n_uncaught = 0;
  };

  static void enter();
  void leave_for(Fiber& target);
  void arrive();

  void* stack_pointer_ = nullptr;
  ExceptionState exceptions_;
  void (*entry_)() = nullptr;
  char* stack_ = nullptr;  // lowest usable byte

#if defined(TARN_MODEL_ASAN)
  const void* stack_bottom_ = nullptr;  // of the OS thread's stack: known once it has been left
  size_t stack_nbytes_ = 0;
  void* fake_stack_ = nullptr;
#endif
};

}  // namespace tarn::model
