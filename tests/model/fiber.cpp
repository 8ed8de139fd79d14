#include "fiber.h"

#include <cxxabi.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

#if !defined(__x86_64__)
#error "the model checker switches stacks by hand and knows only x86-64"
#endif

#if defined(TARN_MODEL_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// Saves the callee-saved registers on the current stack and its pointer in *from, then does the
// reverse with `to`. The floating-point control words are not switched: nothing under test changes
// them.
extern "C" void tarn_model_switch_stack(void** from, void* to);
asm(R"(
.text
.globl tarn_model_switch_stack
.type tarn_model_switch_stack, @function
tarn_model_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tarn_model_switch_stack, .-tarn_model_switch_stack
)");

namespace tarn::model {

namespace {

constexpr size_t kPageBytes = 4096;
// Frames under AddressSanitizer are several times larger.
constexpr size_t kStackBytes = (kSlowBuild ? 512 : 128) * size_t{1024};
constexpr int kSavedRegisters = 6;

// The two sides of the switch in progress: one that arrives cannot know otherwise.
[[maybe_unused]] Fiber* leaving = nullptr;
Fiber* arriving = nullptr;

char* allocate_stack() {
  void* block = mmap(nullptr, kPageBytes + kStackBytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (block == MAP_FAILED) throw std::bad_alloc();
  mprotect(block, kPageBytes, PROT_NONE);  // an overflow faults instead of reaching a neighbour
  return static_cast<char*>(block) + kPageBytes;
}

}  // namespace

Fiber::~Fiber() {
  if (stack_ != nullptr) munmap(stack_ - kPageBytes, kPageBytes + kStackBytes);
}

void Fiber::prepare(void (*entry)()) {
  if (stack_ == nullptr) stack_ = allocate_stack();
  entry_ = entry;
  exceptions_ = {};
#if defined(TARN_MODEL_ASAN)
  stack_bottom_ = stack_;
  stack_nbytes_ = kStackBytes;
  __asan_unpoison_memory_region(stack_, kStackBytes);
  fake_stack_ = nullptr;
#endif

  void** top = reinterpret_cast<void**>(stack_ + kStackBytes);
  *--top = nullptr;  // the return address of `enter`: ends back traces, and aligns its frame
  *--top = reinterpret_cast<void*>(&Fiber::enter);
  for (int i = 0; i < kSavedRegisters; ++i) *--top = nullptr;
  stack_pointer_ = top;
}

void Fiber::enter() {
  arriving->arrive();
  arriving->entry_();
  std::abort();
}

void Fiber::switch_to(Fiber& target) {
  void* current = abi::__cxa_get_globals();
  std::memcpy(&exceptions_, current, sizeof exceptions_);
  std::memcpy(current, &target.exceptions_, sizeof exceptions_);
  leave_for(target);
  tarn_model_switch_stack(&stack_pointer_, target.stack_pointer_);
  arrive();
}

void Fiber::leave_for([[maybe_unused]] Fiber& target) {
  leaving = this;
  arriving = &target;
#if defined(TARN_MODEL_ASAN)
  __sanitizer_start_switch_fiber(&fake_stack_, target.stack_bottom_, target.stack_nbytes_);
#endif
}

void Fiber::arrive() {
#if defined(TARN_MODEL_ASAN)
  __sanitizer_finish_switch_fiber(fake_stack_, &leaving->stack_bottom_, &leaving->stack_nbytes_);
#endif
}

}  // namespace tarn::model
