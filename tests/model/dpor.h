// Source-set dynamic partial order reduction with sleep sets: Abdulla, Aronis, Jonsson, Sagonas,
// "Optimal Dynamic Partial Order Reduction" (POPL 2014), algorithm Source-DPOR, extended to locks,
// sleeping threads and data choices.
#pragma once

#include <array>
#include <vector>

#include "depth_first.h"

namespace tarn::model {

struct DporStep {
  std::array<Op, kMaxThreads> pending;  // of all threads, before the step
  ThreadSet backtrack;                  // threads to explore from here, done ones included
  ThreadSet sleep;                      // threads whose next step leads to what has been seen
  VectorClock past;                     // of the thread, with this step
  std::array<int, Op::kMaxUses>
      previous{};  // the step before on each of the op's objects; -1: none
};

class Dpor : public DepthFirst<DporStep> {
 public:
  void on_spawn(int parent, int child) override;
  void on_wake(const Execution& execution, int by, int waiter) override;
  void on_deadlock(const Execution& execution) override { find_races_of_all(execution); }

 private:
  // The order of dependent operations on one object, by kind of access: locks and unlocks count as
  // writes.
  struct Object {
    VectorClock reads, accumulations, writes;
    int last_step = -1;
  };

  void restart() override;
  bool begin_step(const Execution& execution, Node& node) override;
  void take_step() override;
  ThreadSet untried(const Node& node) const override;

  ThreadSet sleep_after(const Node& node) const;
  void order(Node& node);
  void publish(const Node& node);
  Object& object(int id);

  void find_races_of_all(const Execution& execution);
  void find_races(int thread, const Op& op);
  void find_races_on(int object, Access access, int thread, const Op& op);
  void reverse_race(int at, int thread, const Op& op);
  ThreadSet initials(int at, int thread, const Op& op) const;
  bool happened_before(int step, const VectorClock& past) const {
    return past.time[path_[step].thread] > step;
  }

  std::array<VectorClock, kMaxThreads> past_;
  std::vector<Object> objects_;
  int last_step_ = -1;
};

}  // namespace tarn::model
