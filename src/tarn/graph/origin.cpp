#include "tarn/graph/origin.h"

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <utility>

#include "tarn/base/settings.h"

namespace tarn {

namespace {

std::atomic<bool>& tracking() {
  static std::atomic<bool> on(settings().origin_tracking);
  return on;
}

Origin& scope_of_this_thread() {
  thread_local Origin scope;
  return scope;
}

std::string demangled(const char* symbol) {
  int status;
  char* text = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
  std::string name = status == 0 ? text : symbol;
  std::free(text);
  return name;
}

// Where the library itself is loaded: its frames say nothing about the user's program.
const void* library_base() {
  Dl_info info;
  return dladdr(reinterpret_cast<const void*>(&library_base), &info) ? info.dli_fbase : nullptr;
}

}  // namespace

BuildSite::BuildSite() : n_frames_(backtrace(frames_.data(), kMaxFrames)) {}

std::string BuildSite::describe() const {
  if (!text_.empty()) return text_;
  std::string text;
  int described = 0;
  for (int i = 0; i < n_frames_ && described < 4; ++i) {
    Dl_info info;
    // Minus one: a return address may be the first of the next function.
    if (!dladdr(static_cast<char*>(frames_[i]) - 1, &info)) continue;
    // In a static build everything has the library's base; then its own names are left out.
    std::string name = info.dli_sname ? demangled(info.dli_sname) : "";
    if (name.starts_with("tarn::")) continue;
    if (info.dli_fbase == library_base() && name.empty()) continue;
    auto offset = static_cast<char*>(frames_[i]) - static_cast<char*>(info.dli_fbase);
    if (!text.empty()) text += " < ";
    text += name.empty() ? fmt::format("{}+{:#x}", info.dli_fname, offset) : name;
    ++described;
  }
  return text;
}

Origin current_origin() {
  if (const Origin& scope = scope_of_this_thread()) return scope;
  if (!tracking().load(std::memory_order_relaxed)) return nullptr;
  return std::make_shared<const BuildSite>();
}

void set_origin_tracking(bool on) { tracking().store(on, std::memory_order_relaxed); }

OriginScope::OriginScope(int line, const char* file, const char* function)
    : OriginScope(fmt::format("{}:{} ({})", file, line, function)) {}

OriginScope::OriginScope(std::string text)
    : previous_(std::exchange(scope_of_this_thread(),
                              std::make_shared<const BuildSite>(std::move(text)))) {}

OriginScope::~OriginScope() { scope_of_this_thread() = std::move(previous_); }

}  // namespace tarn
