// Memory of a thread that lives as long as the thread: matrix products come in series. For
// thread_local variables of functions that call nothing which spreads over threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace tarn::cpu {

// The address is aligned to 64 bytes and holds until the next call.
class ThreadScratch {
 public:
  void* at_least(int64_t nbytes) {
    if (nbytes > size_) {
      size_ = 0;
      memory_.reset(new (std::align_val_t{64}) std::byte[nbytes]);
      size_ = nbytes;
    }
    return memory_.get();
  }

 private:
  struct Delete {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{64}); }
  };
  std::unique_ptr<std::byte[], Delete> memory_;
  int64_t size_ = 0;
};

}  // namespace tarn::cpu
