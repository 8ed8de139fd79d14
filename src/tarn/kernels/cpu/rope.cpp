#include "tarn/kernels/cpu/rope.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/rope_kernels.h"
#include "tarn/kernels/cpu/row_walk.h"

TARN_DECLARE_ISA_FUNCTION(add_rope_kernels, RopeKernels)

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 32 << 10;
// Of a block of positions, whose cosines and sines serve so many rows at once that finding them
// takes no time beside turning these.
constexpr int64_t kElementsPerUnit = 256 << 10;
// Cosines of a block: with the sines, they stay in the first-level cache.
constexpr int64_t kTable = 2048;
constexpr int64_t kMaxChunk = int64_t{kMaxAngles};
constexpr int64_t kPadding = 16;
constexpr int64_t kStagedBytes = 8 << 10;

const RopeKernels& rope_kernels() {
  static const RopeKernels chosen = [] {
    RopeKernels made{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_rope_kernels, made);
    return made;
  }();
  return chosen;
}

// A unit of work is a block of positions in some of the rows that have them in common, which are
// called heads: those of one index along the first axis, or all if there is one offset.
class Rope {
 public:
  Rope(const ops::Rope& op, const View& x, const View& offset, const View* freqs, const View& out)
      : op_(op),
        x_(with_dense_rows(x, out)),
        offset_(offset),
        freqs_(freqs),
        out_(out),
        n_features_(x.shape[x.ndim - 1]),
        n_positions_(x.shape[x.ndim - 2]),
        n_batches_(offset.size),
        n_angles_(op.traditional ? op.dims : op.dims / 2),
        chunk_(std::min(n_angles_, kMaxChunk)),
        chunk_stride_((chunk_ + kPadding - 1) / kPadding * kPadding),
        streams_(streams_to(out, x_) && chunk_ == n_angles_ &&
                 n_features_ * x.itemsize() <= kStagedBytes) {
    const int head_axis = n_batches_ == 1 ? 0 : 1;
    head_shape_ = {x_.shape + head_axis, size_t(x.ndim - 2 - head_axis)};
    head_strides_ = x_.strides + head_axis;
    for (int32_t dim : head_shape_) n_heads_ *= dim;
    block_ = std::min(n_positions_, kTable / chunk_stride_);
    heads_ = std::clamp<int64_t>(kElementsPerUnit / (block_ * n_features_), 1, n_heads_);
    const int dtype = int(x.dtype.val());
    const RopeKernels& table = rope_kernels();
    angles_ = table.angles[int(x.dtype == float64 ? float64.val() : float32.val())];
    turn_ = (op.traditional ? table.turn_neighbours : table.turn_apart)[dtype];
  }

  void run() const {
    const int64_t n_blocks = (n_positions_ + block_ - 1) / block_;
    const int64_t n_groups = (n_heads_ + heads_ - 1) / heads_;
    parallel_ranges(
        n_batches_ * n_blocks * n_groups,
        std::max<int64_t>(1, kElementsPerRange / (block_ * heads_ * n_features_)),
        [&](RangeQueue& queue) {
          Scratch scratch;
          for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
            for (int64_t unit = range.begin; unit < range.end; ++unit) {
              const int64_t block = unit / n_groups % n_blocks * block_;
              const int64_t head = unit % n_groups * heads_;
              turn_rows(scratch,
                        {unit / n_groups / n_blocks, head, std::min(head + heads_, n_heads_), block,
                         std::min(block + block_, n_positions_)});
            }
          }
          stream_fence();
        });
  }

 private:
  struct Scratch {
    alignas(64) double frequencies[kMaxChunk] = {};
    alignas(64) char cosines[kTable * 8];
    alignas(64) char sines[kTable * 8];
    alignas(64) char staged[kStagedBytes];
  };
  struct Unit {
    int64_t batch, first_head, end_head, first_position, end_position;
  };

  void turn_rows(Scratch& scratch, const Unit& unit) const {
    const int64_t table_row = chunk_stride_ * (x_.dtype == float64 ? 8 : 4);
    for (int64_t begin = 0; begin < n_angles_; begin += chunk_) {
      const int64_t n = std::min(chunk_, n_angles_ - begin);
      find_angles(scratch, unit, begin, n, table_row);
      StridedIndex<1> heads(head_shape_, {head_strides_});
      heads.seek(unit.first_head);
      for (int64_t head = unit.first_head; head < unit.end_head; ++head, heads.next()) {
        const int64_t first = heads.offset(0) + (n_batches_ > 1 ? unit.batch * x_.strides[0] : 0);
        for (int64_t i = unit.first_position; i < unit.end_position; ++i) {
          const int64_t row = (unit.batch * n_heads_ + head) * n_positions_ + i;
          const int64_t entry = (i - unit.first_position) * table_row;
          turn_row(scratch, first + i * x_.strides[x_.ndim - 2], row * n_features_, begin, n,
                   entry);
        }
      }
    }
  }

  // The n angles from number `begin` on, for each position of the unit.
  void find_angles(Scratch& scratch, const Unit& unit, int64_t begin, int64_t n,
                   int64_t table_row) const {
    for (int64_t i = 0; i < n; ++i) {
      if (!op_.traditional) {
        scratch.frequencies[i] = frequency(begin + i);
      } else if (i % 2 == 0) {
        // Both of a pair have their own angle, and the sine that the other one is multiplied by.
        scratch.frequencies[i + 1] = frequency((begin + i) / 2);
        scratch.frequencies[i] = -scratch.frequencies[i + 1];
      }
    }
    const int64_t offset =
        offset_.as<int64_t>()[n_batches_ > 1 ? unit.batch * offset_.strides[0] : 0];
    for (int64_t i = unit.first_position; i < unit.end_position; ++i) {
      const int64_t entry = (i - unit.first_position) * table_row;
      angles_((double(offset) + double(i)) * double(op_.scale), scratch.frequencies, size_t(n),
              scratch.cosines + entry, scratch.sines + entry);
    }
  }

  double frequency(int64_t pair) const {
    if (freqs_ != nullptr) return 1 / double(freqs_->as<float>()[pair * freqs_->strides[0]]);
    return std::exp(-2 * std::log(double(op_.base)) / op_.dims * double(pair));
  }

  void turn_row(Scratch& scratch, int64_t from, int64_t to, int64_t begin, int64_t n,
                int64_t entry) const {
    const int64_t size = x_.itemsize();
    const char* const x = x_.as<const char>() + from * size;
    char* const result = out_.as<char>() + to * size;
    char* const y = streams_ ? scratch.staged : result;
    turn_(x + begin * size, size_t(op_.dims / 2), scratch.cosines + entry, scratch.sines + entry,
          y + begin * size, size_t(n));
    if (begin == 0 && y != x) {
      std::memcpy(y + op_.dims * size, x + op_.dims * size,
                  size_t((n_features_ - op_.dims) * size));
    }
    if (streams_) stream_copy(result, y, size_t(n_features_ * size), x + n_features_ * size);
  }

  const ops::Rope& op_;
  const View x_;
  const View& offset_;
  const View* const freqs_;
  const View& out_;
  const int64_t n_features_;
  const int64_t n_positions_;
  const int64_t n_batches_;
  const int64_t n_angles_;  // of a position
  const int64_t chunk_;     // of these at once
  const int64_t chunk_stride_;
  const bool streams_;
  std::span<const int32_t> head_shape_;
  const int64_t* head_strides_;
  int64_t n_heads_ = 1;
  int64_t block_;  // positions of a unit
  int64_t heads_;  // and heads
  AngleFunctions angles_;
  PairTurner turn_;
};

}  // namespace

void rope(const ops::Rope& op, const View& x, const View& offset, const View* freqs,
          const View& out) {
  if (x.size > 0) Rope(op, x, offset, freqs, out).run();
}

}  // namespace tarn::cpu
