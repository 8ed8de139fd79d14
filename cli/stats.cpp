// tarn stats: the numbers of every tensor.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/report.h"
#include "cli/scan.h"
#include "cli/text.h"

namespace tarn::cli {

namespace {

// In full if it is an integer.
std::string extreme_text(const TensorRow& row, double extreme, double rest) {
  return row.has_integers() ? fmt::format("{}", exact_integer(extreme, rest))
                            : number_text(extreme);
}

std::vector<std::string> cells_of(const TensorRow& row) {
  std::vector<std::string> cells{printable(row.place.name),
                                 row.is_known() ? printable(row.dtype) : "?",
                                 row.is_known() ? shape_text(row.place.shape) : "?"};
  if (row.failure) {
    cells.push_back(is_end_of_run(row.failure->kind) ? "not read" : "failed");
    return cells;
  }
  const TensorStats& stats = row.stats;
  if (stats.finite > 0) {
    cells.push_back(extreme_text(row, stats.min, stats.min_rest));
    cells.push_back(extreme_text(row, stats.max, stats.max_rest));
    cells.push_back(number_text(stats.mean));
    cells.push_back(number_text(standard_deviation(stats)));
  } else {
    cells.insert(cells.end(), 4, "-");
  }
  for (const double count : {stats.zeros, stats.nan, stats.inf}) {
    cells.push_back(row.format ? count_text(count) : "-");
  }
  return cells;
}

std::string speed_text(const ScanResult& result) {
  return fmt::format("read {} in {:.2f} s ({}/s)", bytes_text(result.nbytes_read), result.seconds,
                     bytes_text(uint64_t(double(result.nbytes_read) / result.seconds)));
}

void print_text(const Inventory& inventory, const ScanResult& result) {
  Table table({{"tensor"},
               {"dtype"},
               {"shape"},
               {"min", true},
               {"max", true},
               {"mean", true},
               {"std", true},
               {"zeros", true},
               {"NaN", true},
               {"Inf", true}});
  for (const TensorRow& row : inventory.tensors) table.add(cells_of(row));
  table.print();
  print_failures(inventory);
  fmt::print("\n{}; {}\n", summary_text(inventory), speed_text(result));
}

Json stats_summary(const Inventory& inventory, const ScanResult& result) {
  double nan = 0, inf = 0;
  for (const TensorRow& row : inventory.tensors) {
    if (row.failure) continue;
    nan += row.stats.nan;
    inf += row.stats.inf;
  }
  Json summary = summary_json(inventory);
  summary["nan"] = uint64_t(nan);
  summary["inf"] = uint64_t(inf);
  add_scan(summary, result);
  return summary;
}

}  // namespace

int run_stats(const RunOptions& options) {
  Inventory inventory = open_inventory(options);
  const ScanResult result = scan(inventory, options, "reading");
  if (options.json) {
    print_json(inventory, add_stats, stats_summary(inventory, result));
  } else {
    print_text(inventory, result);
  }
  return inventory.is_well() ? kAllWell : kSomethingFailed;
}

}  // namespace tarn::cli
