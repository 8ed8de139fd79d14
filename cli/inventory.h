// What the paths of a command line hold: files and tensors, the broken ones included.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/run_options.h"
#include "tarn/io/tensor_loader.h"
#include "tarn/tarn.h"

namespace tarn::cli {

struct FileRow {
  std::string path;
  std::shared_ptr<io::Reader> reader = {};  // null if it could not be opened
  uint64_t nbytes = 0;                      // of tensors
  size_t n_tensors = 0;
  std::map<std::string, std::string> metadata = {};
  FailurePtr failure = {};  // null if its header is sound
};

struct TensorRow {
  size_t file = 0;         // in Inventory::files
  std::string dtype = {};  // as the file calls it; empty if only an index knows of the tensor
  io::TensorPlace place = {};
  // Of its numbers; none if nobody can tell what they are, and only its bytes are read.
  std::optional<NumberFormat> format = NumberFormat::of_dtype;
  FailurePtr failure = {};  // null unless it could not be read
  TensorStats stats = {};   // once it has been read

  bool is_known() const { return !dtype.empty(); }
  bool has_integers() const;
};

// Something that is wrong although every file by itself is sound.
struct Problem {
  std::string file = {};    // may be empty
  std::string tensor = {};  // may be empty
  std::string message;
};

struct Inventory {
  std::vector<FileRow> files;
  std::vector<TensorRow> tensors;  // that are selected, in the order of their files
  std::vector<Problem> problems;
  std::map<std::string, std::string> metadata;  // of indices

  uint64_t nbytes() const;        // of `tensors`
  size_t n_failed_files() const;  // that have no header
  size_t n_failed_tensors() const;
  bool has_failed() const { return n_failed_files() + n_failed_tensors() > 0; }
  bool is_well() const { return !has_failed() && problems.empty(); }
};

// Reads all headers. What is wrong with a path is the failure of a file, also that the run ended
// before it was read. That no tensor has a name that was asked for is a problem.
Inventory open_inventory(const RunOptions& options);

// A record that counts as reported.
FailurePtr failure_of(std::exception_ptr thrown);
// Of what was not done because the run ended.
FailurePtr failure_of_end(FailureKind ended_by);

}  // namespace tarn::cli
