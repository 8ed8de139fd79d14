// The commands of the tool; each is a file. They print to standard output and return the exit
// status. What they throw is an error message.
#pragma once

#include <cstdint>
#include <string>

#include "cli/run_options.h"

namespace tarn::cli {

int run_ls(const RunOptions& options);
int run_stats(const RunOptions& options);
int run_verify(const RunOptions& options, bool with_checksums);

struct SampleOptions {
  std::string directory;
  double gib = 1;
  int n_shards = 0;  // 0: about 2 GiB each, and 3 at least
  uint64_t seed = 0;
};
int run_make_sample(const SampleOptions& sample, const RunOptions& options);

int run_ops(bool json);
std::string version_text();

}  // namespace tarn::cli
