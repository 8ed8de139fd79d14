// Checkpoints to try the tool on, written byte by byte: nothing of the library is used.
#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace tarn {

static_assert(std::endian::native == std::endian::little);

template <class T>
std::string bytes_of(const std::vector<T>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(T)};
}

struct FileTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};

inline FileTensor float_tensor(const std::string& name, const std::vector<float>& numbers) {
  return {name, "F32", {int64_t(numbers.size())}, bytes_of(numbers)};
}

// A directory that goes with the test.
class Directory {
 public:
  Directory() {
    std::string name = (std::filesystem::temp_directory_path() / "tarn_cli_XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  std::string path(const std::string& name = {}) const {
    return name.empty() ? path_ : path_ + "/" + name;
  }

  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path(name), std::ios::binary) << bytes;
    return path(name);
  }

  // Returns where the first tensor's bytes begin.
  uint64_t write_safetensors(const std::string& name, const std::vector<FileTensor>& tensors,
                             const nlohmann::json& metadata = nullptr) const {
    nlohmann::ordered_json header = nlohmann::ordered_json::object();
    if (!metadata.is_null()) header["__metadata__"] = metadata;
    std::string data;
    for (const FileTensor& tensor : tensors) {
      const size_t begin = data.size();
      data += tensor.bytes;
      header[tensor.name] = {
          {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
    }
    const std::string text = header.dump();
    write(name, bytes_of(std::vector<uint64_t>{text.size()}) + text + data);
    return sizeof(uint64_t) + text.size();
  }

  std::string write_index(const nlohmann::json& weight_map,
                          const nlohmann::json& metadata = nlohmann::json::object()) const {
    return write("model.safetensors.index.json",
                 nlohmann::json{{"metadata", metadata}, {"weight_map", weight_map}}.dump());
  }

  void cut(const std::string& name, uint64_t nbytes) const {
    std::filesystem::resize_file(path(name), nbytes);
  }

 private:
  std::string path_;
};

// The entry of a list of objects whose `key` is `value`; null if there is none.
inline nlohmann::json entry(const nlohmann::json& list, const char* key, const std::string& value) {
  for (const nlohmann::json& candidate : list) {
    if (candidate[key] == value) return candidate;
  }
  return nullptr;
}
inline nlohmann::json tensor(const nlohmann::json& report, const std::string& name) {
  return entry(report["tensors"], "name", name);
}

}  // namespace tarn
