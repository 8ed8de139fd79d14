#include "checker.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <utility>

#include "search.h"

#if defined(TARN_MODEL_ASAN)
#include <sanitizer/lsan_interface.h>
#endif

namespace tarn::model {

namespace {

std::terminate_handler outer_terminate_handler = nullptr;

// The code under test must not end the process, so its doing so is a failure like others.
[[noreturn]] void fail_by_terminate() {
  if (!Execution::is_on_virtual_thread()) {
    outer_terminate_handler();
    std::abort();
  }
  std::string reason;
  try {
    if (std::exception_ptr error = std::current_exception()) std::rethrow_exception(error);
  } catch (const std::exception& error) {
    reason = std::string(": ") + error.what();
  } catch (...) {
    reason = ": an exception that is no std::exception";
  }
  Execution::current().fail("std::terminate was called" + reason);
}

class TerminateScope {
 public:
  TerminateScope() { outer_terminate_handler = std::set_terminate(&fail_by_terminate); }
  ~TerminateScope() { std::set_terminate(outer_terminate_handler); }
  TerminateScope(const TerminateScope&) = delete;
  TerminateScope& operator=(const TerminateScope&) = delete;
};

// Executions that fail leak by design (see Note [Executions cut short]), which LeakSanitizer cannot
// tell from others.
class LeakSanitizerScope {
 public:
#if defined(TARN_MODEL_ASAN)
  LeakSanitizerScope() { __lsan_disable(); }
  ~LeakSanitizerScope() { __lsan_enable(); }
#else
  LeakSanitizerScope() {}
#endif
  LeakSanitizerScope(const LeakSanitizerScope&) = delete;
  LeakSanitizerScope& operator=(const LeakSanitizerScope&) = delete;
};

void count(Result& result, const Execution& execution, Execution::End end) {
  result.longest = std::max(result.longest, execution.n_steps());
  result.n_threads = std::max(result.n_threads, execution.n_threads());
  if (end == Execution::End::redundant) {
    ++result.n_redundant;
    return;
  }
  ++result.n_executions;
  if (end == Execution::End::truncated) ++result.n_truncated;
  if (execution.failure().empty()) return;
  if (++result.n_failures > 1) return;
  result.message = execution.failure();
  result.schedule = to_string(execution.schedule());
  result.failure = result.message + "\n  replay: \"" + result.schedule + '"';
}

Result run(const Options& options, Search& search, const std::function<void()>& body,
           bool with_trace) {
  Result result;
  Execution execution(options);
  if (with_trace) execution.trace_to(&result.trace);
  TerminateScope terminate_scope;
  LeakSanitizerScope leak_sanitizer_scope;
  auto start = std::chrono::steady_clock::now();
  bool exhausted = false;
  int64_t n_failed = 0;  // but for deadlocks
  for (;;) {
    if (result.n_executions + result.n_redundant == options.max_executions) break;
    exhausted = !search.next_execution();
    if (exhausted) break;
    Execution::End end = execution.run(body, search);
    count(result, execution, end);
    if (end == Execution::End::failed) ++n_failed;
    if (end != Execution::End::redundant && options.after_execution) {
      options.after_execution(execution.failure());
    }
    if (result.n_failures > 0 && options.stop_at_failure) break;
  }
  bool is_blind = options.method == Method::dpor && n_failed > 0;  // see Options::stop_at_failure
  result.complete = exhausted && result.n_truncated == 0 && !is_blind;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace

Result explore(const Options& options, const std::function<void()>& body) {
  std::unique_ptr<Search> search = make_search(options);
  Result result = run(options, *search, body, false);
  if (options.method == Method::pct) {
    result.pct_bound = 1 / (result.n_threads * std::pow(result.longest, options.depth - 1));
  }
  return result;
}

Result replay(const std::string& schedule, const std::function<void()>& body,
              const Options& options) {
  Replay search(parse_schedule(schedule));
  return run(options, search, body, true);
}

std::string Result::summary() const {
  std::string text = complete ? "complete: " : "not complete: ";
  char figures[256];
  std::snprintf(
      figures, sizeof figures,
      "%lld executions, %lld redundant, %lld truncated, %lld failed; at most %d threads, %d "
      "steps; %.2f s, %.0f executions/s",
      static_cast<long long>(n_executions), static_cast<long long>(n_redundant),
      static_cast<long long>(n_truncated), static_cast<long long>(n_failures), n_threads, longest,
      seconds, static_cast<double>(n_executions + n_redundant) / std::max(seconds, 1e-9));
  text += figures;
  if (pct_bound > 0) {
    std::snprintf(figures, sizeof figures, "; a bug of the depth is hit with p >= %.2g each",
                  pct_bound);
    text += figures;
  }
  return text;
}

}  // namespace tarn::model

// A failed assert of the code under test, in builds that have them, is a failure, too. Replaces the
// C library's function.
extern "C" void __assert_fail(const char* expression, const char* file, unsigned int line,
                              const char* function) noexcept {
  char text[1024];
  std::snprintf(text, sizeof text, "%s:%u: %s: assertion failed: %s", file, line, function,
                expression);
  if (tarn::model::Execution::is_on_virtual_thread()) tarn::model::Execution::current().fail(text);
  std::fprintf(stderr, "%s\n", text);
  std::abort();
}
