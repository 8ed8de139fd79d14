#include "tarn/kernels/cpu/conv_depthwise.h"

#include <cassert>
#include <vector>

#include "tarn/base/ceil_div.h"
#include "tarn/kernels/cpu/conv_depthwise_kernels.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"

TARN_DECLARE_ISA_FUNCTION(add_depthwise_kernels, DepthwiseKernels)

namespace tarn::cpu {

namespace {

// Multiplications that a range of work should have.
constexpr int64_t kMinWork = 256 << 10;

// Weights with the channels last, and adjacent.
Scratch transpose_weights(const ConvProblem& p, const AllocateScratch& allocate) {
  Layout layout = weight_layout(p);
  const int order[] = {4, 1, 2, 3, 0};
  layout = permute(layout, order);
  Scratch memory = allocate(size_of_shape(layout.shape) * p.dtype.size());
  const Layout dense = row_major(layout.shape);
  copy(view_of(layout, p.weights, p.dtype), view_of(dense, memory.get(), p.dtype));
  return memory;
}

// Each channel of the input as many times as it has channels of the output.
Scratch repeat_channels(ConvProblem& p, const AllocateScratch& allocate) {
  Layout layout = input_layout(p);
  layout.shape.push_back(static_cast<ShapeElem>(p.out_channels));
  layout.strides.push_back(0);
  Scratch memory = allocate(size_of_shape(layout.shape) * p.dtype.size());
  const Layout dense = row_major(layout.shape);
  copy(view_of(layout, p.in, p.dtype), view_of(dense, memory.get(), p.dtype));
  p.in = static_cast<const char*>(memory.get());
  p.in_image = dense.strides[0];
  for (int i = 0; i < ConvProblem::kAxes; ++i) p.axes[i].in_step = dense.strides[size_t(i) + 1];
  p.in_channel = 1;
  p.groups *= p.out_channels;
  p.out_channels = 1;
  return memory;
}

// Lines of places along the last axis, each cut into pieces.
class DepthwiseConvolution {
 public:
  // Requires: channels of the input are adjacent. `weights` have the channels last.
  DepthwiseConvolution(const ConvProblem& p, const void* weights)
      : p_(p),
        weights_(static_cast<const char*>(weights)),
        itemsize_(p.dtype.size()),
        n_lines_(p.images * p.axes[0].out * p.axes[1].out),
        kernel_(depthwise_kernels().of_dtype[int(p.dtype.val())]) {
    const int64_t work = p.groups * p.taps();  // of a place
    piece_ =
        std::clamp(ceil_div(kMinWork, work), std::min<int64_t>(16, p.axes[2].out), p.axes[2].out);
    n_pieces_ = ceil_div(p.axes[2].out, piece_);
    grain_ = ceil_div(kMinWork, work * piece_);
  }

  void run() const {
    parallel_ranges(n_lines_ * n_pieces_, grain_, [&](RangeQueue& queue) {
      Lines lines;
      lines.in.reserve(size_t(p_.axes[0].taps * p_.axes[1].taps));
      lines.weights.reserve(lines.in.capacity());
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        for (int64_t i = r.begin; i < r.end; ++i) {
          const int64_t first = i % n_pieces_ * piece_;
          run_piece(i / n_pieces_, {first, std::min(first + piece_, p_.axes[2].out)}, lines);
        }
      }
    });
  }

 private:
  // The lines of the input that the taps of a line of places meet, at their first element, and
  // those taps.
  struct Lines {
    std::vector<const void*> in, weights;
  };

  void run_piece(int64_t line, Range places, Lines& lines) const {
    const auto& [outer, middle, inner] = p_.axes;
    const int64_t place[] = {line / middle.out % outer.out, line % middle.out};
    const int64_t image = line / middle.out / outer.out;
    find_lines(image, place[0], place[1], lines);
    char* const out =
        p_.out +
        (image * p_.out_image + place[0] * outer.out_step + place[1] * middle.out_step) * itemsize_;
    // In between, all taps are inside.
    const int64_t begin = ceil_div(inner.low, inner.stride);
    const int64_t last = inner.in - 1 - (inner.taps - 1) * inner.dilation + inner.low;
    const int64_t end = last < 0 ? 0 : last / inner.stride + 1;
    for (int64_t i = places.begin; i < places.end;) {
      const bool is_between = i >= begin && i < end;
      const int64_t next = is_between ? std::min(end, places.end) : i + 1;
      run_places({i, next}, lines, out);
      i = next;
    }
  }

  void find_lines(int64_t image, int64_t x, int64_t y, Lines& lines) const {
    const auto& [outer, middle, inner] = p_.axes;
    const Range s = taps_inside(outer, x), t = taps_inside(middle, y);
    lines.in.clear();
    lines.weights.clear();
    for (int64_t i = s.begin; i < s.end; ++i) {
      for (int64_t j = t.begin; j < t.end; ++j) {
        const int64_t in = image * p_.in_image +
                           (outer.first(x) + i * outer.dilation) * outer.in_step +
                           (middle.first(y) + j * middle.dilation) * middle.in_step;
        lines.in.push_back(p_.in + in * itemsize_);
        lines.weights.push_back(weights_ +
                                (i * middle.taps + j) * inner.taps * p_.groups * itemsize_);
      }
    }
  }

  // Places that see the same taps of the last axis.
  void run_places(Range places, const Lines& lines, char* out) const {
    const ConvAxis& axis = p_.axes[2];
    const Range taps = taps_inside(axis, places.begin);
    const int64_t first = axis.first(places.begin) + taps.begin * axis.dilation;
    kernel_({.weights = lines.weights.data(),
             .in = lines.in.data(),
             .n_lines = taps.is_empty() ? 0 : int64_t(lines.in.size()),
             .first_weight = taps.begin * p_.groups,
             .first_in = first * axis.in_step,
             .n_taps = taps.end - taps.begin,
             .weight_step = p_.groups,
             .in_step = axis.dilation * axis.in_step,
             .out = out + places.begin * axis.out_step * itemsize_,
             .n_places = places.end - places.begin,
             .in_place_step = axis.stride * axis.in_step,
             .out_place_step = axis.out_step,
             .n_channels = p_.groups});
  }

  const ConvProblem& p_;
  const char* const weights_;
  const int64_t itemsize_, n_lines_;
  void (*const kernel_)(const DepthwiseRun&);
  int64_t piece_, n_pieces_, grain_;
};

}  // namespace

const DepthwiseKernels& depthwise_kernels() {
  static const DepthwiseKernels chosen = [] {
    DepthwiseKernels made{};
    TARN_CALL_ISA_FUNCTION(kernels().isa, add_depthwise_kernels, made);
    return made;
  }();
  return chosen;
}

void convolve_depthwise(ConvProblem p, const AllocateScratch& allocate) {
  assert(p.in_channels == 1);
  const Scratch weights = transpose_weights(p, allocate);
  Scratch input;
  if (p.out_channels > 1 || p.in_channel != 1) input = repeat_channels(p, allocate);
  DepthwiseConvolution(p, weights.get()).run();
}

}  // namespace tarn::cpu
