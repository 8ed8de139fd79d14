// tarn verify: whether a checkpoint is whole, to its last byte.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

#include "cli/commands.h"
#include "cli/endless_work.h"
#include "cli/progress_bar.h"
#include "cli/report.h"
#include "cli/scan.h"
#include "cli/sha256.h"
#include "cli/text.h"
#include "cli/workers.h"

namespace tarn::cli {

namespace {

void find_bad_numbers(Inventory& inventory) {
  for (const TensorRow& row : inventory.tensors) {
    if (row.failure || row.stats.nan + row.stats.inf == 0) continue;
    inventory.problems.push_back(
        {inventory.files[row.file].path, row.place.name,
         fmt::format("has {} NaN and {} Inf among {} numbers", count_text(row.stats.nan),
                     count_text(row.stats.inf),
                     count_text(row.stats.finite + row.stats.nan + row.stats.inf))});
  }
}

// Hashes all files, on several threads. A file has one checksum, so files are what is done at once.
class Checksums {
 public:
  struct Result {
    std::string sum;  // empty if the file could not be read
    FailurePtr failure;
  };

  Checksums(const Inventory& inventory, const RunOptions& options)
      : options_(options), results_(inventory.files.size()), bar_("hashing") {
    for (const FileRow& file : inventory.files) {
      readers_.push_back(file.reader);
      total_ += file.reader ? file.reader->size().value_or(0) : 0;
    }
  }

  void run() {
    run_on_threads(options_.n_workers(), [this] { work(); });
  }

  // Also while it runs: what is not done then has failed as the run has ended.
  std::vector<Result> take() {
    const std::lock_guard lock(mutex_);
    bar_.finish();
    for (size_t i = 0; i < results_.size(); ++i) {
      const bool is_done = !results_[i].sum.empty() || results_[i].failure || !readers_[i];
      if (!is_done) results_[i].failure = failure_of_end(*options_.ended_by());
    }
    return results_;
  }

 private:
  void work() {
    for (size_t i = next_++; i < readers_.size(); i = next_++) {
      if (!readers_[i]) continue;
      Result result;
      try {
        result.sum = checksum(*readers_[i]);
      } catch (...) {
        result.failure = failure_of(std::current_exception());
      }
      const std::lock_guard lock(mutex_);
      results_[i] = std::move(result);
    }
  }

  std::string checksum(io::Reader& reader) {
    constexpr size_t kChunk = 1 << 20;
    std::vector<char> bytes(kChunk);
    Sha256 hash;
    for (uint64_t offset = 0;;) {
      if (auto ended = options_.ended_by()) throw OperationError(*ended, ended_text(*ended));
      const size_t got = reader.read_at(bytes.data(), kChunk, offset);
      if (got == 0) return hash.hex_digest();
      hash.update(bytes.data(), got);
      offset += got;
      add_progress(got);
    }
  }

  void add_progress(uint64_t nbytes) {
    const std::lock_guard lock(mutex_);
    constexpr uint64_t kStep = 16 << 20;
    const uint64_t before = std::exchange(done_, done_ + nbytes);
    if (before / kStep != done_ / kStep) bar_.show(done_, std::max(done_, total_));
  }

  const RunOptions options_;
  std::vector<std::shared_ptr<io::Reader>> readers_;
  uint64_t total_ = 0;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;  // guards what follows
  std::vector<Result> results_;
  ProgressBar bar_;
  uint64_t done_ = 0;
};

// By file; empty for those that could not be read, which is then the failure of the file.
std::vector<std::string> checksums(Inventory& inventory, const RunOptions& options) {
  const auto job = std::make_shared<Checksums>(inventory, options);
  finish_or_leave(options, [job] { job->run(); });
  std::vector<std::string> sums;
  for (Checksums::Result& result : job->take()) {
    FileRow& file = inventory.files[sums.size()];
    if (!file.failure) file.failure = result.failure;
    sums.push_back(std::move(result.sum));
  }
  return sums;
}

Json verify_summary(const Inventory& inventory, const std::vector<std::string>& sums,
                    const ScanResult& result) {
  Json summary = summary_json(inventory);
  add_scan(summary, result);
  for (size_t i = 0; i < sums.size(); ++i) {
    summary["sha256"][inventory.files[i].path] = sums[i].empty() ? Json() : Json(sums[i]);
  }
  return summary;
}

}  // namespace

int run_verify(const RunOptions& options, bool with_checksums) {
  Inventory inventory = open_inventory(options);
  const ScanResult result = scan(inventory, options, "verifying");
  find_bad_numbers(inventory);
  std::vector<std::string> sums;
  if (with_checksums) sums = checksums(inventory, options);
  if (options.json) {
    print_json(inventory, add_stats, verify_summary(inventory, sums, result));
  } else {
    fmt::print("{}{}\n", summary_text(inventory), inventory.is_well() ? ": all well" : "");
    if (!sums.empty()) fmt::print("\n");
    for (size_t i = 0; i < sums.size(); ++i) {
      if (!sums[i].empty()) fmt::print("{}  {}\n", sums[i], printable(inventory.files[i].path));
    }
    print_failures(inventory);
  }
  return inventory.is_well() ? kAllWell : kSomethingFailed;
}

}  // namespace tarn::cli
