#include "tarn/kernels/cpu/fft_row.h"

#include <algorithm>
#include <complex>

#include "tarn/kernels/cpu/fft_kernels.h"
#include "tarn/kernels/cpu/fft_plan.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 32 << 10;

// The two rounds of FftSplit. Between them, the elements are in blocks of as many columns as there
// are lanes; in each, one row of complex numbers after the other.
class SplitTransform {
 public:
  SplitTransform(const FftSplit& split, bool is_inverse)
      : split_(split),
        is_inverse_(is_inverse),
        n_blocks_((split.columns + n_lanes_ - 1) / n_lanes_),
        n_groups_((split.rows + n_lanes_ - 1) / n_lanes_),
        blocks_(n_blocks_ * block_size()) {}

  void run(const float* in, float scale, float* out) const {
    for_each(n_blocks_, split_.rows, [&](int64_t block, float* x, float* y) {
      load_columns(in, block, x);
      const float* const spectra = kernels_.transform(split_.of_columns->passes, is_inverse_, x, y);
      float* const to = blocks_.get() + block * block_size();
      kernels_.twiddle(spectra, split_.rows, is_inverse_, split_.roots.data(), block,
                       split_.by_lane.data(), to);
      std::fill(to + split_.rows * 2 * n_lanes_, to + block_size(), 0.0f);
    });
    for_each(n_groups_, n_blocks_ * n_lanes_, [&](int64_t group, float* x, float* y) {
      for (int64_t block = 0; block < n_blocks_; ++block) {
        kernels_.load_rows(blocks_.get() + block * block_size() + group * n_lanes_ * 2 * n_lanes_,
                           2 * n_lanes_, 2 * n_lanes_, x + block * n_lanes_ * 2 * n_lanes_);
      }
      store_rows(kernels_.transform(split_.of_rows->passes, is_inverse_, x, y), group, scale, out);
    });
  }

 private:
  // Rows of a block, with those that fill up the last group.
  int64_t block_size() const { return n_groups_ * n_lanes_ * 2 * n_lanes_; }

  // Calls f(i, x, y) for i < n, with memory for so many elements of a pack.
  template <class F>
  void for_each(int64_t n, int64_t n_elements, F f) const {
    const int64_t grain = std::max<int64_t>(1, kElementsPerRange / (n_elements * n_lanes_));
    parallel_ranges(n, grain, [&](RangeQueue& queue) {
      const FloatScratch x(n_elements * 2 * n_lanes_), y(n_elements * 2 * n_lanes_);
      for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
        for (int64_t i = range.begin; i < range.end; ++i) f(i, x.get(), y.get());
      }
    });
  }

  void load_columns(const float* in, int64_t block, float* x) const {
    const int64_t first = block * n_lanes_, stride = 2 * split_.columns;
    const int64_t count = std::min(n_lanes_, split_.columns - first);
    if (count == n_lanes_) return kernels_.load_complex(in + 2 * first, stride, split_.rows, x);
    std::fill_n(x, split_.rows * 2 * n_lanes_, 0.0f);
    for (int64_t row = 0; row < split_.rows; ++row) {
      for (int64_t lane = 0; lane < count; ++lane) {
        const float* const from = in + row * stride + 2 * (first + lane);
        x[row * 2 * n_lanes_ + lane] = from[0];
        x[row * 2 * n_lanes_ + n_lanes_ + lane] = from[1];
      }
    }
  }

  void store_rows(const float* spectra, int64_t group, float scale, float* out) const {
    const int64_t first = group * n_lanes_, stride = 2 * split_.rows;
    const int64_t count = std::min(n_lanes_, split_.rows - first);
    if (count == n_lanes_) {
      return kernels_.store_complex(spectra, split_.columns, scale, out + 2 * first, stride);
    }
    for (int64_t k = 0; k < split_.columns; ++k) {
      for (int64_t lane = 0; lane < count; ++lane) {
        float* const to = out + k * stride + 2 * (first + lane);
        to[0] = spectra[k * 2 * n_lanes_ + lane] * scale;
        to[1] = spectra[k * 2 * n_lanes_ + n_lanes_ + lane] * scale;
      }
    }
  }

  const FftKernels& kernels_ = fft_kernels();
  const FftSplit& split_;
  const bool is_inverse_;
  const int64_t n_lanes_ = int64_t(kernels_.n_lanes);
  const int64_t n_blocks_;
  const int64_t n_groups_;
  const FloatScratch blocks_;
};

using Complex = std::complex<float>;

Complex product(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// The inverse is the conjugate of the transform of the conjugates.
void convolve(const float* in, int64_t n, bool is_inverse, float scale, float* out) {
  const std::shared_ptr<const FftConvolution> table = fft_convolution(n);
  const int64_t length = table->length;
  const auto complex = [](const float* p) { return reinterpret_cast<const Complex*>(p); };
  const Complex* const chirp = complex(table->chirp.data());
  const Complex* const spectrum = complex(table->spectrum.data());
  const FloatScratch scratch(2 * length);
  auto* const y = reinterpret_cast<Complex*>(scratch.get());

  const auto sign = [&](Complex x) { return is_inverse ? std::conj(x) : x; };
  for (int64_t k = 0; k < n; ++k) y[k] = product(sign(complex(in)[k]), chirp[k]);
  std::fill(y + n, y + length, Complex());
  transform_row(scratch.get(), length, false, 1.0f, scratch.get());
  for (int64_t k = 0; k < length; ++k) y[k] = product(y[k], spectrum[k]);
  transform_row(scratch.get(), length, true, scale / float(length), scratch.get());
  auto* const to = reinterpret_cast<Complex*>(out);
  for (int64_t k = 0; k < n; ++k) to[k] = sign(product(y[k], chirp[k]));
}

}  // namespace

void transform_row(const float* in, int64_t n, bool is_inverse, float scale, float* out) {
  if (!has_fft_passes(n)) return convolve(in, n, is_inverse, scale, out);
  SplitTransform(*fft_split(n), is_inverse).run(in, scale, out);
}

}  // namespace tarn::cpu
