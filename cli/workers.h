// Work for several threads.
#pragma once

#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace tarn::cli {

// Calls work() on n threads, of which this is one; on fewer if the system has no more.
template <class Work>
void run_on_threads(size_t n, const Work& work) {
  std::vector<std::jthread> others;
  try {
    for (size_t i = 1; i < n; ++i) others.emplace_back([&work] { work(); });
  } catch (const std::system_error&) {
    // Those that there are do all the work.
  }
  work();
}

}  // namespace tarn::cli
