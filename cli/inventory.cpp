#include "cli/inventory.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "cli/endless_work.h"
#include "tarn/io/checkpoint_index.h"
#include "tarn/io/io_error.h"
#include "tarn/io/npy_header.h"

namespace tarn::cli {

namespace {

bool is_selected(const std::string& name, const std::vector<std::string>& globs) {
  return globs.empty() || std::ranges::any_of(globs, [&](const std::string& glob) {
           return fnmatch(glob.c_str(), name.c_str(), 0) == 0;
         });
}

std::optional<NumberFormat> format_of(const io::SafetensorsEntry& entry) {
  const std::string& dtype = entry.dtype_name;
  if (dtype == "F8_E4M3") return NumberFormat::float8_e4m3;
  if (dtype == "F8_E5M2") return NumberFormat::float8_e5m2;
  if (dtype == "F8_E8M0") return NumberFormat::float8_e8m0;
  if (dtype == "F8_E4M3FNUZ") return NumberFormat::float8_e4m3fnuz;
  if (dtype == "F8_E5M2FNUZ") return NumberFormat::float8_e5m2fnuz;
  if (dtype == "F4") return NumberFormat::float4_e2m1;
  // How other packed numbers lie in their bytes, the format does not say.
  if (dtype != io::safetensors_dtype_name(entry.dtype)) return std::nullopt;
  return NumberFormat::of_dtype;
}

class InventoryBuilder {
 public:
  explicit InventoryBuilder(std::vector<std::string> globs) : globs_(std::move(globs)) {}

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
    std::map<std::string, size_t> file_of;
    for (io::CheckpointShard& shard : checkpoint.shards) {
      file_of[shard.name] = inventory_.files.size();
      add_shard(std::move(shard));
    }
    for (const io::CheckpointProblem& problem : checkpoint.problems) {
      const auto file = problem.file.empty() ? file_of.end() : file_of.find(problem.file);
      if (problem.kind == io::CheckpointProblem::Kind::missing_tensor) {
        add_missing_tensor(file->second, problem);
        continue;
      }
      const std::string& path =
          file != file_of.end() ? inventory_.files[file->second].path : problem.file;
      inventory_.problems.push_back(
          {path.empty() ? checkpoint.index : path, problem.tensor, problem.message});
    }
    inventory_.metadata = std::move(checkpoint.metadata);
  }

  // What it is for is lost without it, as if it could not be read.
  void add_missing_tensor(size_t file, const io::CheckpointProblem& problem) {
    IoDetails details;
    details.path = inventory_.files[file].path;
    details.tensor = problem.tensor;
    add_tensor({.file = file,
                .place = {.name = problem.tensor},
                .failure = failure_of(std::make_exception_ptr(
                    io::io_error("load", problem.message, std::move(details))))});
  }

  void add_shard(io::CheckpointShard shard) {
    FileRow file{.path = shard.path.empty() ? shard.name : shard.path, .reader = shard.reader};
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
                    .format = format_of(entry),
                    .failure = entry.failure ? failure_of(entry.failure) : nullptr});
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
    const uint64_t data_end = header.data_begin + header.nbytes;
    const uint64_t file_nbytes = reader->size().value_or(data_end);
    if (file_nbytes > data_end) {
      inventory_.problems.push_back(
          {.file = path,
           .message = fmt::format("{} bytes after the data", file_nbytes - data_end)});
    }
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
    if (is_selected(row.place.name, globs_)) inventory_.tensors.push_back(std::move(row));
  }

  const std::vector<std::string> globs_;
  Inventory inventory_;
};

void append(Inventory& all, Inventory&& more) {
  for (TensorRow& tensor : more.tensors) {
    tensor.file += all.files.size();
    all.tensors.push_back(std::move(tensor));
  }
  std::ranges::move(more.files, std::back_inserter(all.files));
  std::ranges::move(more.problems, std::back_inserter(all.problems));
  all.metadata.merge(more.metadata);
}

}  // namespace

bool TensorRow::has_integers() const {
  return format == NumberFormat::of_dtype &&
         (place.dtype == bool_ || issubdtype(place.dtype, integer));
}

uint64_t Inventory::nbytes() const {
  uint64_t nbytes = 0;
  for (const TensorRow& tensor : tensors) nbytes += tensor.place.nbytes;
  return nbytes;
}

size_t Inventory::n_failed_files() const {
  return size_t(std::ranges::count_if(files, [](auto& file) { return file.failure != nullptr; }));
}

size_t Inventory::n_failed_tensors() const {
  return size_t(std::ranges::count_if(tensors, [](auto& row) { return row.failure != nullptr; }));
}

Inventory open_inventory(const RunOptions& options) {
  Inventory all;
  for (const std::string& path : options.paths) {
    const auto opened = std::make_shared<Inventory>();
    const bool is_open = finish_or_leave(options, [opened, path, globs = options.globs] {
      InventoryBuilder builder(globs);
      builder.add_path(path);
      *opened = builder.take();
    });
    if (is_open) {
      append(all, std::move(*opened));
    } else {
      all.files.push_back({.path = path, .failure = failure_of_end(*options.ended_by())});
    }
  }
  if (!options.globs.empty() && all.tensors.empty() && !all.has_failed()) {
    all.problems.push_back({.message = fmt::format("no tensor has a name that matches {}",
                                                   fmt::join(options.globs, " or "))});
  }
  return all;
}

FailurePtr failure_of(std::exception_ptr thrown) {
  FailurePtr failure = record_failure(std::move(thrown), {.op = "load"});
  failure->mark_observed();
  return failure;
}

FailurePtr failure_of_end(FailureKind ended_by) {
  return failure_of(std::make_exception_ptr(OperationError(ended_by, ended_text(ended_by))));
}

}  // namespace tarn::cli
