#include "tarn/kernels/cpu/fft.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <memory>

#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/fft_kernels.h"
#include "tarn/kernels/cpu/fft_plan.h"
#include "tarn/kernels/cpu/fft_row.h"
#include "tarn/kernels/cpu/isa_functions.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/strided_index.h"

TARN_DECLARE_ISA_FUNCTION(add_fft_kernels, FftKernels)

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 16 << 10;
// Two buffers of so many elements of a pack stay in the second-level cache. Where the transforms
// lie side by side, that costs less than taking each of them out.
constexpr int64_t kLongestInLanes = 4096;
constexpr int64_t kLongestSideBySide = 32 << 10;
// Below, splitting a single transform does not fill the lanes.
constexpr int64_t kShortestSplit = 256;

constexpr int kMostLanes = 16;
using Offsets = std::array<int64_t, kMostLanes>;  // of the sequences in a pack, in elements

// The axis of input or output, and what kind of elements it has.
struct Axis {
  float* data;
  bool is_complex;
  int64_t length;  // how many elements are read or written
  int64_t stride;

  int64_t floats() const { return is_complex ? 2 : 1; }
  float* at(int64_t offset) const { return data + offset * floats(); }
  bool is_contiguous() const { return stride == 1 || length <= 1; }
};

class Transform {
 public:
  Transform(const ops::Fft& op, const View& in, const View& out)
      : kind_(op.kind),
        n_(op.n),
        scale_(op.scale),
        in_{in.as<float>(), in.dtype == complex64,
            std::min<int64_t>(in.shape[op.axis], is_real_result() ? n_ / 2 + 1 : n_),
            in.strides[op.axis]},
        out_{out.as<float>(), out.dtype == complex64, out.shape[op.axis], out.strides[op.axis]} {
    for (int i = 0; i < in.ndim; ++i) {
      if (i == op.axis) continue;
      batch_shape_.push_back(in.shape[i]);
      batch_strides_[0].push_back(in.strides[i]);
      batch_strides_[1].push_back(out.strides[i]);
      batch_size_ *= in.shape[i];
    }
    collapse_dims(batch_shape_, batch_strides_);
    // Real sequences of even length are transformed as pairs.
    if (is_paired()) half_twiddles_ = fft_half_twiddles(n_);
  }

  void run() const {
    const int64_t length = transform_length();
    const bool is_side_by_side =
        batch_shape_.size() > 0 && batch_strides_[0].back() == 1 && batch_shape_.back() >= n_lanes_;
    const int64_t longest = is_side_by_side ? kLongestSideBySide : kLongestInLanes;
    const bool fills_lanes = batch_size_ >= 2 * n_lanes_ || length < kShortestSplit;
    if (has_fft_passes(length) && length <= longest && fills_lanes) {
      run_in_lanes();
    } else {
      run_row_by_row();
    }
  }

 private:
  bool is_real_input() const { return kind_ == ops::Fft::Kind::real_to_complex; }
  bool is_real_result() const { return kind_ == ops::Fft::Kind::complex_to_real; }
  bool is_inverse() const { return kind_ == ops::Fft::Kind::inverse || is_real_result(); }
  bool is_paired() const { return (is_real_input() || is_real_result()) && n_ % 2 == 0; }
  int64_t transform_length() const { return is_paired() ? n_ / 2 : n_; }
  // Elements that spectra and sequences need room for.
  int64_t room() const { return transform_length() + 1; }

  StridedIndex<2> batch_index() const {
    return {{batch_shape_.data(), batch_shape_.size()},
            {batch_strides_[0].data(), batch_strides_[1].data()}};
  }

  // Several sequences at once, one in each lane.

  void run_in_lanes() const {
    const std::shared_ptr<const FftPasses> passes = fft_passes(transform_length());
    const int64_t n_packs = (batch_size_ + n_lanes_ - 1) / n_lanes_;
    const int64_t grain = std::max<int64_t>(1, kElementsPerRange / (room() * n_lanes_));
    parallel_ranges(n_packs, grain, [&](RangeQueue& queue) {
      const FloatScratch x(room() * 2 * n_lanes_), y(room() * 2 * n_lanes_);
      StridedIndex<2> index = batch_index();
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        index.seek(range.begin * n_lanes_);
        for (int64_t pack = range.begin; pack < range.end; ++pack) {
          const int64_t count = std::min(n_lanes_, batch_size_ - pack * n_lanes_);
          Offsets from, to;
          for (int64_t lane = 0; lane < count; ++lane, index.next()) {
            from[size_t(lane)] = index.offset(0);
            to[size_t(lane)] = index.offset(1);
          }
          run_pack(*passes, from, to, count, x.get(), y.get());
        }
      }
    });
  }

  void run_pack(const FftPasses& passes, const Offsets& from, const Offsets& to, int64_t count,
                float* x, float* y) const {
    const float* const z = transform_lanes(passes, from, count, x, y);
    float* const other = z == x ? y : x;
    if (is_real_input() && is_paired()) {
      const float* const twiddles = half_twiddles_->roots.data();
      if (const int64_t step = row_step(out_, to, count)) {
        return kernels_.split_to_rows(z, n_ / 2, twiddles, scale_, out_.at(to[0]), step);
      }
      kernels_.split_spectrum(z, n_ / 2, twiddles, other);
      return store_lanes(other, to, count);
    }
    if (is_real_result() && !is_paired()) {
      for (int64_t j = 0; j < n_; ++j) {
        std::copy_n(z + 2 * j * n_lanes_, n_lanes_, other + j * n_lanes_);
      }
      return store_lanes(other, to, count);
    }
    store_lanes(z, to, count);
  }

  // Returns which of x and y has the spectra, or sequences.
  float* transform_lanes(const FftPasses& passes, const Offsets& from, int64_t count, float* x,
                         float* y) const {
    if (is_real_result()) {
      load_lanes(from, count, y, n_ / 2 + 1);
      complete_spectrum(y, x);
    } else if (is_real_input() && !is_paired()) {
      load_lanes(from, count, y, n_);
      for (int64_t j = 0; j < n_; ++j) {
        std::copy_n(y + j * n_lanes_, n_lanes_, x + 2 * j * n_lanes_);
        std::fill_n(x + (2 * j + 1) * n_lanes_, n_lanes_, 0.0f);
      }
    } else {
      load_lanes(from, count, x, n_);
    }
    return kernels_.transform(passes.passes, is_inverse(), x, y);
  }

  // The first half of the spectrum of real sequences, `y`, becomes that of pairs, or all of it.
  void complete_spectrum(const float* y, float* x) const {
    if (is_paired()) {
      return kernels_.merge_spectrum(y, n_ / 2, half_twiddles_->roots.data(), x);
    }
    std::copy_n(y, (n_ / 2 + 1) * 2 * n_lanes_, x);
    std::fill_n(x + n_lanes_, n_lanes_, 0.0f);
    for (int64_t k = 1; k <= n_ / 2; ++k) {
      const float* const from = y + 2 * k * n_lanes_;
      float* const mirrored = x + 2 * (n_ - k) * n_lanes_;
      for (int64_t i = 0; i < n_lanes_; ++i) {
        mirrored[i] = from[i];
        mirrored[n_lanes_ + i] = -from[n_lanes_ + i];
      }
    }
  }

  // The step between neighbouring sequences, if they fill a pack and it is the same for all; or 0.
  int64_t common_step(const Offsets& offsets, int64_t count) const {
    if (count < n_lanes_) return 0;
    const int64_t step = offsets[1] - offsets[0];
    for (int64_t lane = 2; lane < count; ++lane) {
      if (offsets[size_t(lane)] - offsets[size_t(lane) - 1] != step) return 0;
    }
    return step;
  }

  // The floats from one sequence to the next, if they fill a pack, each is contiguous and the step
  // is the same for all; or 0.
  int64_t row_step(const Axis& axis, const Offsets& offsets, int64_t count) const {
    return axis.is_contiguous() ? common_step(offsets, count) * axis.floats() : 0;
  }

  // Elements 0 to n - 1 of the sequences, with zeros for those that there are not.
  void load_lanes(const Offsets& offsets, int64_t count, float* to, int64_t n) const {
    const int64_t width = in_.floats(), step = common_step(offsets, count);
    std::fill(to + in_.length * width * n_lanes_, to + n * width * n_lanes_, 0.0f);
    if (const int64_t row = row_step(in_, offsets, count)) {
      return kernels_.load_rows(in_.at(offsets[0]), row, in_.length * width, to);
    }
    if (step == 1 && in_.is_complex) {
      return kernels_.load_complex(in_.at(offsets[0]), in_.stride * width, in_.length, to);
    }
    if (count < n_lanes_) std::fill_n(to, in_.length * width * n_lanes_, 0.0f);
    for (int64_t j = 0; j < in_.length; ++j) {
      for (int64_t lane = 0; lane < count; ++lane) {
        const float* const from = in_.at(offsets[size_t(lane)] + j * in_.stride);
        for (int64_t i = 0; i < width; ++i) to[(j * width + i) * n_lanes_ + lane] = from[i];
      }
    }
  }

  void store_lanes(const float* from, const Offsets& offsets, int64_t count) const {
    const int64_t width = out_.floats(), step = common_step(offsets, count);
    if (const int64_t row = row_step(out_, offsets, count)) {
      return kernels_.store_rows(from, out_.length * width, scale_, out_.at(offsets[0]), row);
    }
    if (step == 1 && out_.is_complex) {
      return kernels_.store_complex(from, out_.length, scale_, out_.at(offsets[0]),
                                    out_.stride * width);
    }
    for (int64_t j = 0; j < out_.length; ++j) {
      for (int64_t lane = 0; lane < count; ++lane) {
        float* const to = out_.at(offsets[size_t(lane)] + j * out_.stride);
        for (int64_t i = 0; i < width; ++i)
          to[i] = from[(j * width + i) * n_lanes_ + lane] * scale_;
      }
    }
  }

  // One sequence after the other, each on all cores.

  void run_row_by_row() const {
    parallel_ranges(batch_size_, 1, [&](RangeQueue& queue) {
      const FloatScratch scratch(2 * room());
      StridedIndex<2> index = batch_index();
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        for (int64_t i = range.begin; i < range.end; ++i) {
          index.seek(i);
          run_row(in_.at(index.offset(0)), out_.at(index.offset(1)), scratch.get());
        }
      }
    });
  }

  void run_row(const float* in, float* out, float* scratch) const {
    const int64_t length = transform_length();
    const int64_t wanted = is_real_result() ? n_ / 2 + 1 : n_;
    // Odd real sequences change their width on the way, so that they cannot do without scratch.
    const bool is_widened = is_real_input() && !is_paired();
    const bool is_narrowed = is_real_result() && !is_paired();
    if (!in_.is_contiguous() || in_.length < wanted || is_widened || is_real_result()) {
      load_row(in, scratch);
      in = scratch;
    }
    float* const result = out_.is_contiguous() && !is_narrowed && !is_widened ? out : scratch;
    transform_row(in, length, is_inverse(), scale_, result);
    if (is_real_input() && is_paired()) split_row(result);
    if (result == scratch) store_row(scratch, out);
  }

  // As complex numbers: real sequences of odd length with imaginary parts of zero, of even length
  // as pairs; spectra of real sequences as those of these.
  void load_row(const float* in, float* to) const {
    const int64_t width = in_.floats();
    const int64_t to_stride = is_real_input() && !is_paired() ? 2 : width;
    if (in_.is_contiguous() && to_stride == width) {
      std::fill(std::copy_n(in, in_.length * width, to), to + 2 * room(), 0.0f);
    } else {
      std::fill_n(to, 2 * room(), 0.0f);
      for (int64_t j = 0; j < in_.length; ++j) {
        for (int64_t i = 0; i < width; ++i) to[j * to_stride + i] = in[j * in_.stride * width + i];
      }
    }
    if (is_real_result()) is_paired() ? merge_row(to) : mirror_row(to);
  }

  void store_row(const float* from, float* out) const {
    const int64_t width = out_.floats();
    const int64_t from_stride = is_real_result() && !is_paired() ? 2 : width;
    for (int64_t j = 0; j < out_.length; ++j) {
      for (int64_t i = 0; i < width; ++i) {
        out[j * out_.stride * width + i] = from[j * from_stride + i];
      }
    }
  }

  // Calls in_row, of the kernels, for all elements but the first and the last.
  void for_each_pair(float* row, decltype(FftKernels::split_in_row) in_row) const {
    const float* const twiddles = half_twiddles_->roots.data();
    parallel_ranges(n_ / 4, kElementsPerRange, [&](RangeQueue& queue) {
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        in_row(row, n_ / 2, twiddles, range.begin + 1, range.end + 1);
      }
    });
  }

  void split_row(float* row) const {
    const float re = row[0], im = row[1];
    row[0] = re + im;
    row[1] = 0;
    row[n_] = re - im;
    row[n_ + 1] = 0;
    for_each_pair(row, kernels_.split_in_row);
  }

  void merge_row(float* row) const {
    const float first = row[0], last = row[n_];
    row[0] = first + last;
    row[1] = first - last;
    for_each_pair(row, kernels_.merge_in_row);
  }

  void mirror_row(float* row) const {
    row[1] = 0;
    for (int64_t k = 1; k <= n_ / 2; ++k) {
      row[2 * (n_ - k)] = row[2 * k];
      row[2 * (n_ - k) + 1] = -row[2 * k + 1];
    }
  }

  const FftKernels& kernels_ = fft_kernels();
  const int64_t n_lanes_ = int64_t(kernels_.n_lanes);
  const ops::Fft::Kind kind_;
  const int64_t n_;
  const float scale_;
  const Axis in_;
  const Axis out_;
  Shape batch_shape_;
  Strides batch_strides_[2];  // of the input, of the output
  int64_t batch_size_ = 1;
  std::shared_ptr<const FftHalfTwiddles> half_twiddles_;
};

}  // namespace

FftKernels fft_kernels(const char* isa) {
  FftKernels made{};
  TARN_CALL_ISA_FUNCTION(isa, add_fft_kernels, made);
  assert(made.n_lanes <= kMostLanes);
  return made;
}

const FftKernels& fft_kernels() {
  static const FftKernels chosen = fft_kernels(kernels().isa);
  return chosen;
}

void fft(const ops::Fft& op, const View& in, const View& out) {
  if (out.size > 0) Transform(op, in, out).run();
}

}  // namespace tarn::cpu
