#include "cli/scan.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <mutex>

#include "cli/progress_bar.h"
#include "cli/workers.h"

namespace tarn::cli {

namespace {

using Clock = std::chrono::steady_clock;

// A part is read into memory that the part before it has left in the cache: past a core's share of
// that, reading and computing take turns at the memory.
constexpr uint64_t kPartNbytes = 512 << 10;
// An evaluation has many parts: waking a thread for it costs as much as reading a few hundred KiB.
constexpr uint64_t kBatchNbytes = 64 << 20;

// One part of one tensor.
struct Piece {
  size_t tensor;
  size_t part;
  TensorStats stats = {};
  FailurePtr failure = nullptr;
  bool is_done = false;
};

// Hands out pieces in the order of the files, some MiB at a time, never of two files at once.
class PieceQueue {
 public:
  PieceQueue(std::vector<Piece>& pieces, const Inventory& inventory,
             const std::vector<io::TensorParts>& parts, uint64_t batch_nbytes, size_t batch_size)
      : pieces_(pieces),
        inventory_(inventory),
        parts_(parts),
        batch_nbytes_(batch_nbytes),
        batch_size_(batch_size) {}

  // Empty when there is no more.
  std::span<Piece> next() {
    const std::lock_guard lock(mutex_);
    const size_t begin = next_;
    uint64_t nbytes = 0;
    while (next_ < pieces_.size() && next_ - begin < batch_size_ && nbytes < batch_nbytes_ &&
           file(next_) == file(begin)) {
      nbytes += parts_[pieces_[next_].tensor].nbytes(pieces_[next_].part);
      ++next_;
    }
    return {pieces_.data() + begin, next_ - begin};
  }

 private:
  size_t file(size_t piece) const { return inventory_.tensors[pieces_[piece].tensor].file; }

  std::vector<Piece>& pieces_;
  const Inventory& inventory_;
  const std::vector<io::TensorParts>& parts_;
  const uint64_t batch_nbytes_;
  const size_t batch_size_;
  std::mutex mutex_;
  size_t next_ = 0;
};

class Scan {
 public:
  Scan(Inventory& inventory, const RunOptions& options, const char* what)
      : inventory_(inventory), options_(options), n_workers_(options.n_workers()), bar_(what) {
    open_tensors(part_nbytes());
  }
  // A read that was cancelled may end later, and report until then.
  ~Scan() { tracker_->close(); }

  ScanResult run() {
    const Clock::time_point start = Clock::now();
    PieceQueue queue(pieces_, inventory_, parts_, batch_nbytes(), batch_size());
    run_on_threads(n_workers_, [&] { work(queue); });
    ScanResult result;
    result.ended_by = options_.ended_by();
    collect(result);
    result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return result;
  }

 private:
  // Each worker has a part in memory; half of what is allowed is left to everything else.
  size_t part_nbytes() const {
    return size_t(std::clamp<uint64_t>(worker_share(), 1 << 10, kPartNbytes));
  }
  uint64_t worker_share() const { return options_.memory_limit.value_or(~0ull) / (2 * n_workers_); }
  // So few that their results take no more than a quarter of what is allowed.
  size_t batch_size() const {
    constexpr uint64_t kResultNbytes = 128;  // as much as an allocation may take for one
    return size_t(std::max<uint64_t>(worker_share() / (2 * kResultNbytes), 1));
  }
  // Small enough for all workers to end at about the same time.
  uint64_t batch_nbytes() const {
    return std::clamp<uint64_t>(inventory_.nbytes() / (8 * n_workers_), kPartNbytes, kBatchNbytes);
  }

  void open_tensors(size_t part_nbytes) {
    struct Selected {
      size_t n = 0;
      uint64_t nbytes = 0;
    };
    std::vector<Selected> selected(inventory_.files.size());
    for (const TensorRow& row : inventory_.tensors) {
      if (row.failure) continue;
      ++selected[row.file].n;
      selected[row.file].nbytes += row.place.nbytes;
    }
    std::vector<std::optional<io::TensorLoader>> loaders(inventory_.files.size());
    for (size_t i = 0; i < inventory_.files.size(); ++i) {
      const FileRow& file = inventory_.files[i];
      if (!file.reader || file.failure || selected[i].n == 0) continue;
      loaders[i].emplace(file.reader, selected[i].n, selected[i].nbytes, StreamOrDevice{},
                         tracker_);
    }
    parts_.reserve(inventory_.tensors.size());
    for (size_t i = 0; i < inventory_.tensors.size(); ++i) {
      const TensorRow& row = inventory_.tensors[i];
      parts_.emplace_back();
      if (row.failure) continue;
      parts_.back() = loaders[row.file]->parts(row.place, part_nbytes);
      for (size_t part = 0; part < parts_[i].count(); ++part) pieces_.push_back({i, part});
    }
  }

  // A part is read and reduced on one stream, so by one core, before the next is read.
  void work(PieceQueue& queue) {
    const Stream stream = default_stream(Device::cpu);
    while (!options_.ended_by()) {
      const std::span<Piece> pieces = queue.next();
      if (pieces.empty()) return;
      try {
        evaluate(pieces, stream);
      } catch (...) {
        // Not the work failed, but asking for it: there is no memory for nodes, or no thread.
        const FailurePtr failure = failure_of(std::current_exception());
        for (Piece& piece : pieces) piece.failure = failure;
      }
    }
  }

  void evaluate(std::span<Piece> pieces, Stream stream) {
    std::vector<array> results;
    results.reserve(pieces.size());
    for (const Piece& piece : pieces) {
      const NumberFormat format =
          inventory_.tensors[piece.tensor].format.value_or(NumberFormat::of_dtype);
      results.push_back(
          tensor_stats(parts_[piece.tensor].load(piece.part, stream), format, stream));
    }
    const EvalReport report =
        try_eval(results, {.deadline = options_.deadline, .stop = options_.stop});
    for (size_t i = 0; i < pieces.size(); ++i) {
      pieces[i].failure = report.arrays[i].failure;
      pieces[i].is_done = report.arrays[i].status == array::Status::available;
      if (pieces[i].is_done) {
        std::memcpy(static_cast<void*>(&pieces[i].stats), results[i].data<double>(),
                    sizeof(TensorStats));
      }
    }
  }

  // Parts are added up in order, so that the result does not depend on threads.
  void collect(ScanResult& result) {
    const FailurePtr not_read = result.ended_by ? failure_of_end(*result.ended_by) : nullptr;
    for (const Piece& piece : pieces_) {
      TensorRow& row = inventory_.tensors[piece.tensor];
      if (piece.is_done) {
        if (row.format) row.stats.add(piece.stats);
        result.nbytes_read += parts_[piece.tensor].nbytes(piece.part);
      } else if (!row.failure) {
        row.failure = piece.failure ? piece.failure : not_read;
      }
    }
  }

  Inventory& inventory_;
  const RunOptions& options_;
  const size_t n_workers_;
  ProgressBar bar_;
  // Reports of several files come from several threads, but one at a time.
  const std::shared_ptr<io::ProgressTracker> tracker_ = std::make_shared<io::ProgressTracker>(
      [this](const LoadProgress& progress) {
        bar_.show(progress.all.bytes_done, progress.all.bytes_total,
                  progress.state == LoadState::stalled);
      },
      io::ProgressOptions{.min_interval = std::chrono::milliseconds(100)});
  std::vector<io::TensorParts> parts_;  // by tensor
  std::vector<Piece> pieces_;
};

}  // namespace

ScanResult scan(Inventory& inventory, const RunOptions& options, const char* what) {
  return Scan(inventory, options, what).run();
}

}  // namespace tarn::cli
