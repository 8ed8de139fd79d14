#include "tarn/runtime/memory_limit.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string_view>

namespace tarn {

namespace {

// A limit file holds a decimal number, "max", or, in version 1 without a limit, a number near 2^63.
std::optional<size_t> read_limit(const std::string& path) {
  std::ifstream file(path);
  std::string text;
  if (!std::getline(file, text)) return {};
  size_t limit = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return limit;
}

// The least limit on the way from a group up to the root. In a container the path may name a group
// outside of what is mounted; then the root's limit is the container's.
std::optional<size_t> least_limit(const std::string& root, std::string group, const char* file) {
  std::optional<size_t> least;
  for (;;) {
    if (const auto limit = read_limit(root + group + "/" + file)) {
      least = std::min(least.value_or(*limit), *limit);
    }
    if (group.empty()) return least;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

// Grammar of a line of /proc/self/cgroup: id ":" [controller {"," controller}] ":" "/" path. In
// version 2 the id is 0 and there are no controllers.
std::optional<size_t> cgroup_memory_limit(const std::string& membership, const std::string& mount) {
  std::optional<size_t> least;
  std::ifstream lines(membership);
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    std::string group = line.substr(second + 1);
    if (group == "/" || !group.starts_with('/') || group.find("/..") != std::string::npos) {
      group.clear();
    }
    std::optional<size_t> limit;
    if (controllers == ",,") {
      limit = least_limit(mount, group, "memory.max");
    } else if (controllers.find(",memory,") != std::string::npos) {
      limit = least_limit(mount + "/memory", group, "memory.limit_in_bytes");
    }
    if (limit) least = std::min(least.value_or(*limit), *limit);
  }
  return least;
}

size_t default_memory_limit() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  size_t limit = std::numeric_limits<size_t>::max() / 2;
  if (pages > 0 && page_bytes > 0) {
    limit = static_cast<size_t>(pages) * static_cast<size_t>(page_bytes) / 10 * 8;
  }
  if (const auto group = cgroup_memory_limit("/proc/self/cgroup", "/sys/fs/cgroup")) {
    limit = std::min(limit, *group / 100 * 95);
  }
  return limit;
}

}  // namespace tarn
