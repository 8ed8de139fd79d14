// A pool that hears of its threads when they sleep until others have done something: with all of
// them asleep and no more to be had, what is queued would never run.
#pragma once

#include <utility>

#include "tarn/base/sync.h"

namespace tarn {

template <class Sync>
class BasicThreadOwner;

// Of the calling thread; null for threads that are the user's, and while it is known to sleep.
// Specialised for each policy.
template <class Sync>
BasicThreadOwner<Sync>*& owner_of_this_thread() noexcept;

template <class Sync>
class BasicThreadOwner {
 public:
  // Says so while it lives. Requires: nothing is locked when it is made.
  class Sleep {
   public:
    Sleep() noexcept : owner_(std::exchange(owner_of_this_thread<Sync>(), nullptr)) {
      if (owner_ != nullptr) owner_->falls_asleep();
    }
    ~Sleep() {
      if (owner_ != nullptr) owner_->wakes_up();
      owner_of_this_thread<Sync>() = owner_;
    }
    Sleep(const Sleep&) = delete;
    Sleep& operator=(const Sleep&) = delete;

   private:
    BasicThreadOwner* const owner_;
  };

 protected:
  ~BasicThreadOwner() = default;

 private:
  virtual void falls_asleep() noexcept = 0;
  virtual void wakes_up() noexcept = 0;
};

using ThreadOwner = BasicThreadOwner<StdSync>;

template <>
ThreadOwner*& owner_of_this_thread<StdSync>() noexcept;

}  // namespace tarn
