#include "tarn/io/checkpoint_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "tarn/io/header_bytes.h"
#include "tarn/io/io_error.h"
#include "tarn/io/strict_json.h"

namespace tarn::io {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr uint64_t kMaxIndexNbytes = 100'000'000;
constexpr size_t kMaxDepth = 32;
constexpr std::string_view kIndexSuffix = ".safetensors.index.json";
constexpr std::string_view kShardSuffix = ".safetensors";

[[noreturn]] void fail(const std::string& path, std::string_view text, int error_number = 0) {
  IoDetails details;
  details.path = path;
  details.error_number = error_number;
  throw io_error("load", text, std::move(details));
}

CheckpointIndex read_index(const std::string& path) {
  ParallelFileReader reader(path);
  reader.require_open();
  const uint64_t nbytes = reader.size().value_or(0);
  if (nbytes > kMaxIndexNbytes) {
    fail(path, fmt::format("the index is larger than {} bytes", kMaxIndexNbytes));
  }
  std::string text;
  append_from(reader, text, nbytes, "load");
  return parse_checkpoint_index(text, path);
}

// Whether a file of this name can only be beside the index.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kSeparators("/\0", 2);
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(kSeparators) == name.npos;
}

CheckpointShard open_shard(const fs::path& directory, const std::string& name, CutFile cut_file) {
  CheckpointShard shard;
  shard.name = name;
  try {
    shard.path = (directory / name).string();
    auto reader = std::make_shared<ParallelFileReader>(shard.path);
    reader->require_open();
    shard.reader = reader;
    shard.header = read_safetensors_header(*reader, cut_file);
  } catch (...) {
    shard.failure = std::current_exception();
  }
  return shard;
}

// A shard that would not be beside the index is not opened.
CheckpointShard shard_elsewhere(const std::string& index, const std::string& name) {
  CheckpointShard shard;
  shard.name = name;
  shard.path = index;
  try {
    fail(index, fmt::format("names a file that is not beside it, {}", json(name).dump()));
  } catch (...) {
    shard.failure = std::current_exception();
  }
  return shard;
}

std::vector<std::string> names_ending(const std::string& directory, std::string_view suffix) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (name.ends_with(suffix)) names.push_back(std::move(name));
  }
  if (error) fail(directory, "cannot list the directory", error.value());
  std::ranges::sort(names);
  return names;
}

// The index of a directory, empty if it has none.
std::string find_index(const std::string& directory) {
  const std::vector<std::string> names = names_ending(directory, kIndexSuffix);
  const std::string usual = "model" + std::string(kIndexSuffix);
  if (std::ranges::find(names, usual) != names.end()) return (fs::path(directory) / usual).string();
  return names.size() == 1 ? (fs::path(directory) / names[0]).string() : std::string();
}

using Kind = CheckpointProblem::Kind;

// Compares what the index promises of a shard with what its header has.
void compare_with_index(const CheckpointShard& shard, std::vector<CheckpointProblem>& problems) {
  if (!shard.header) return;
  std::set<std::string_view> present;
  for (const SafetensorsEntry& entry : shard.header->tensors) {
    present.insert(entry.name);
    if (std::ranges::binary_search(shard.promised, entry.name)) continue;
    problems.push_back({Kind::unlisted_tensor, shard.name, entry.name,
                        "is in the file, but the index does not have it there"});
  }
  for (const std::string& name : shard.promised) {
    if (present.contains(name)) continue;
    problems.push_back(
        {Kind::missing_tensor, shard.name, name, "is not in the file, where the index has it"});
  }
}

void find_duplicates(const std::vector<CheckpointShard>& shards,
                     std::vector<CheckpointProblem>& problems) {
  std::unordered_map<std::string_view, std::string_view> first_file;
  for (const CheckpointShard& shard : shards) {
    if (!shard.header) continue;
    for (const SafetensorsEntry& entry : shard.header->tensors) {
      const auto [it, is_new] = first_file.emplace(entry.name, shard.name);
      if (is_new) continue;
      problems.push_back({Kind::duplicate_tensor, shard.name, entry.name,
                          fmt::format("is in {} too", it->second)});
    }
  }
}

void check_total_size(const std::vector<CheckpointShard>& shards, uint64_t promised,
                      std::vector<CheckpointProblem>& problems) {
  uint64_t total = 0;
  for (const CheckpointShard& shard : shards) {
    if (!shard.header) return;  // unknown
    total += shard.header->data_end - shard.header->data_begin;
  }
  if (total == promised) return;
  problems.push_back(
      {Kind::total_size, "", "",
       fmt::format("the tensors have {} bytes, the index says {}", total, promised)});
}

void open_indexed(Checkpoint& checkpoint, CutFile cut_file) {
  CheckpointIndex index = read_index(checkpoint.index);
  const fs::path directory = fs::path(checkpoint.index).parent_path();
  if (index.tensors_by_file.empty()) {
    checkpoint.problems.push_back({Kind::empty_index, "", "", "weight_map is empty"});
  }
  for (auto& [file, tensors] : index.tensors_by_file) {
    checkpoint.shards.push_back(is_plain_name(file) ? open_shard(directory, file, cut_file)
                                                    : shard_elsewhere(checkpoint.index, file));
    std::ranges::sort(tensors);
    checkpoint.shards.back().promised = std::move(tensors);
    compare_with_index(checkpoint.shards.back(), checkpoint.problems);
  }
  checkpoint.metadata = std::move(index.metadata);
  if (index.total_size) {
    check_total_size(checkpoint.shards, *index.total_size, checkpoint.problems);
  } else if (!index.bad_total_size.empty()) {
    checkpoint.problems.push_back(
        {Kind::total_size, "", "",
         fmt::format("total_size is {}, which is no number of bytes", index.bad_total_size)});
  }
}

void open_directory(Checkpoint& checkpoint, CutFile cut_file) {
  const std::vector<std::string> files = names_ending(checkpoint.path, kShardSuffix);
  checkpoint.index = find_index(checkpoint.path);
  if (!checkpoint.index.empty()) {
    open_indexed(checkpoint, cut_file);
    for (const std::string& file : files) {
      if (std::ranges::find(checkpoint.shards, file, &CheckpointShard::name) !=
          checkpoint.shards.end()) {
        continue;
      }
      checkpoint.problems.push_back(
          {Kind::unlisted_file, file, "", "is in the directory, but not in the index"});
    }
    return;
  }
  if (files.empty()) fail(checkpoint.path, "the directory has no .safetensors file");
  for (const std::string& file : files) {
    checkpoint.shards.push_back(open_shard(checkpoint.path, file, cut_file));
  }
  find_duplicates(checkpoint.shards, checkpoint.problems);
}

// Nothing if it is no number of bytes. Some writers have floats.
std::optional<uint64_t> total_size(const json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  const double number = value.is_number() ? value.get<double>() : -1;
  if (number < 0 || number >= 0x1p64 || number != std::floor(number)) return std::nullopt;
  return static_cast<uint64_t>(number);
}

}  // namespace

CheckpointIndex parse_checkpoint_index(std::string_view text, const std::string& path) {
  ParsedJson parsed;
  try {
    parsed = parse_strict_json(text, kMaxDepth);
  } catch (const JsonError& error) {
    fail(path, fmt::format("the index {}, at byte {}", error.what(), error.position()));
  }
  const json& root = *parsed;
  if (!root.is_object() || !root.contains("weight_map") || !root["weight_map"].is_object()) {
    fail(path, "the index has no object \"weight_map\"");
  }

  CheckpointIndex index;
  for (const auto& [tensor, file] : root["weight_map"].items()) {
    if (!file.is_string()) {
      fail(path, fmt::format("weight_map gives \"{}\" something that is not a file name", tensor));
    }
    index.tensors_by_file[file.get_ref<const std::string&>()].push_back(tensor);
  }
  if (!root.contains("metadata") || !root["metadata"].is_object()) return index;
  for (const auto& [key, value] : root["metadata"].items()) {
    index.metadata[key] = value.is_string() ? value.get<std::string>() : value.dump();
    if (key != "total_size") continue;
    index.total_size = total_size(value);
    if (!index.total_size) index.bad_total_size = value.dump();
  }
  return index;
}

Checkpoint open_checkpoint(const std::string& path, CutFile cut_file) {
  Checkpoint checkpoint;
  checkpoint.path = path;
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    fail(path, "cannot open", error ? error.value() : ENOENT);
  } else if (fs::is_directory(status)) {
    open_directory(checkpoint, cut_file);
  } else if (path.ends_with(".json")) {
    checkpoint.index = path;
    open_indexed(checkpoint, cut_file);
  } else {
    const fs::path file(path);
    checkpoint.shards.push_back(open_shard(file.parent_path(), file.filename().string(), cut_file));
  }
  return checkpoint;
}

}  // namespace tarn::io
