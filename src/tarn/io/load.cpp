#include "tarn/io/load.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "tarn/base/error.h"
#include "tarn/io/io_error.h"
#include "tarn/io/npy_header.h"
#include "tarn/io/safetensors_header.h"
#include "tarn/io/tensor_loader.h"
#include "tarn/ops/functions.h"
#include "tarn/runtime/record_failure.h"

namespace tarn {

namespace {

std::shared_ptr<io::Reader> open_reader(std::string path) {
  auto reader = std::make_shared<io::ParallelFileReader>(std::move(path));
  reader->require_open();
  return reader;
}

std::shared_ptr<io::ProgressTracker> make_tracker(const LoadOptions& options) {
  if (!options.on_progress) return nullptr;
  return std::make_shared<io::ProgressTracker>(options.on_progress, options.progress);
}

using ArraysByName = std::unordered_map<std::string, array>;

void add_arrays(std::shared_ptr<io::Reader> reader, const io::SafetensorsHeader& header,
                StreamOrDevice s, const std::shared_ptr<io::ProgressTracker>& tracker,
                ArraysByName& arrays) {
  const io::TensorLoader loader(std::move(reader), header.tensors.size(),
                                header.data_end - header.data_begin, s, tracker);
  for (const io::SafetensorsEntry& entry : header.tensors) {
    arrays.emplace(entry.name, loader.load(entry));
  }
}

// What a caller is handed has been observed.
FailurePtr failure_of(std::exception_ptr thrown) {
  FailurePtr failure = record_failure(std::move(thrown), {.op = "load"});
  failure->mark_observed();
  return failure;
}

}  // namespace

array load(std::shared_ptr<io::Reader> in_stream, const LoadOptions& options) {
  check(in_stream != nullptr, "load", "there is no reader.");
  const io::NpyHeader header = io::read_npy_header(*in_stream);
  io::TensorPlace place{.name = {},
                        .dtype = header.dtype,
                        .shape = header.shape,
                        .begin = header.data_begin,
                        .nbytes = header.nbytes,
                        .swap_nbytes = header.swap_bytes ? header.number_nbytes() : 0};
  // The first axis varies fastest: row-major for the axes in reverse.
  if (header.fortran_order) std::ranges::reverse(place.shape);
  const io::TensorLoader loader(std::move(in_stream), 1, header.nbytes, options.stream,
                                make_tracker(options));
  array loaded = loader.load(std::move(place));
  return header.fortran_order ? transpose(loaded, loaded.node().stream) : loaded;
}
array load(std::string file, const LoadOptions& options) {
  return load(open_reader(std::move(file)), options);
}
array load(std::shared_ptr<io::Reader> in_stream, StreamOrDevice s) {
  return load(std::move(in_stream), LoadOptions{.stream = s});
}
array load(std::string file, StreamOrDevice s) {
  return load(std::move(file), LoadOptions{.stream = s});
}

SafetensorsLoad load_safetensors(std::shared_ptr<io::Reader> in_stream,
                                 const LoadOptions& options) {
  check(in_stream != nullptr, "load_safetensors", "there is no reader.");
  const auto header = io::read_safetensors_header(*in_stream, io::CutFile::refuse);
  SafetensorsLoad loaded;
  add_arrays(std::move(in_stream), header, options.stream, make_tracker(options), loaded.first);
  loaded.second.insert(header.metadata.begin(), header.metadata.end());
  return loaded;
}
SafetensorsLoad load_safetensors(const std::string& file, const LoadOptions& options) {
  std::error_code unknown;  // opening will tell
  const auto type = std::filesystem::status(file, unknown).type();
  if (type == std::filesystem::file_type::directory ||
      (type == std::filesystem::file_type::regular && file.ends_with(".json"))) {
    IoDetails details;
    details.path = file;
    throw io::io_error("load_safetensors",
                       "not one file of tensors: load_checkpoint takes directories and indexes",
                       std::move(details));
  }
  return load_safetensors(open_reader(file), options);
}
SafetensorsLoad load_safetensors(std::shared_ptr<io::Reader> in_stream, StreamOrDevice s) {
  return load_safetensors(std::move(in_stream), LoadOptions{.stream = s});
}
SafetensorsLoad load_safetensors(const std::string& file, StreamOrDevice s) {
  return load_safetensors(file, LoadOptions{.stream = s});
}

CheckpointLoad load_checkpoint(const std::string& path, const LoadOptions& options) {
  io::Checkpoint checkpoint = io::open_checkpoint(path);
  const auto tracker = make_tracker(options);
  CheckpointLoad loaded;
  loaded.metadata.insert(checkpoint.metadata.begin(), checkpoint.metadata.end());
  for (io::CheckpointShard& shard : checkpoint.shards) {
    try {
      if (shard.failure) std::rethrow_exception(shard.failure);
      ArraysByName arrays;
      add_arrays(std::move(shard.reader), *shard.header, options.stream, tracker, arrays);
      loaded.arrays.merge(arrays);
      loaded.metadata.insert(shard.header->metadata.begin(), shard.header->metadata.end());
    } catch (...) {
      loaded.failed_shards.push_back(
          {std::move(shard.path), std::move(shard.promised), failure_of(std::current_exception())});
    }
  }
  loaded.problems = std::move(checkpoint.problems);
  return loaded;
}

}  // namespace tarn
