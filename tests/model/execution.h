// One run of a body: its virtual threads, the synchronization objects they use, and what each
// operation does to them. Knows nothing of how executions are chosen.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fiber.h"
#include "operation.h"
#include "options.h"
#include "schedule.h"

namespace tarn::model {

class Search;

enum class ObjectKind : uint8_t { clock, mutex, condition_variable, atomic, tracked };
inline constexpr int kObjectKinds = 5;

class ThreadBody {
 public:
  virtual ~ThreadBody() = default;
  virtual void run() = 0;
};

// Note [Executions cut short]
// An execution that is redundant is run to its end without being explored, so it frees what it
// allocated. One that failed, deadlocked or exceeded the step limit cannot go on; its fibers are
// never resumed. They are not unwound either: an exception that passes a noexcept function of the
// code under test would end the process, and a destructor on the way may wait for what never comes.
// So everything they own leaks, once per failure. This is also what makes `fail` safe to call from
// anywhere, noexcept functions, destructors and the terminate handler included.
class Execution {
 public:
  enum class End { complete, redundant, truncated, deadlocked, failed };

  explicit Execution(const Options& options);
  ~Execution();
  Execution(const Execution&) = delete;
  Execution& operator=(const Execution&) = delete;

  // The one that is running a body. Requires: there is one.
  static Execution& current();
  static bool is_on_virtual_thread();

  End run(const std::function<void()>& body, Search& search);

  const std::string& failure() const { return failure_; }
  const Schedule& schedule() const { return schedule_; }
  int n_steps() const { return n_steps_; }
  int n_threads() const { return n_threads_; }
  // What `thread` does when it is picked next.
  Op pending(int thread) const { return threads_[thread].pending; }
  bool has_finished(int thread) const { return threads_[thread].finished; }
  // Where to write a line per step; null for nowhere.
  void trace_to(std::string* text) { trace_ = text; }

  // ---- For virtual threads.

  // Ends the execution. Never throws, runs no destructors. See Note [Executions cut short].
  [[noreturn]] void fail(std::string message) noexcept;
  int choose(int n);
  bool thread_creation_may_fail() const { return options_.thread_creation_may_fail; }

  // Threads. The new thread first runs when its parent reaches its next operation.
  int spawn(std::unique_ptr<ThreadBody> body);
  void join(int thread);

  // Objects. Destroying one is an operation, so that every order of it and of the other threads'
  // uses is explored: this finds the uses that come too late.
  int add_object(ObjectKind kind);
  void destroy(int object) noexcept;
  void count_tracked(int change) { n_live_[static_cast<int>(ObjectKind::tracked)] += change; }

  void read(int atomic) { point(OpKind::read, atomic); }
  void write(int atomic) { point(OpKind::write, atomic); }
  void lock(int mutex);
  bool try_lock(int mutex);
  void unlock(int mutex);
  // Returns false when it timed out. `deadline_ns` null: never does.
  bool sleep(int condition_variable, int mutex, const int64_t* deadline_ns);
  void notify_one(int condition_variable);
  void notify_all(int condition_variable);
  int64_t now_ns();
  void advance_clock(int64_t to_ns);

  // What the running thread knows of the others by synchronization proper, for finding data races.
  // Distinct from the order in which dependent operations happened: a store that follows a load
  // does not synchronize with it.
  const VectorClock& knowledge() const { return threads_[running_].knowledge; }
  int running() const { return running_; }
  void acquire(int object) { threads_[running_].knowledge.join(objects_[object].released); }
  void release(int object);
  // As release, but whoever acquires from now on learns only what this thread knows: a plain store.
  void release_only(int object);
  // A relaxed store: whoever reads it learns nothing.
  void forget_release(int object) { objects_[object].released = {}; }

  // Values that live until all threads of the execution have finished, found by a key.
  void* find_local(const void* key) const;
  void add_local(const void* key, void* value, void (*destroy)(void*));

 private:
  struct VirtualThread {
    Fiber fiber;
    ThreadBody* body = nullptr;  // owned, until it has run
    Op pending;
    bool finished = false;
    int16_t mutex_to_retake = kNoObject;
    VectorClock knowledge;
  };
  struct Object {
    ObjectKind kind = ObjectKind::atomic;
    bool is_alive = true;
    int owner = kNoThread;
    ThreadSet sleepers;
    VectorClock released;
  };
  struct Local {
    const void* key;
    void* value;
    void (*destroy)(void*);
  };

  void reset(const std::function<void()>& body);
  End drive(Search& search);
  void start_new_threads();
  void resume(int thread);
  static void enter_thread();
  void run_thread(VirtualThread& self);
  void destroy_locals();
  void report_leaks();
  void abandon();

  bool is_enabled(const VirtualThread& thread) const;
  ThreadSet enabled_threads() const;
  // Makes `op` the running thread's pending operation and returns when it has been picked.
  void point(const Op& op);
  void point(OpKind kind, int object, int second = kNoObject) {
    point({.kind = kind, .object = {static_cast<int16_t>(object), static_cast<int16_t>(second)}});
  }
  void own(int mutex);
  void disown(int mutex);
  void wake(int condition_variable, int thread);
  // The running thread's next accesses are not part of what it has released so far.
  void begin_epoch() { ++threads_[running_].knowledge.time[running_]; }

  std::string describe(int thread) const;
  std::string describe_object(int object) const;
  std::string describe_deadlock() const;

  const Options& options_;
  Search* search_ = nullptr;  // while running
  Fiber host_;
  std::array<VirtualThread, kMaxThreads> threads_;
  int n_threads_ = 0;
  int n_started_ = 0;
  int n_finished_ = 0;
  int running_ = kNoThread;
  std::vector<Object> objects_;
  std::array<int, kObjectKinds> n_live_{};
  std::vector<Local> locals_;
  int64_t now_ns_ = 0;
  int n_steps_ = 0;
  Schedule schedule_;
  std::string failure_;
  std::string* trace_ = nullptr;
};

}  // namespace tarn::model
