#include "tarn/kernels/cpu/fft_plan.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <deque>
#include <mutex>
#include <numbers>

#include "tarn/kernels/cpu/fft_row.h"

namespace tarn::cpu {

namespace {

// Of each kind of table, unless one alone is larger.
constexpr int64_t kMaxCachedBytes = 32 << 20;

// Appends exp(-2 pi i k / n). Requires: 0 <= k < n.
void append_root(std::vector<float>& roots, int64_t k, int64_t n) {
  const double angle = -2 * std::numbers::pi * (double(k) / double(n));
  roots.push_back(float(std::cos(angle)));
  roots.push_back(float(std::sin(angle)));
}

// Tables by length; the one that was made first goes first.
template <class T>
class TableCache {
 public:
  template <class Make>
  std::shared_ptr<const T> get(int64_t n, Make make) {
    {
      std::lock_guard lock(mutex_);
      for (const Entry& entry : entries_) {
        if (entry.n == n) return entry.table;
      }
    }
    std::shared_ptr<const T> made = make();
    std::lock_guard lock(mutex_);
    entries_.push_back({n, made});
    nbytes_ += made->nbytes();
    while (nbytes_ > kMaxCachedBytes && entries_.size() > 1) {
      nbytes_ -= entries_.front().table->nbytes();
      entries_.pop_front();
    }
    return made;
  }

 private:
  struct Entry {
    int64_t n;
    std::shared_ptr<const T> table;
  };
  std::mutex mutex_;
  std::deque<Entry> entries_;
  int64_t nbytes_ = 0;
};

// A divisor near the square root; if possible, lanes are left empty in neither round.
int64_t rows_of_split(int64_t n, int64_t n_lanes) {
  const auto root = int64_t(std::sqrt(double(n)));
  int64_t nearest = 1;
  for (int64_t rows = root; rows >= 1 && rows >= root / 16; --rows) {
    if (n % rows != 0) continue;
    if (rows % n_lanes == 0 && n / rows % n_lanes == 0) return rows;
    if (nearest == 1) nearest = rows;
  }
  return nearest;
}

}  // namespace

bool has_fft_passes(int64_t n) {
  assert(n > 0);
  for (int radix : kFftRadices) {
    while (n % radix == 0) n /= radix;
  }
  return n == 1;
}

FftPasses::FftPasses(int64_t n) {
  assert(has_fft_passes(n));
  std::vector<size_t> offsets;
  int64_t stride = 1;
  for (int64_t rest = n; rest > 1;) {
    int radix = 0;
    for (int candidate : kFftRadices) {
      if (radix == 0 && rest % candidate == 0) radix = candidate;
    }
    // 4 * 4 takes less than 8 * 2.
    if (rest == 16) radix = 4;
    const int64_t n_blocks = rest / radix;
    offsets.push_back(roots.size());
    passes.push_back({radix, n_blocks, stride, nullptr, nullptr});
    for (int k = 0; k < radix; ++k) {
      roots.push_back(float(std::cos(2 * std::numbers::pi * k / radix)));
    }
    for (int k = 0; k < radix; ++k) {
      roots.push_back(float(std::sin(2 * std::numbers::pi * k / radix)));
    }
    for (int64_t p = 0; p < n_blocks; ++p) {
      for (int k = 1; k < radix; ++k) append_root(roots, p * k, rest);
    }
    stride *= radix;
    rest = n_blocks;
  }
  for (size_t i = 0; i < passes.size(); ++i) {
    passes[i].roots = roots.data() + offsets[i];
    passes[i].twiddles = passes[i].roots + 2 * passes[i].radix;
  }
}

FftSplit::FftSplit(int64_t n, int64_t n_lanes)
    : rows(rows_of_split(n, n_lanes)),
      columns(n / rows),
      of_columns(fft_passes(rows)),
      of_rows(fft_passes(columns)) {
  const int64_t n_packs = (columns + n_lanes - 1) / n_lanes;
  const int64_t n_roots = (rows - 1) * (n_packs - 1) + 1;
  roots.reserve(size_t(2 * n_roots));
  for (int64_t e = 0; e < n_roots; ++e) append_root(roots, e * n_lanes, n);
  by_lane.resize(size_t(2 * rows * n_lanes));
  for (int64_t k = 0; k < rows; ++k) {
    for (int64_t lane = 0; lane < n_lanes; ++lane) {
      const double angle = -2 * std::numbers::pi * (double(k * lane % n) / double(n));
      by_lane[size_t(2 * k * n_lanes + lane)] = float(std::cos(angle));
      by_lane[size_t((2 * k + 1) * n_lanes + lane)] = float(std::sin(angle));
    }
  }
}

int64_t FftSplit::nbytes() const {
  return int64_t((roots.size() + by_lane.size()) * sizeof(float)) + of_columns->nbytes() +
         of_rows->nbytes();
}

FftConvolution::FftConvolution(int64_t n, int64_t n_lanes)
    : length(int64_t(std::bit_ceil(uint64_t(std::max(2 * n - 1, n_lanes * n_lanes))))) {
  // k^2 modulo 2n, one odd number after the other, for no square overflows.
  int64_t square = 0;
  for (int64_t k = 0; k < n; ++k) {
    append_root(chirp, square, 2 * n);
    square = (square + 2 * k + 1) % (2 * n);
  }
  std::vector<float> kernel(size_t(2 * length), 0.0f);
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t at : {k, (length - k) % length}) {
      kernel[size_t(2 * at)] = chirp[size_t(2 * k)];
      kernel[size_t(2 * at + 1)] = -chirp[size_t(2 * k + 1)];
    }
  }
  spectrum.resize(kernel.size());
  transform_row(kernel.data(), length, false, 1.0f, spectrum.data());
}

FftHalfTwiddles::FftHalfTwiddles(int64_t n) {
  for (int64_t k = 0; k <= n / 4; ++k) append_root(roots, k, n);
}

std::shared_ptr<const FftPasses> fft_passes(int64_t n) {
  static TableCache<FftPasses> cache;
  return cache.get(n, [&] { return std::make_shared<const FftPasses>(n); });
}
std::shared_ptr<const FftSplit> fft_split(int64_t n) {
  static TableCache<FftSplit> cache;
  static const auto n_lanes = int64_t(fft_kernels().n_lanes);
  return cache.get(n, [&] { return std::make_shared<const FftSplit>(n, n_lanes); });
}
std::shared_ptr<const FftConvolution> fft_convolution(int64_t n) {
  static TableCache<FftConvolution> cache;
  static const auto n_lanes = int64_t(fft_kernels().n_lanes);
  return cache.get(n, [&] { return std::make_shared<const FftConvolution>(n, n_lanes); });
}
std::shared_ptr<const FftHalfTwiddles> fft_half_twiddles(int64_t n) {
  static TableCache<FftHalfTwiddles> cache;
  return cache.get(n, [&] { return std::make_shared<const FftHalfTwiddles>(n); });
}

}  // namespace tarn::cpu
