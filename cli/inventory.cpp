#include "cli/inventory.h"

#include <fnmatch.h>

#include <algorithm>

#include "tarn/io/checkpoint_index.h"
#include "tarn/io/npy_header.h"

namespace tarn::cli {

namespace {

bool is_selected(const std::string& name, const std::vector<std::string>& globs) {
  return globs.empty() || std::ranges::any_of(globs, [&](const std::string& glob) {
           return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
         });
}

NumberFormat format_of(const std::string& dtype) {
  if (dtype == "F8_E4M3") return NumberFormat::float8_e4m3;
  if (dtype == "F8_E5M2") return NumberFormat::float8_e5m2;
  if (dtype == "F8_E8M0") return NumberFormat::float8_e8m0;
  return NumberFormat::of_dtype;
}

class InventoryBuilder {
 public:
  explicit InventoryBuilder(const RunOptions& options) : options_(options) {}

  void add_path(const std::string& path) {
    try {
      if (path.ends_with(".npy")) {
        add_npy(path);
      } else {
        add_checkpoint(io::open_checkpoint(path));
      }
    } catch (...) {
      inventory_.files.push_back({.path = path, .failure = failure_of(std::current_exception())});
    }
  }

  Inventory take() { return std::move(inventory_); }

 private:
  void add_checkpoint(io::Checkpoint checkpoint) {
    std::map<std::string, std::string> path_of;
    for (io::CheckpointShard& shard : checkpoint.shards) {
      path_of[shard.name] = shard.path;
      add_shard(std::move(shard));
    }
    for (const io::CheckpointProblem& problem : checkpoint.problems) {
      const auto path = path_of.find(problem.file);
      const std::string& file = path != path_of.end() ? path->second : problem.file;
      inventory_.problems.push_back(
          {file.empty() ? checkpoint.index : file, problem.tensor, problem.message});
    }
    inventory_.metadata.merge(checkpoint.metadata);
  }

  void add_shard(io::CheckpointShard shard) {
    FileRow file{.path = shard.path, .reader = shard.reader};
    const size_t index = inventory_.files.size();
    if (shard.failure) file.failure = failure_of(shard.failure);
    if (shard.header) {
      file.nbytes = shard.header->data_end - shard.header->data_begin;
      file.n_tensors = shard.header->tensors.size();
      file.metadata = shard.header->metadata;
      for (const io::SafetensorsEntry& entry : shard.header->tensors) {
        add_tensor({.file = index,
                    .dtype = entry.dtype_name,
                    .place = io::place_of(entry),
                    .format = format_of(entry.dtype_name)});
      }
    } else {
      for (const std::string& name : shard.promised) {
        add_tensor({.file = index, .place = {.name = name}, .failure = file.failure});
      }
    }
    inventory_.files.push_back(std::move(file));
  }

  void add_npy(const std::string& path) {
    auto reader = std::make_shared<io::ParallelFileReader>(path);
    reader->require_open();
    const io::NpyHeader header = io::read_npy_header(*reader);
    add_tensor({.file = inventory_.files.size(),
                .dtype = dtype_name(header.dtype),
                .place = {.name = std::string(path, path.find_last_of('/') + 1),
                          .dtype = header.dtype,
                          .shape = header.shape,
                          .begin = header.data_begin,
                          .nbytes = header.nbytes,
                          .swap_nbytes = header.swap_bytes ? header.number_nbytes() : 0}});
    inventory_.files.push_back(
        {.path = path, .reader = std::move(reader), .nbytes = header.nbytes, .n_tensors = 1});
  }

  void add_tensor(TensorRow row) {
    if (is_selected(row.place.name, options_.globs)) inventory_.tensors.push_back(std::move(row));
  }

  const RunOptions& options_;
  Inventory inventory_;
};

}  // namespace

uint64_t Inventory::nbytes() const {
  uint64_t nbytes = 0;
  for (const TensorRow& tensor : tensors) nbytes += tensor.place.nbytes;
  return nbytes;
}

size_t Inventory::n_failed() const {
  return size_t(std::ranges::count_if(files, [](auto& file) { return file.failure != nullptr; }) +
                std::ranges::count_if(tensors, [](auto& row) { return row.failure != nullptr; }));
}

Inventory open_inventory(const RunOptions& options) {
  InventoryBuilder builder(options);
  for (const std::string& path : options.paths) builder.add_path(path);
  return builder.take();
}

FailurePtr failure_of(std::exception_ptr thrown) {
  FailurePtr failure = record_failure(std::move(thrown), {.op = "load"});
  failure->mark_observed();
  return failure;
}

}  // namespace tarn::cli
