// Where in the user's program nodes are built, for the records of failures.
#pragma once

#include <array>
#include <memory>
#include <string>

namespace tarn {

// One place: named by the program, or the stack of the thread that built a node there.
class BuildSite {
 public:
  explicit BuildSite(std::string text) : text_(std::move(text)) {}
  // The calling thread's stack.
  BuildSite();

  // The name, or the functions of the user's program on the stack, innermost first.
  std::string describe() const;

 private:
  static constexpr int kMaxFrames = 24;

  std::string text_;
  std::array<void*, kMaxFrames> frames_{};
  int n_frames_ = 0;
};

// Shared by the nodes built at one place.
using Origin = std::shared_ptr<const BuildSite>;

// The origin of nodes that the calling thread builds now; null unless there is a scope or origins
// are tracked.
Origin current_origin();

// Records, from now on and in all threads, where nodes are built. Takes about a microsecond a node.
// Off unless TARN_ORIGIN_TRACKING is set.
void set_origin_tracking(bool on);

// Names the place of the nodes that this thread builds while the scope lives; inner scopes win.
class OriginScope {
 public:
  // By default the place where the scope is made. (clang 14 lacks std::source_location.)
  explicit OriginScope(int line = __builtin_LINE(), const char* file = __builtin_FILE(),
                       const char* function = __builtin_FUNCTION());
  explicit OriginScope(std::string text);
  ~OriginScope();
  OriginScope(const OriginScope&) = delete;
  OriginScope& operator=(const OriginScope&) = delete;

 private:
  Origin previous_;
};

}  // namespace tarn
