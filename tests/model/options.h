// What to explore and how far.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace tarn::model {

enum class Method {
  dpor,     // every execution up to commuting independent operations: proves when it completes
  bounded,  // every execution with at most `preemptions` preemptions
  pct,      // random priorities with `depth` - 1 changes (Burckhardt et al., ASPLOS 2010)
  random,   // a random thread at each step
};

struct Options {
  Method method = Method::dpor;
  int preemptions = 2;
  int depth = 3;
  uint64_t seed = 1;
  int64_t max_executions = 5'000'000;
  // A longer execution is cut, and counted as truncated. At most kMaxSteps.
  int max_steps = 5'000;
  // Else goes on. What a failed execution owned is leaked. What its threads would have done next is
  // unknown, so dpor may miss orders of that, and does not call itself complete; a deadlock does no
  // such harm.
  bool stop_at_failure = true;
  // ModelSync::thread's constructor throws, as a data choice.
  bool thread_creation_may_fail = false;

  // Called after each execution that is not redundant, with what failed in it or "".
  std::function<void(const std::string& message)> after_execution;
};

inline Options dpor() { return {}; }

inline Options bounded(int preemptions) {
  Options options;
  options.method = Method::bounded;
  options.preemptions = preemptions;
  return options;
}

// Every execution, one by one. For comparison: it explodes soon.
inline Options brute_force() { return bounded(std::numeric_limits<int>::max()); }

// A bug of depth d (d - 1 ordering constraints beside the start order) in a program of n threads
// and k steps is hit by one execution with a probability of at least 1/(n·k^(d-1)).
inline Options pct(int depth, int64_t n_executions, uint64_t seed = 1) {
  Options options;
  options.method = Method::pct;
  options.depth = depth;
  options.max_executions = n_executions;
  options.seed = seed;
  return options;
}

inline Options random_walk(int64_t n_executions, uint64_t seed = 1) {
  Options options;
  options.method = Method::random;
  options.max_executions = n_executions;
  options.seed = seed;
  return options;
}

}  // namespace tarn::model
