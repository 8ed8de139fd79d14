// Lazy arrays of the tensors of a file: each is a node that reads when it is evaluated.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "tarn/graph/array.h"
#include "tarn/io/progress.h"
#include "tarn/io/reader.h"
#include "tarn/io/safetensors_header.h"
#include "tarn/io/stall_watch.h"
#include "tarn/runtime/streams.h"

namespace tarn::io {

// Where a tensor's bytes are in its source, and what they mean.
struct TensorPlace {
  std::string name = {};  // named in failures
  Dtype dtype = tarn::uint8;
  std::vector<int64_t> shape = {};
  uint64_t begin = 0;  // in bytes, from the start of the source
  uint64_t nbytes = 0;
  size_t swap_nbytes = 0;  // the size of the numbers whose bytes are to be reversed, or 0
};

TensorPlace place_of(const SafetensorsEntry& entry);

// The elements of a tensor, flat and in order, cut into parts of one length but the last. A tensor
// without elements has one part. Thread-safe.
class TensorParts {
 public:
  TensorParts() = default;  // no parts of nothing

  size_t count() const { return count_; }
  uint64_t nbytes(size_t i) const;

  // Part i, on `s`. Its failure speaks of the whole tensor.
  // Requires: no part is loaded twice, or else it counts twice.
  array load(size_t i, Stream s) const;

 private:
  friend class TensorLoader;

  std::shared_ptr<Reader> reader_;
  std::shared_ptr<const TensorPlace> tensor_;
  uint64_t part_nbytes_ = 0;
  size_t count_ = 0;
  std::shared_ptr<FileProgress> progress_;
  std::shared_ptr<StallWatch> stalls_;
  std::shared_ptr<std::atomic<size_t>> unfinished_;
};

// Makes the arrays of one source. They share the reader, which goes when the last of them has been
// computed or dropped, and count in one FileProgress. Copies are the same loader.
class TensorLoader {
 public:
  // `n_tensors` of together `nbytes` will be loaded; reports go to the open scopes of this thread
  // and to `tracker`, unless null. Nodes go to `s` if it names a stream, else in turn to a few
  // streams kept for loading, so that several tensors are read at once.
  TensorLoader(std::shared_ptr<Reader> reader, size_t n_tensors, uint64_t nbytes, StreamOrDevice s,
               const std::shared_ptr<ProgressTracker>& tracker = nullptr);

  // The tensor. Throws OperationError (io) if its shape is more than an array can have.
  // Requires: no tensor is loaded twice, or else it counts twice.
  array load(TensorPlace place) const;
  // Elements of less than 8 bits stay packed: as many bytes in the last dimension as they fill.
  // What cannot be loaded, because they do not fill the last byte or their dtype is unknown, is an
  // array of the tensor's shape, or of shape (0) if none can have that, whose evaluation fails.
  array load(const SafetensorsEntry& entry) const;

  // The tensor in parts of at most `max_part_nbytes`, or of one element. Same requirement.
  TensorParts parts(TensorPlace place, size_t max_part_nbytes) const;

 private:
  // With a `refusal`, that is what evaluating it throws.
  array make_array(TensorPlace place, std::exception_ptr refusal) const;

  std::shared_ptr<Reader> reader_;
  std::shared_ptr<FileProgress> progress_;
  std::shared_ptr<StallWatch> stalls_;
  StreamOrDevice stream_;
};

}  // namespace tarn::io
