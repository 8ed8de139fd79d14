#include "tarn/io/tensor_loader.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>
#include <utility>

#include "tarn/base/ceil_div.h"
#include "tarn/graph/host_context.h"
#include "tarn/io/header_bytes.h"
#include "tarn/io/io_error.h"
#include "tarn/io/parallel_read.h"
#include "tarn/ops/build.h"

namespace tarn::io {

namespace {

// The parameters of a load node.
struct Load {
  std::shared_ptr<Reader> reader;
  std::shared_ptr<const TensorPlace> tensor;
  uint64_t begin;  // of the bytes to read, a range of the tensor's
  uint64_t nbytes;
  std::shared_ptr<TensorProgress> progress;
  std::shared_ptr<StallWatch> stalls;
  std::exception_ptr refusal = {};  // why there is nothing to read; null otherwise
};

void reverse_bytes(char* data, size_t nbytes, size_t number_nbytes) {
  for (char* number = data; number != data + nbytes; number += number_nbytes) {
    std::reverse(number, number + number_nbytes);
  }
}

// A bool with another value than these two is undefined behaviour, whatever a file says.
void make_zero_or_one(char* data, size_t nbytes) {
  for (size_t i = 0; i < nbytes; ++i) data[i] = data[i] != 0;
}

void run_load(const void* op, HostContext& context) {
  const Load& load = *static_cast<const Load*>(op);
  ReadAttempt attempt(*load.progress);
  if (load.refusal) std::rethrow_exception(load.refusal);
  const StallWatch::Reading reading(*load.stalls);
  char* data = reinterpret_cast<char*>(context.allocate(0).buffer.data());
  ReadOptions options;
  options.tensor = load.tensor->name;
  options.whole_offset = load.tensor->begin;
  options.whole_nbytes = load.tensor->nbytes;
  options.stop = context.stop();
  options.on_bytes = [&](size_t nbytes) { attempt.add_bytes(nbytes); };
  try {
    parallel_read(*load.reader, data, load.nbytes, load.begin, options);
  } catch (const OperationError& error) {
    if (error.kind() == FailureKind::cancelled) attempt.cancel();
    throw;
  }
  if (load.tensor->swap_nbytes > 1) reverse_bytes(data, load.nbytes, load.tensor->swap_nbytes);
  if (load.tensor->dtype == bool_) make_zero_or_one(data, load.nbytes);
  attempt.finish();
}

const OpClass kLoadClass{.info = {"load", "file", "A tensor of a file, read when it is needed."},
                         .family = OpFamily::host,
                         .run = run_load,
                         .may_block = true};

Stream next_load_stream() {
  // As many reads at once as a fast disk needs to be busy; each may use several threads.
  static const std::vector<Stream> streams = [] {
    const unsigned n = std::clamp(std::thread::hardware_concurrency(), 2u, 4u);
    std::vector<Stream> made;
    for (unsigned i = 0; i < n; ++i) made.push_back(new_stream(Device::cpu));
    return made;
  }();
  static std::atomic<size_t> next{0};
  return streams[next.fetch_add(1, std::memory_order_relaxed) % streams.size()];
}

Stream stream_for_load(StreamOrDevice s) {
  const bool names_stream =
      std::holds_alternative<Stream>(s) || std::holds_alternative<ThreadLocalStream>(s);
  return names_stream ? to_stream(s) : next_load_stream();
}

bool is_dimension(int64_t dim) { return dim <= std::numeric_limits<ShapeElem>::max(); }

bool fits(const TensorPlace& place) { return std::ranges::all_of(place.shape, is_dimension); }

OperationError shape_error(const TensorPlace& place, const Reader& reader) {
  IoDetails details;
  details.path = reader.label();
  details.tensor = place.name;
  return io_error("load", fmt::format("no array can have the shape {}", shape_text(place.shape)),
                  std::move(details));
}

}  // namespace

TensorPlace place_of(const SafetensorsEntry& entry) {
  return {.name = entry.name,
          .dtype = entry.dtype,
          .shape = entry.shape,
          .begin = entry.begin,
          .nbytes = entry.nbytes()};
}

TensorLoader::TensorLoader(std::shared_ptr<Reader> reader, size_t n_tensors, uint64_t nbytes,
                           StreamOrDevice s, const std::shared_ptr<ProgressTracker>& tracker)
    : reader_(std::move(reader)),
      progress_(start_file_progress(reader_->label(), n_tensors, nbytes, tracker)),
      stalls_(std::make_shared<StallWatch>(progress_)),
      stream_(std::move(s)) {}

array TensorLoader::load(TensorPlace place) const {
  if (!fits(place)) throw shape_error(place, *reader_);
  return make_array(std::move(place), nullptr);
}

array TensorLoader::load(const SafetensorsEntry& entry) const {
  TensorPlace place = place_of(entry);
  if (entry.failure) return make_array(std::move(place), entry.failure);
  if (entry.n_bits >= 8) return make_array(std::move(place), nullptr);
  int64_t& last = place.shape.back();  // whose product with n_bits the header has been checked for
  if (last * entry.n_bits % 8 == 0 || place.nbytes == 0) {
    last = ceil_div(last * entry.n_bits, 8);
    return make_array(std::move(place), nullptr);
  }
  IoDetails details;
  details.path = reader_->label();
  details.tensor = entry.name;
  const std::string text = fmt::format("the last dimension of {} of shape {} is no whole bytes",
                                       entry.dtype_name, shape_text(entry.shape));
  return make_array(std::move(place),
                    std::make_exception_ptr(io_error("load", text, std::move(details))));
}

array TensorLoader::make_array(TensorPlace place, std::exception_ptr refusal) const {
  // A tensor that fails in any case is no reason to refuse the file, whatever its shape.
  Shape shape{0};
  if (fits(place)) {
    shape = Shape(place.shape.begin(), place.shape.end());
  } else if (!refusal) {
    refusal = std::make_exception_ptr(shape_error(place, *reader_));
  }
  const auto tensor = std::make_shared<const TensorPlace>(std::move(place));
  Load load{reader_,
            tensor,
            tensor->begin,
            tensor->nbytes,
            std::make_shared<TensorProgress>(progress_, tensor->nbytes),
            stalls_,
            std::move(refusal)};
  return make_node(Op(kLoadClass, std::move(load)), stream_for_load(stream_), std::move(shape),
                   tensor->dtype);
}

TensorParts TensorLoader::parts(TensorPlace place, size_t max_part_nbytes) const {
  const size_t itemsize = place.dtype.size();
  constexpr size_t kMaxSize = std::numeric_limits<ShapeElem>::max();
  TensorParts parts;
  parts.part_nbytes_ = std::clamp<size_t>(max_part_nbytes / itemsize, 1, kMaxSize) * itemsize;
  parts.count_ = place.nbytes / parts.part_nbytes_ + (place.nbytes % parts.part_nbytes_ != 0);
  parts.count_ = std::max<size_t>(parts.count_, 1);
  parts.reader_ = reader_;
  parts.tensor_ = std::make_shared<const TensorPlace>(std::move(place));
  parts.progress_ = progress_;
  parts.stalls_ = stalls_;
  parts.unfinished_ = std::make_shared<std::atomic<size_t>>(parts.count_);
  return parts;
}

uint64_t TensorParts::nbytes(size_t i) const {
  return std::min<uint64_t>(part_nbytes_, tensor_->nbytes - i * part_nbytes_);
}

array TensorParts::load(size_t i, Stream s) const {
  Load load{reader_,
            tensor_,
            tensor_->begin + i * part_nbytes_,
            nbytes(i),
            std::make_shared<TensorProgress>(progress_, nbytes(i), unfinished_),
            stalls_};
  Shape shape{static_cast<ShapeElem>(nbytes(i) / tensor_->dtype.size())};
  return make_node(Op(kLoadClass, std::move(load)), s, std::move(shape), tensor_->dtype);
}

}  // namespace tarn::io
