#include "execution.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <utility>

#include "search.h"

namespace tarn::model {

namespace {

constexpr int kClock = 0;                     // the object that stands for virtual time
constexpr int64_t kStart_ns = 1'000'000'000;  // not 0: a default-made time point has passed

constexpr const char* kDivergedMessage =
    "the body did not do what its schedule says: it is not deterministic, or the schedule is "
    "another's";

Execution* current_execution = nullptr;

class MainBody : public ThreadBody {
 public:
  explicit MainBody(const std::function<void()>& body) : body_(body) {}
  void run() override { body_(); }

 private:
  const std::function<void()>& body_;
};

const char* name(ObjectKind kind) {
  constexpr const char* kNames[kObjectKinds] = {"clock", "mutex", "condition variable", "atomic",
                                                "tracked object"};
  return kNames[static_cast<int>(kind)];
}

const char* name(OpKind kind) {
  constexpr const char* kNames[] = {"reads",    "writes",           "locks",     "tries to lock",
                                    "unlocks",  "goes to sleep on", "sleeps on", "times out on",
                                    "notifies", "advances",         "destroys",  "joins"};
  static_assert(std::size(kNames) == static_cast<size_t>(OpKind::join) + 1);
  return kNames[static_cast<int>(kind)];
}

}  // namespace

Execution::Execution(const Options& options) : options_(options) {}

Execution::~Execution() = default;

Execution& Execution::current() {
  if (current_execution == nullptr) {
    std::fputs("a ModelSync object was used outside the body of an execution\n", stderr);
    std::abort();
  }
  return *current_execution;
}

bool Execution::is_on_virtual_thread() {
  return current_execution != nullptr && current_execution->running_ != kNoThread;
}

// ---- Running

Execution::End Execution::run(const std::function<void()>& body, Search& search) {
  current_execution = this;
  search_ = &search;
  reset(body);
  End end = drive(search);
  if (end == End::redundant) {
    RoundRobin rest;
    search_ = &rest;
    End rest_end = drive(rest);
    if (rest_end != End::complete) end = rest_end;
  }
  if (end == End::complete || end == End::redundant) {
    destroy_locals();
    report_leaks();
    if (!failure_.empty()) end = End::failed;
  } else {
    abandon();
  }
  current_execution = nullptr;
  return end;
}

void Execution::reset(const std::function<void()>& body) {
  n_threads_ = n_started_ = n_finished_ = n_steps_ = 0;
  objects_.clear();
  n_live_ = {};
  schedule_.clear();
  failure_.clear();
  now_ns_ = kStart_ns;
  add_object(ObjectKind::clock);
  spawn(std::make_unique<MainBody>(body));
}

Execution::End Execution::drive(Search& search) {
  for (;;) {
    start_new_threads();
    if (!failure_.empty()) return End::failed;
    if (n_finished_ == n_threads_) return End::complete;
    ThreadSet enabled = enabled_threads();
    if (enabled.empty()) {
      search.on_deadlock(*this);
      failure_ = describe_deadlock();
      return End::deadlocked;
    }
    if (n_steps_ == std::min(options_.max_steps, kMaxSteps)) return End::truncated;
    int thread = search.pick_thread(*this, enabled);
    if (thread == Search::kRedundant) return End::redundant;
    if (thread == Search::kDiverged) {
      failure_ = kDivergedMessage;
      return End::failed;
    }
    if (trace_ != nullptr) *trace_ += describe(thread) + '\n';
    schedule_.push_back({false, static_cast<int16_t>(thread)});
    ++n_steps_;
    resume(thread);
  }
}

// Starting a thread is no operation: what it does before its first one is seen by nobody.
void Execution::start_new_threads() {
  while (n_started_ < n_threads_ && failure_.empty()) resume(n_started_++);
}

void Execution::resume(int thread) {
  running_ = thread;
  host_.switch_to(threads_[thread].fiber);
  running_ = kNoThread;
}

void Execution::enter_thread() {
  Execution& execution = current();
  execution.run_thread(execution.threads_[execution.running_]);
}

void Execution::run_thread(VirtualThread& self) {
  {
    std::unique_ptr<ThreadBody> body(self.body);
    try {
      body->run();
    } catch (const std::exception& error) {
      fail("uncaught exception in thread " + std::to_string(running_) + ": " + error.what());
    } catch (...) {
      fail("uncaught exception in thread " + std::to_string(running_));
    }
  }
  self.body = nullptr;
  self.finished = true;
  ++n_finished_;
  self.fiber.switch_to(host_);
}

void Execution::destroy_locals() {
  for (; !locals_.empty(); locals_.pop_back()) locals_.back().destroy(locals_.back().value);
}

void Execution::report_leaks() {
  std::string leaked;
  for (int kind = static_cast<int>(ObjectKind::mutex); kind < kObjectKinds; ++kind) {
    if (n_live_[kind] == 0) continue;
    if (!leaked.empty()) leaked += ", ";
    leaked += std::to_string(n_live_[kind]) + " × " + name(static_cast<ObjectKind>(kind));
  }
  if (!leaked.empty()) failure_ = "leak: " + leaked;
}

// See Note [Executions cut short]. The bodies' own memory is all that can be had back.
void Execution::abandon() {
  for (int i = 0; i < n_threads_; ++i) ::operator delete(std::exchange(threads_[i].body, nullptr));
  locals_.clear();
}

void Execution::fail(std::string message) noexcept {
  failure_ = std::move(message);
  threads_[running_].fiber.switch_to(host_);
  std::abort();
}

int Execution::choose(int n) {
  if (n == 1) return 0;
  int value = search_->pick_choice(n);
  if (value < 0) fail(kDivergedMessage);
  if (trace_ != nullptr) {
    *trace_ += "  chooses " + std::to_string(value) + " of " + std::to_string(n) + '\n';
  }
  schedule_.push_back({true, static_cast<int16_t>(value)});
  return value;
}

void Execution::point(const Op& op) {
  if (running_ == kNoThread) {
    std::fputs("a ModelSync operation was called outside the execution's threads\n", stderr);
    std::abort();
  }
  VirtualThread& self = threads_[running_];
  self.pending = op;
  self.fiber.switch_to(host_);
  for (int object :
       self.pending.object) {  // not those of `op`: it may have become `lock` in its sleep
    if (object != kNoObject && !objects_[object].is_alive) {
      fail(describe(running_) + ": " + describe_object(object) + " is destroyed");
    }
  }
}

bool Execution::is_enabled(const VirtualThread& thread) const {
  if (thread.finished) return false;
  switch (thread.pending.kind) {
    case OpKind::lock:
      return objects_[thread.pending.object[0]].owner == kNoThread;
    case OpKind::asleep:
      return false;
    case OpKind::join:
      return threads_[thread.pending.thread].finished;
    default:
      return true;
  }
}

ThreadSet Execution::enabled_threads() const {
  ThreadSet enabled;
  for (int i = 0; i < n_threads_; ++i) {
    if (is_enabled(threads_[i])) enabled.add(i);
  }
  return enabled;
}

// ---- Threads

int Execution::spawn(std::unique_ptr<ThreadBody> body) {
  if (n_threads_ == kMaxThreads) {
    fail("more than " + std::to_string(kMaxThreads) + " threads in one execution");
  }
  int id = n_threads_++;
  VirtualThread& thread = threads_[id];
  thread.body = body.release();
  thread.pending = {};
  thread.finished = false;
  thread.knowledge = {};
  if (running_ != kNoThread) {
    thread.knowledge = knowledge();
    begin_epoch();
  }
  thread.knowledge.time[id] = 1;
  thread.fiber.prepare(&Execution::enter_thread);
  search_->on_spawn(running_, id);
  return id;
}

void Execution::join(int thread) {
  point({.kind = OpKind::join, .thread = static_cast<int8_t>(thread)});
  threads_[running_].knowledge.join(threads_[thread].knowledge);
}

// ---- Objects

int Execution::add_object(ObjectKind kind) {
  if (objects_.size() == kMaxObjects) fail("more objects in one execution than the checker counts");
  objects_.emplace_back().kind = kind;
  ++n_live_[static_cast<int>(kind)];
  return static_cast<int>(objects_.size()) - 1;
}

void Execution::destroy(int id) noexcept {
  if (running_ != kNoThread) point(OpKind::destroy, id);
  Object& object = objects_[id];
  if (running_ != kNoThread && (object.owner != kNoThread || !object.sleepers.empty())) {
    fail(describe(running_) + " while it is in use");
  }
  object.is_alive = false;
  --n_live_[static_cast<int>(object.kind)];
}

void Execution::release(int id) {
  objects_[id].released.join(knowledge());
  begin_epoch();
}

void Execution::release_only(int id) {
  objects_[id].released = knowledge();
  begin_epoch();
}

void Execution::lock(int mutex) {
  point(OpKind::lock, mutex);
  own(mutex);
}

bool Execution::try_lock(int mutex) {
  point(OpKind::try_lock, mutex);
  if (objects_[mutex].owner != kNoThread) return false;
  own(mutex);
  return true;
}

void Execution::unlock(int mutex) {
  point(OpKind::unlock, mutex);
  disown(mutex);
}

void Execution::own(int mutex) {
  objects_[mutex].owner = running_;
  acquire(mutex);
}

void Execution::disown(int mutex) {
  if (objects_[mutex].owner != running_) fail(describe(running_) + ", which it does not own");
  objects_[mutex].owner = kNoThread;
  release_only(mutex);
}

bool Execution::sleep(int condition_variable, int mutex, const int64_t* deadline_ns) {
  point(OpKind::sleep, condition_variable, mutex);
  disown(mutex);
  objects_[condition_variable].sleepers.add(running_);
  VirtualThread& self = threads_[running_];
  self.mutex_to_retake = static_cast<int16_t>(mutex);
  if (deadline_ns == nullptr) {
    point(OpKind::asleep, condition_variable);
  } else {
    point(OpKind::time_out, condition_variable, kClock);
  }
  bool notified = self.pending.kind == OpKind::lock;
  if (notified) {
    own(mutex);
  } else {
    objects_[condition_variable].sleepers.remove(running_);
    now_ns_ = std::max(now_ns_, *deadline_ns);
    lock(mutex);
  }
  return notified;
}

void Execution::notify_one(int condition_variable) {
  point(OpKind::notify, condition_variable);
  ThreadSet sleepers = objects_[condition_variable].sleepers;
  if (!sleepers.empty()) wake(condition_variable, sleepers.nth(choose(sleepers.size())));
}

void Execution::notify_all(int condition_variable) {
  point(OpKind::notify, condition_variable);
  ThreadSet sleepers = objects_[condition_variable].sleepers;
  for (; !sleepers.empty(); sleepers.remove(sleepers.first())) {
    wake(condition_variable, sleepers.first());
  }
}

void Execution::wake(int condition_variable, int id) {
  search_->on_wake(*this, running_, id);
  VirtualThread& sleeper = threads_[id];
  sleeper.pending = {.kind = OpKind::lock, .object = {sleeper.mutex_to_retake, kNoObject}};
  objects_[condition_variable].sleepers.remove(id);
}

int64_t Execution::now_ns() {
  point(OpKind::read, kClock);
  return now_ns_;
}

void Execution::advance_clock(int64_t to_ns) {
  point(OpKind::advance, kClock);
  now_ns_ = std::max(now_ns_, to_ns);
}

// ---- Values per execution

void* Execution::find_local(const void* key) const {
  for (const Local& local : locals_) {
    if (local.key == key) return local.value;
  }
  return nullptr;
}

void Execution::add_local(const void* key, void* value, void (*destroy)(void*)) {
  locals_.push_back({key, value, destroy});
}

// ---- Texts

std::string Execution::describe(int id) const {
  const Op& op = threads_[id].pending;
  std::string text = "thread " + std::to_string(id) + ' ' + name(op.kind) + ' ';
  if (op.kind == OpKind::join) return text + "thread " + std::to_string(op.thread);
  return text + describe_object(op.object[0]);
}

std::string Execution::describe_object(int object) const {
  return std::string(name(objects_[object].kind)) + ' ' + std::to_string(object);
}

std::string Execution::describe_deadlock() const {
  std::string text;
  for (int i = 0; i < n_threads_; ++i) {
    if (threads_[i].finished) continue;
    text += text.empty() ? "deadlock: " : "; ";
    text += describe(i);
  }
  return text;
}

}  // namespace tarn::model
