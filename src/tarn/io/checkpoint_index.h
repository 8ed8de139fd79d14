// Which files make up a checkpoint, and whether they are what its index says.
//
//   index   := { "metadata": { … "total_size": integer … }, "weight_map": { tensor: file … } }
//
// A file is a plain name, beside the index. Both members but weight_map may be absent, others are
// ignored.
#pragma once

#include <exception>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tarn/io/reader.h"
#include "tarn/io/safetensors_header.h"

namespace tarn::io {

struct CheckpointIndex {
  std::map<std::string, std::vector<std::string>> tensors_by_file;  // files as they are written
  std::map<std::string, std::string> metadata;  // values that are no strings as JSON
  std::optional<uint64_t> total_size;
  std::string bad_total_size;  // what is there instead of a number of bytes, as JSON
};

// Throws OperationError (io) that names `path` if the text is malformed.
CheckpointIndex parse_checkpoint_index(std::string_view text, const std::string& path);

// One file of a checkpoint. Either `header` is there, or `failure` says why not.
struct CheckpointShard {
  std::string name;  // without directory
  std::string path;
  std::shared_ptr<Reader> reader;  // open, if the file could be opened
  std::optional<SafetensorsHeader> header;
  std::exception_ptr failure;
  std::vector<std::string> promised;  // tensors that the index says are here, sorted
};

// Something that the shards, each sound by itself, do not agree on with the index or one another.
struct CheckpointProblem {
  enum class Kind : uint8_t {
    empty_index,       // the index names no tensor
    missing_tensor,    // the index says it is in this shard, the shard does not have it
    unlisted_tensor,   // it is in this shard, the index knows it in another or not at all
    duplicate_tensor,  // without an index: an earlier shard has it too
    unlisted_file,     // in the directory, but not in the index
    total_size,        // the tensors' bytes do not add up to it, or it is no number of bytes
  };
  Kind kind;
  std::string file;    // a shard's name; empty where it is about the index
  std::string tensor;  // empty where it is about no tensor
  std::string message;
};

struct Checkpoint {
  std::string path;                             // as given
  std::string index;                            // path of the index; empty without
  std::map<std::string, std::string> metadata;  // the index's
  std::vector<CheckpointShard> shards;          // by name
  std::vector<CheckpointProblem> problems;
};

// Opens what `path` names and reads all headers:
//  - a directory: the shards of its model.safetensors.index.json, or else of its only
//    *.safetensors.index.json, or else every *.safetensors in it,
//  - a file whose name ends in .json: the shards of that index,
//  - any other file: that safetensors file.
// What is wrong with one shard is kept there and stops no other. Throws OperationError (io) if the
// path does not exist, is a directory without safetensors files, or the index is malformed.
Checkpoint open_checkpoint(const std::string& path, CutFile cut_file = CutFile::accept);

}  // namespace tarn::io
