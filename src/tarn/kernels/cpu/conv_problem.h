// A convolution without input dilation, as conv.cpp hands it to those who compute it. Shared by the
// files of convolutions; not for use outside them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "tarn/base/layout.h"
#include "tarn/base/view.h"
#include "tarn/kernels/cpu/scratch.h"

namespace tarn::cpu {

struct ConvAxis {
  int64_t in, taps, out;                   // how many there are
  int64_t stride, dilation;                // elements of the input between places, between taps
  int64_t low;                             // zeros before the input
  int64_t in_step, weight_step, out_step;  // strides

  // Where the first tap of a place is in the input; negative before it.
  int64_t first(int64_t place) const { return place * stride - low; }
  // Behind the last element that the taps reach.
  int64_t reach() const { return first(out - 1) + (taps - 1) * dilation + 1; }
};

struct Range {
  int64_t begin, end;

  bool is_empty() const { return begin >= end; }
};

// The taps of a place that meet an element of the input.
inline Range taps_inside(const ConvAxis& axis, int64_t place) {
  const int64_t first = axis.first(place);
  const int64_t begin = first < 0 ? (-first + axis.dilation - 1) / axis.dilation : 0;
  const int64_t end = first < axis.in ? (axis.in - 1 - first) / axis.dilation + 1 : 0;
  return {begin, std::min(axis.taps, end)};
}

// out[i, places…, g, j] = sum over taps…, c of weights[g, j, taps…, c] times
// in[i, place * stride + tap * dilation - low …, g, c], which is zero outside of the input. Strides
// are in elements.
struct ConvProblem {
  static constexpr int kAxes = 3;

  Dtype dtype;
  const char* in;
  const char* weights;
  char* out;
  int64_t images, groups;
  int64_t in_channels, out_channels;  // of a group
  ConvAxis axes[kAxes];               // the first ones of a single element where there are fewer
  int64_t in_image, in_channel;       // strides
  int64_t weight_out, weight_in;
  int64_t out_image;  // channels of the output are adjacent

  int64_t places() const { return axes[0].out * axes[1].out * axes[2].out; }
  int64_t taps() const { return axes[0].taps * axes[1].taps * axes[2].taps; }
  // Products that are added up to an element of the output.
  int64_t depth() const { return taps() * in_channels; }
  int64_t multiplications() const { return images * places() * groups * out_channels * depth(); }
};

// The operands of a problem: images, axes, channels; the weights with the outputs' channels first.
Layout input_layout(const ConvProblem& p);
Layout weight_layout(const ConvProblem& p);
Layout output_layout(const ConvProblem& p);

// Borrows the layout.
inline View view_of(const Layout& layout, const void* data, Dtype dtype) {
  return {const_cast<void*>(data),
          layout.shape.data(),
          layout.strides.data(),
          int(layout.shape.size()),
          dtype,
          size_of_shape(layout.shape)};
}
inline bool is_row_contiguous(const Layout& layout) {
  return is_row_contiguous(view_of(layout, nullptr, float32));
}

// Make an operand row-major, in memory that the result owns.
Scratch copy_input(ConvProblem& p, const AllocateScratch& allocate);
Scratch copy_weights(ConvProblem& p, const AllocateScratch& allocate);

}  // namespace tarn::cpu
