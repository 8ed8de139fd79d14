// How much memory this process may reasonably use.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace tarn {

// 0.8 of the machine's memory, or 0.95 of what the control group allows if that is less.
size_t default_memory_limit();

// The least limit of the process's control groups, versions 1 and 2, and of those they are in.
// `membership` is a file in the form of /proc/self/cgroup, `mount` where the groups are mounted.
// Nothing if there is no limit, or it cannot be read.
std::optional<size_t> cgroup_memory_limit(const std::string& membership, const std::string& mount);

}  // namespace tarn
