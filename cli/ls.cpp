// tarn ls: what is in a checkpoint, from the headers alone.
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/report.h"
#include "cli/text.h"

namespace tarn::cli {

namespace {

void print_metadata(const std::map<std::string, std::string>& metadata) {
  for (const auto& [key, value] : metadata) {
    fmt::print("  {} = {}\n", printable(key), printable(value));
  }
}

void print_text(const Inventory& inventory) {
  Table table({{"tensor"}, {"dtype"}, {"shape"}, {"size", true}, {"file"}});
  for (const TensorRow& row : inventory.tensors) {
    const std::string file = printable(inventory.files[row.file].path);
    if (row.is_known()) {
      table.add({printable(row.place.name), printable(row.dtype), shape_text(row.place.shape),
                 bytes_text(row.place.nbytes), file});
    } else {
      table.add({printable(row.place.name), "?", "?", "?", file});
    }
  }
  table.print();
  if (!inventory.metadata.empty()) fmt::print("\nmetadata of the index\n");
  print_metadata(inventory.metadata);
  for (const FileRow& file : inventory.files) {
    if (file.metadata.empty()) continue;
    fmt::print("\nmetadata of {}\n", printable(file.path));
    print_metadata(file.metadata);
  }
  print_failures(inventory);
  fmt::print("\n{}\n", summary_text(inventory));
}

Json ls_summary(const Inventory& inventory) {
  Json summary = summary_json(inventory);
  summary["metadata"] = inventory.metadata;
  Json& metadata_by_file = summary["file_metadata"] = Json::object();
  for (const FileRow& file : inventory.files) metadata_by_file[file.path] = file.metadata;
  return summary;
}

}  // namespace

int run_ls(const RunOptions& options) {
  const Inventory inventory = open_inventory(options);
  if (options.json) {
    print_json(
        inventory, [](Json&, const TensorRow&) {}, ls_summary(inventory));
  } else {
    print_text(inventory);
  }
  return inventory.is_well() ? kAllWell : kSomethingFailed;
}

}  // namespace tarn::cli
