// tarn make-sample: a checkpoint of a language model with random weights, sharded as model hubs do
// it, to try tools and machines on.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <random>

#include "cli/commands.h"
#include "cli/inventory.h"
#include "cli/progress_bar.h"
#include "cli/report.h"
#include "cli/sample_model.h"
#include "cli/text.h"
#include "cli/workers.h"
#include "tarn/base/half.h"
#include "tarn/io/atomic_file.h"
#include "tarn/io/safetensors_header.h"

namespace tarn::cli {

namespace {

unsigned char to_float8_e4m3(float value) {
  const auto sign = static_cast<unsigned char>(std::signbit(value) ? 0x80 : 0);
  constexpr float kLargest = 448;
  const float magnitude = std::min(std::fabs(value), kLargest);
  if (magnitude < 0x1p-6f) return sign | static_cast<unsigned char>(magnitude * 0x1p9f + 0.5f);
  int exponent = 0;
  const float fraction = std::frexp(magnitude, &exponent);       // in [0.5, 1)
  const auto mantissa = static_cast<int>(fraction * 16 + 0.5f);  // 8 to 16
  return sign | static_cast<unsigned char>(std::min(((exponent + 6) << 3) + mantissa - 8, 0x7e));
}

int8_t to_int8(float value) {
  return static_cast<int8_t>(std::lrint(std::clamp(value, -127.0f, 127.0f)));
}

// Random numbers are picked from a table of normal ones: as fast as memory, and nobody who looks at
// weights sees the difference.
class NormalTable {
 public:
  static constexpr size_t kSize = 1 << 16;

  explicit NormalTable(uint64_t seed) : values_(kSize) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> normal;
    // Each with its negative, so that the mean is exactly 0.
    for (size_t i = 0; i < kSize; i += 2) {
      values_[i] = normal(engine);
      values_[i + 1] = -values_[i];
    }
  }

  template <class E, class Convert>
  std::vector<E> mapped(Convert convert) const {
    std::vector<E> table(kSize);
    std::transform(values_.begin(), values_.end(), table.begin(), convert);
    return table;
  }

 private:
  std::vector<float> values_;
};

// Sebastiano Vigna's SplitMix64: four table indices from each call.
class SplitMix64 {
 public:
  explicit SplitMix64(uint64_t seed) : state_(seed) {}

  uint64_t operator()() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  uint64_t state_;
};

class SampleWriter {
 public:
  SampleWriter(const SampleOptions& sample, const RunOptions& options)
      : sample_(sample),
        options_(options),
        bar_("writing"),
        normal_(sample.seed),
        tensors_(sample_model(uint64_t(sample.gib * 0x1p30))) {
    for (const SampleTensor& tensor : tensors_) total_ += tensor.nbytes();
  }

  // Leaves no files when it fails.
  void write() {
    prepare_directory();
    try {
      write_files();
    } catch (...) {
      std::error_code error;  // the failure is the one to report
      for (const std::string& path : committed_) std::filesystem::remove(path, error);
      throw;
    }
  }

  std::string summary() const {
    return fmt::format("{}: {}, {}", sample_.directory, quantity_text(tensors_.size(), "tensor"),
                       bytes_text(total_));
  }

 private:
  void write_files() {
    const std::vector<size_t> ends = cut_into_shards();
    std::atomic<size_t> next{0};
    run_on_threads(options_.n_workers(), [&] {
      for (size_t shard = next++; shard < ends.size(); shard = next++) {
        const size_t begin = shard == 0 ? 0 : ends[shard - 1];
        if (!try_shard(begin, ends[shard], shard, ends.size())) next = ends.size();
      }
    });
    if (failure_) std::rethrow_exception(failure_);
    // Last: a checkpoint without its index is one that is not finished.
    write_index(ends);
  }

  void prepare_directory() const {
    std::filesystem::create_directories(sample_.directory);
    if (!std::filesystem::is_empty(sample_.directory)) {
      throw std::runtime_error(fmt::format("{} is not empty", sample_.directory));
    }
  }

  // Behind which tensor each shard ends.
  std::vector<size_t> cut_into_shards() const {
    constexpr uint64_t kUsualShard = uint64_t{2} << 30;
    const uint64_t wanted = sample_.n_shards > 0 ? uint64_t(sample_.n_shards)
                                                 : std::max<uint64_t>(3, total_ / kUsualShard);
    const uint64_t n_shards = std::min<uint64_t>(wanted, tensors_.size());
    std::vector<size_t> ends;
    uint64_t nbytes = 0;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      nbytes += tensors_[i].nbytes();
      const size_t n_left = tensors_.size() - i - 1;
      const bool is_full = nbytes >= total_ / n_shards * (ends.size() + 1);
      const bool must_end = n_left < n_shards - ends.size();
      if (ends.size() + 1 < n_shards && (is_full || must_end)) ends.push_back(i + 1);
    }
    ends.push_back(tensors_.size());
    return ends;
  }

  std::string shard_name(size_t shard, size_t n_shards) const {
    return fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, n_shards);
  }

  bool try_shard(size_t begin, size_t end, size_t shard, size_t n_shards) {
    try {
      write_shard(begin, end, shard_name(shard, n_shards));
      return true;
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
      return false;
    }
  }

  void write_shard(size_t begin, size_t end, const std::string& name) {
    std::vector<io::SafetensorsSpec> specs;
    for (size_t i = begin; i < end; ++i) specs.push_back(tensors_[i].spec);
    io::AtomicFile file((std::filesystem::path(sample_.directory) / name).string());
    const std::string header = io::compose_safetensors_header(specs, {{"format", "pt"}});
    file.write(header.data(), header.size());
    for (size_t i = begin; i < end; ++i) write_tensor(file, i);
    commit(file);
  }

  // A commit may fail after the file has got its name.
  void commit(io::AtomicFile& file) {
    {
      const std::lock_guard lock(mutex_);
      committed_.push_back(file.label());
    }
    file.commit();
  }

  void write_tensor(io::AtomicFile& file, size_t i) {
    switch (tensors_[i].spec.dtype.val()) {
      case Dtype::Val::uint8:
        return write_numbers(file, i, to_float8_e4m3);
      case Dtype::Val::int8:
        return write_numbers(file, i, to_int8);
      case Dtype::Val::float16:
        return write_numbers(file, i, [](float x) { return float16_t(x); });
      case Dtype::Val::bfloat16:
        return write_numbers(file, i, [](float x) { return bfloat16_t(x); });
      default:
        return write_numbers(file, i, [](float x) { return x; });
    }
  }

  // The weights depend on the seed and the tensor only, not on shards or threads.
  template <class Convert>
  void write_numbers(io::AtomicFile& file, size_t i, Convert convert) {
    using E = decltype(convert(0.0f));
    const auto mean = float(tensors_[i].mean), scale = float(tensors_[i].scale);
    const std::vector<E> table =
        normal_.mapped<E>([&](float x) { return convert(mean + scale * x); });
    SplitMix64 random(sample_.seed ^ (0xd1342543de82ef95 * (i + 1)));
    constexpr size_t kChunk = (1 << 20) / sizeof(E);
    std::vector<E> numbers(kChunk);
    for (uint64_t left = tensors_[i].nbytes() / sizeof(E); left > 0;) {
      if (options_.ended_by()) throw std::runtime_error(ended_text(*options_.ended_by()));
      for (size_t j = 0; j < kChunk; j += 4) {
        const uint64_t bits = random();
        for (size_t k = 0; k < 4; ++k) numbers[j + k] = table[bits >> (16 * k) & 0xffff];
      }
      const size_t n = std::min<uint64_t>(left, kChunk);
      file.write(reinterpret_cast<const char*>(numbers.data()), n * sizeof(E));
      left -= n;
      add_progress(n * sizeof(E));
    }
  }

  void add_progress(uint64_t nbytes) {
    const std::lock_guard lock(mutex_);
    constexpr uint64_t kStep = 16 << 20;
    const uint64_t before = std::exchange(written_, written_ + nbytes);
    if (before / kStep != written_ / kStep) bar_.show(written_, total_);
  }

  void write_index(const std::vector<size_t>& ends) {
    Json index{{"metadata", {{"total_size", total_}}}, {"weight_map", Json::object()}};
    std::map<std::string, std::string> map;
    for (size_t i = 0, shard = 0; i < tensors_.size(); ++i) {
      shard += i == ends[shard];
      map[tensors_[i].spec.name] = shard_name(shard, ends.size());
    }
    index["weight_map"] = map;
    const std::string text = index.dump(2) + "\n";
    const auto path = std::filesystem::path(sample_.directory) / "model.safetensors.index.json";
    io::AtomicFile file(path.string());
    file.write(text.data(), text.size());
    commit(file);
  }

  const SampleOptions& sample_;
  const RunOptions& options_;
  ProgressBar bar_;
  const NormalTable normal_;
  const std::vector<SampleTensor> tensors_;
  uint64_t total_ = 0;
  std::mutex mutex_;  // guards what follows, and the bar
  uint64_t written_ = 0;
  std::vector<std::string> committed_;  // paths
  std::exception_ptr failure_;
};

}  // namespace

int run_make_sample(const SampleOptions& sample, const RunOptions& options) {
  std::string summary;
  {
    SampleWriter writer(sample, options);
    writer.write();
    summary = writer.summary();
  }
  fmt::print("{}\n", summary);
  return kAllWell;
}

}  // namespace tarn::cli
