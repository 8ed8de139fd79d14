// The sync policy of the model: the shape of std's mutex, condition variable, atomic, thread and
// clock, with each operation a scheduling point of the checker.
#pragma once

#include <atomic>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <type_traits>
#include <utility>

#include "checker.h"
#include "plain.h"

namespace tarn::model {

// An object that the checker knows by number.
class ModelObject {
 public:
  explicit ModelObject(ObjectKind kind) : id_(Execution::current().add_object(kind)) {}
  ~ModelObject() { Execution::current().destroy(id_); }
  ModelObject(const ModelObject&) = delete;
  ModelObject& operator=(const ModelObject&) = delete;

  int id() const { return id_; }

 private:
  int id_;
};

class Mutex {
 public:
  void lock() { Execution::current().lock(object_.id()); }
  bool try_lock() { return Execution::current().try_lock(object_.id()); }
  void unlock() { Execution::current().unlock(object_.id()); }

 private:
  friend class ConditionVariable;
  ModelObject object_{ObjectKind::mutex};
};

// Virtual time. It moves when a timed wait times out, and by advance_clock.
struct Clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Clock>;
  static constexpr bool is_steady = true;

  static time_point now() noexcept { return time_point(duration(Execution::current().now_ns())); }
};

// No spurious wake-ups. A timed wait may time out at any moment. notify_one may wake any sleeper.
class ConditionVariable {
 public:
  void wait(std::unique_lock<Mutex>& lock) { sleep(lock, nullptr); }
  template <class Predicate>
  void wait(std::unique_lock<Mutex>& lock, Predicate done) {
    while (!done()) wait(lock);
  }

  template <class Duration>
  std::cv_status wait_until(std::unique_lock<Mutex>& lock,
                            std::chrono::time_point<Clock, Duration> deadline) {
    int64_t deadline_ns = std::chrono::ceil<Clock::duration>(deadline.time_since_epoch()).count();
    bool never = deadline_ns == Clock::duration::max().count();
    return sleep(lock, never ? nullptr : &deadline_ns) ? std::cv_status::no_timeout
                                                       : std::cv_status::timeout;
  }
  template <class Duration, class Predicate>
  bool wait_until(std::unique_lock<Mutex>& lock, std::chrono::time_point<Clock, Duration> deadline,
                  Predicate done) {
    while (!done()) {
      if (wait_until(lock, deadline) == std::cv_status::timeout) return done();
    }
    return true;
  }

  template <class Rep, class Period>
  std::cv_status wait_for(std::unique_lock<Mutex>& lock, std::chrono::duration<Rep, Period> time) {
    return wait_until(lock, Clock::now() + time);
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::unique_lock<Mutex>& lock, std::chrono::duration<Rep, Period> time,
                Predicate done) {
    return wait_until(lock, Clock::now() + time, std::move(done));
  }

  void notify_one() noexcept { Execution::current().notify_one(object_.id()); }
  void notify_all() noexcept { Execution::current().notify_all(object_.id()); }

 private:
  bool sleep(std::unique_lock<Mutex>& lock, const int64_t* deadline_ns) {
    check(lock.owns_lock(), "a condition variable was waited for without the lock");
    return Execution::current().sleep(object_.id(), lock.mutex()->object_.id(), deadline_ns);
  }

  ModelObject object_{ObjectKind::condition_variable};
};

// Values are sequentially consistent whatever the memory order. The order says what the thread
// learns of others, that is, whether a later access of a Plain is a race.
template <class T>
class Atomic {
 public:
  Atomic() noexcept : Atomic(T{}) {}
  Atomic(T value) noexcept : value_(value) {}  // NOLINT: implicit as in std::atomic

  T load(std::memory_order order = std::memory_order_seq_cst) const noexcept {
    Execution& execution = Execution::current();
    execution.read(id());
    learn(execution, order);
    return value_;
  }
  operator T() const noexcept { return load(); }  // NOLINT: implicit as in std::atomic

  void store(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    Execution& execution = Execution::current();
    execution.write(id());
    if (order == std::memory_order_relaxed) {
      execution.forget_release(id());
    } else {
      execution.release_only(id());
    }
    value_ = value;
  }
  T operator=(T value) noexcept {
    store(value);
    return value;
  }

  T exchange(T value, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [value](T) { return value; });
  }

  bool compare_exchange_strong(T& expected, T desired, std::memory_order success,
                               std::memory_order failure) noexcept {
    Execution& execution = Execution::current();
    execution.write(id());
    if (value_ != expected) {
      learn(execution, failure);
      expected = value_;
      return false;
    }
    learn(execution, success);
    teach(execution, success);
    value_ = desired;
    return true;
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, desired, order, order);
  }
  // Does not fail spuriously.
  bool compare_exchange_weak(T& expected, T desired, std::memory_order success,
                             std::memory_order failure) noexcept {
    return compare_exchange_strong(expected, desired, success, failure);
  }
  bool compare_exchange_weak(T& expected, T desired,
                             std::memory_order order = std::memory_order_seq_cst) noexcept {
    return compare_exchange_strong(expected, desired, order, order);
  }

  template <class Difference>
  T fetch_add(Difference by, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [by](T old) { return static_cast<T>(old + by); });
  }
  template <class Difference>
  T fetch_sub(Difference by, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [by](T old) { return static_cast<T>(old - by); });
  }
  T fetch_or(T bits, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [bits](T old) { return static_cast<T>(old | bits); });
  }
  T fetch_and(T bits, std::memory_order order = std::memory_order_seq_cst) noexcept {
    return modify(order, [bits](T old) { return static_cast<T>(old & bits); });
  }

 private:
  int id() const { return object_.id(); }

  template <class Change>
  T modify(std::memory_order order, Change change) noexcept {
    Execution& execution = Execution::current();
    execution.write(id());
    learn(execution, order);
    teach(execution, order);
    return std::exchange(value_, change(value_));
  }

  void learn(Execution& execution, std::memory_order order) const {
    if (order != std::memory_order_relaxed && order != std::memory_order_release) {
      execution.acquire(id());
    }
  }
  // A read-modify-write goes on with the release sequence that it found.
  void teach(Execution& execution, std::memory_order order) const {
    if (order != std::memory_order_relaxed && order != std::memory_order_acquire &&
        order != std::memory_order_consume) {
      execution.release(id());
    }
  }

  ModelObject object_{ObjectKind::atomic};
  T value_;
};

// For the bodies of tests; the code under test gets FallibleThread.
class Thread {
 public:
  Thread() noexcept = default;
  template <class F, class... Args>
  requires(!std::derived_from<std::remove_cvref_t<F>, Thread>) explicit Thread(F&& f,
                                                                               Args&&... args) {
    auto call = [f = std::forward<F>(f), ... args = std::forward<Args>(args)]() mutable {
      std::invoke(std::move(f), std::move(args)...);
    };
    id_ = Execution::current().spawn(std::make_unique<Call<decltype(call)>>(std::move(call)));
  }
  ~Thread() { check(!joinable(), "a joinable thread was destroyed"); }
  Thread(Thread&& other) noexcept : id_(std::exchange(other.id_, kNoThread)) {}
  Thread& operator=(Thread&& other) noexcept {
    check(!joinable(), "a joinable thread was assigned to");
    id_ = std::exchange(other.id_, kNoThread);
    return *this;
  }

  bool joinable() const noexcept { return id_ != kNoThread; }
  void join() {
    check(joinable(), "a thread that is not joinable was joined");
    Execution::current().join(std::exchange(id_, kNoThread));
  }
  void detach() {
    check(joinable(), "a thread that is not joinable was detached");
    id_ = kNoThread;
  }

 private:
  template <class F>
  class Call : public ThreadBody {
   public:
    explicit Call(F call) : call_(std::move(call)) {}
    void run() override { call_(); }

   private:
    F call_;
  };

  int id_ = kNoThread;
};

// Its constructor throws std::system_error, or does not, when Options::thread_creation_may_fail is
// set.
class FallibleThread : public Thread {
 public:
  FallibleThread() noexcept = default;
  template <class F, class... Args>
  requires(!std::derived_from<std::remove_cvref_t<F>, Thread>) explicit FallibleThread(
      F&& f, Args&&... args)
      : Thread((may_fail(), std::forward<F>(f)), std::forward<Args>(args)...) {}

 private:
  static void may_fail() {
    if (Execution::current().thread_creation_may_fail() && fault()) {
      throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
    }
  }
};

struct ModelSync {
  using mutex = Mutex;
  using condition_variable = ConditionVariable;
  template <class T>
  using atomic = Atomic<T>;
  using thread = FallibleThread;
  using clock = Clock;
  // What work inside of tasks asks; the model's tasks do not.
  struct running_queue {
    explicit running_queue(const void*) noexcept {}
  };
  template <class T>
  using plain = Plain<T>;

  // One look: looking again without doing anything else would only add equal executions.
  template <class Predicate>
  static bool spin(Predicate done, int /*n_spins*/ = 1) {
    return done();
  }
};

}  // namespace tarn::model
