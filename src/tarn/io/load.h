// Loading arrays from files. Nothing but headers is read here: each array reads its bytes when it
// is evaluated, on a stream kept for loading unless a stream is given. A read that fails is the
// failure of its array alone; retry reads again.
//
// What is wrong with a file or its header is an OperationError (io) of the call.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/io/checkpoint_index.h"
#include "tarn/io/progress.h"
#include "tarn/io/reader.h"
#include "tarn/runtime/streams.h"

namespace tarn {

struct LoadOptions {
  StreamOrDevice stream = {};
  // Told how far the arrays of the call have come. If it throws, they are cancelled.
  LoadProgressHandler on_progress = {};
  io::ProgressOptions progress = {};
};

// A .npy file.
array load(std::shared_ptr<io::Reader> in_stream, StreamOrDevice s = {});
array load(std::string file, StreamOrDevice s = {});
array load(std::shared_ptr<io::Reader> in_stream, const LoadOptions& options);
array load(std::string file, const LoadOptions& options);

// The arrays by name, and the metadata.
using SafetensorsLoad =
    std::pair<std::unordered_map<std::string, array>, std::unordered_map<std::string, std::string>>;

// One .safetensors file, which must not be shorter than its header says. Floats of 8 bits and less
// load as their bytes, uint8, those of less packed into the last dimension. A tensor of an unknown
// dtype, or whose last dimension is no whole bytes, is an array whose evaluation fails.
// Directories and indexes are for load_checkpoint.
SafetensorsLoad load_safetensors(std::shared_ptr<io::Reader> in_stream, StreamOrDevice s = {});
SafetensorsLoad load_safetensors(const std::string& file, StreamOrDevice s = {});
SafetensorsLoad load_safetensors(std::shared_ptr<io::Reader> in_stream, const LoadOptions& options);
SafetensorsLoad load_safetensors(const std::string& file, const LoadOptions& options);

// A checkpoint of several files, as far as it is sound.
struct CheckpointLoad {
  struct FailedShard {
    std::string path;
    std::vector<std::string> tensors;  // that the index has there
    FailurePtr failure;
  };

  std::unordered_map<std::string, array> arrays;  // of two of one name, the one in the first shard
  std::unordered_map<std::string, std::string> metadata;  // the index's, then the shards'
  std::vector<FailedShard> failed_shards;                 // that could not be opened or parsed
  std::vector<io::CheckpointProblem> problems;            // also of tensors that are nowhere
};

// A directory, an index or a single file: see io::open_checkpoint. A shard that is broken does not
// stop the others, and of one that is cut short only those arrays fail that are not all there.
CheckpointLoad load_checkpoint(const std::string& path, const LoadOptions& options = {});

}  // namespace tarn
