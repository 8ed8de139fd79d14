// tarn verify: whether a checkpoint is whole, to its last byte.
#include <fmt/format.h>

#include <atomic>
#include <thread>

#include "cli/commands.h"
#include "cli/report.h"
#include "cli/scan.h"
#include "cli/sha256.h"
#include "cli/text.h"

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

// The checksum of a whole file, in hexadecimal. Throws OperationError.
std::string checksum(io::Reader& reader, const RunOptions& options) {
  constexpr size_t kChunk = 1 << 20;
  std::vector<char> bytes(kChunk);
  Sha256 hash;
  for (uint64_t offset = 0;;) {
    if (auto ended = options.ended_by()) throw OperationError(*ended, ended_text(*ended));
    const size_t got = reader.read_at(bytes.data(), kChunk, offset);
    if (got == 0) return hash.hex_digest();
    hash.update(bytes.data(), got);
    offset += got;
  }
}

// By file; empty for those that could not be read. A file has one checksum, so files are what is
// done at once.
std::vector<std::string> checksums(Inventory& inventory, const RunOptions& options) {
  std::vector<std::string> sums(inventory.files.size());
  std::vector<FailurePtr> failures(sums.size());
  std::atomic<size_t> next{0};
  const auto work = [&] {
    for (size_t i = next++; i < sums.size(); i = next++) {
      if (!inventory.files[i].reader) continue;
      try {
        sums[i] = checksum(*inventory.files[i].reader, options);
      } catch (...) {
        failures[i] = failure_of(std::current_exception());
      }
    }
  };
  {
    std::vector<std::jthread> workers;
    for (size_t i = 0; i < options.n_workers(); ++i) workers.emplace_back(work);
  }
  for (size_t i = 0; i < sums.size(); ++i) {
    if (failures[i] && !inventory.files[i].failure) inventory.files[i].failure = failures[i];
  }
  return sums;
}

Json to_json(const Inventory& inventory, const std::vector<std::string>& sums,
             const ScanResult& result) {
  Json tensors = Json::array();
  for (const TensorRow& row : inventory.tensors) {
    tensors.push_back(tensor_json(inventory, row));
    if (!row.failure) add_stats(tensors.back(), row.stats);
  }
  Json summary = summary_json(inventory);
  summary["nbytes_read"] = result.nbytes_read;
  summary["seconds"] = result.seconds;
  summary["ended_by"] = result.ended_by ? Json(failure_kind_name(*result.ended_by)) : Json();
  for (size_t i = 0; i < sums.size(); ++i) {
    summary["sha256"][inventory.files[i].path] = sums[i].empty() ? Json() : Json(sums[i]);
  }
  return {{"tensors", std::move(tensors)}, {"summary", std::move(summary)}};
}

}  // namespace

int run_verify(const RunOptions& options, bool with_checksums) {
  Inventory inventory = open_inventory(options);
  const ScanResult result = scan(inventory, options, "verifying");
  find_bad_numbers(inventory);
  std::vector<std::string> sums;
  if (with_checksums) sums = checksums(inventory, options);
  const bool is_well = inventory.n_failed() == 0 && inventory.problems.empty();
  if (options.json) {
    print_json(to_json(inventory, sums, result));
  } else {
    for (size_t i = 0; i < sums.size(); ++i) {
      if (!sums[i].empty()) fmt::print("{}  {}\n", sums[i], printable(inventory.files[i].path));
    }
    print_failures(inventory);
    fmt::print("{}{}{}\n", sums.empty() && is_well ? "" : "\n", summary_text(inventory),
               is_well ? ": all well" : "");
  }
  return is_well ? kAllWell : kSomethingFailed;
}

}  // namespace tarn::cli
