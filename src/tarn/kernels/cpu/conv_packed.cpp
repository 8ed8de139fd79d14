#include "tarn/kernels/cpu/conv_packed.h"

#include <cstring>

#include "tarn/base/ceil_div.h"
#include "tarn/kernels/cpu/matmul_tile.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

// A tile has as many rows as fit into half of a second-level cache of 1 MiB, packed, but enough of
// them to be worth packing its weights.
constexpr int64_t kPackedBytes = 512 << 10;
constexpr int64_t kMinRows = 16;
constexpr int64_t kMaxRows = 192;
constexpr int64_t kMaxRowBytes = 1536;
// Tiles are halved until there are this many.
constexpr int64_t kEnoughTiles = 32;

// A place of an image, counted through in row-major order.
class Place {
 public:
  Place(const ConvProblem& p, int64_t number) : p_(p) {
    for (int i = ConvProblem::kAxes; i-- > 0; number /= p.axes[i].out)
      at_[i] = number % p.axes[i].out;
    image_ = number;
  }

  void next() {
    for (int i = ConvProblem::kAxes; i-- > 0;) {
      if (++at_[i] < p_.axes[i].out) return;
      at_[i] = 0;
    }
    ++image_;
  }

  int64_t image() const { return image_; }
  int64_t operator[](int axis) const { return at_[axis]; }

  int64_t out_offset() const {
    int64_t offset = image_ * p_.out_image;
    for (int i = 0; i < ConvProblem::kAxes; ++i) offset += at_[i] * p_.axes[i].out_step;
    return offset;
  }

 private:
  const ConvProblem& p_;
  int64_t image_;
  int64_t at_[ConvProblem::kAxes];
};

// Rows of the left matrix are the places of all images, its columns what their taps meet; columns
// of the right one are the channels of the output. Each group has such a product.
class PackedConvolution {
 public:
  // Requires: channels of the input are adjacent, weights row-major.
  explicit PackedConvolution(const ConvProblem& p)
      : p_(p),
        itemsize_(p.dtype.size()),
        depth_(p.depth()),
        n_rows_(p.images * p.places()),
        taps_are_adjacent_(p.groups == 1 && p.axes[2].dilation == 1 &&
                           p.axes[2].in_step == p.in_channels),
        output_is_matrix_(is_row_contiguous(output_layout(p))) {
    cols_ = std::min(p.out_channels, kMaxRowBytes / std::max<int64_t>(4, itemsize_));
    rows_ = std::clamp(kPackedBytes / (depth_ * itemsize_), kMinRows, kMaxRows);
    while (count_tiles() < kEnoughTiles && rows_ >= 2 * kMinRows) rows_ /= 2;
  }

  void run(const AllocateScratch& allocate) const {
    parallel_ranges(count_tiles(), 1, [&](RangeQueue& queue) {
      Scratch scratch;
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        if (!scratch) scratch = allocate((rows_ * depth_ + rows_ * cols_) * itemsize_);
        run_tile(r.begin, static_cast<char*>(scratch.get()));
      }
    });
  }

 private:
  int64_t row_tiles() const { return ceil_div(n_rows_, rows_); }
  int64_t col_tiles() const { return ceil_div(p_.out_channels, cols_); }
  int64_t count_tiles() const { return p_.groups * row_tiles() * col_tiles(); }

  void run_tile(int64_t tile, char* a) const {
    const int64_t col = tile % col_tiles() * cols_;
    const int64_t row = tile / col_tiles() % row_tiles() * rows_;
    const int64_t group = tile / col_tiles() / row_tiles();
    const int64_t m = std::min(rows_, n_rows_ - row);
    const int64_t n = std::min(cols_, p_.out_channels - col);

    pack(row, m, group, a);
    const int64_t channel = group * p_.out_channels + col;
    const int64_t channels = p_.groups * p_.out_channels;
    char* const aside = a + m * depth_ * itemsize_;
    char* const c = output_is_matrix_ ? p_.out + (row * channels + channel) * itemsize_ : aside;
    multiply_tile(p_.dtype, {a, depth_, 1, p_.weights + channel * depth_ * itemsize_, 1, depth_, c,
                             output_is_matrix_ ? channels : n, m, n, depth_});
    if (output_is_matrix_) return;
    Place place(p_, row);
    for (int64_t i = 0; i < m; ++i, place.next()) {
      std::memcpy(p_.out + (place.out_offset() + channel) * itemsize_, aside + i * n * itemsize_,
                  size_t(n * itemsize_));
    }
  }

  void pack(int64_t row, int64_t m, int64_t group, char* to) const {
    const auto& [outer, middle, inner] = p_.axes;
    const int64_t line_bytes = inner.taps * p_.in_channels * itemsize_;
    const char* const first = p_.in + group * p_.in_channels * itemsize_;
    Place place(p_, row);
    for (int64_t i = 0; i < m; ++i, place.next()) {
      const char* const image = first + place.image() * p_.in_image * itemsize_;
      for (int64_t s = 0; s < outer.taps; ++s) {
        const int64_t x = outer.first(place[0]) + s * outer.dilation;
        for (int64_t t = 0; t < middle.taps; ++t, to += line_bytes) {
          const int64_t y = middle.first(place[1]) + t * middle.dilation;
          if (x < 0 || x >= outer.in || y < 0 || y >= middle.in) {
            std::memset(to, 0, size_t(line_bytes));
          } else {
            pack_line(image + (x * outer.in_step + y * middle.in_step) * itemsize_, place[2], to);
          }
        }
      }
    }
  }

  // The taps along the last axis.
  void pack_line(const char* line, int64_t place, char* to) const {
    const ConvAxis& axis = p_.axes[2];
    const int64_t nbytes = p_.in_channels * itemsize_;
    const Range taps = taps_inside(axis, place);
    if (taps.is_empty()) {
      std::memset(to, 0, size_t(axis.taps * nbytes));
      return;
    }
    std::memset(to, 0, size_t(taps.begin * nbytes));
    const int64_t step = axis.dilation * axis.in_step * itemsize_;
    const char* from = line + (axis.first(place) * axis.in_step * itemsize_) + taps.begin * step;
    if (taps_are_adjacent_) {
      std::memcpy(to + taps.begin * nbytes, from, size_t((taps.end - taps.begin) * nbytes));
    } else {
      for (int64_t t = taps.begin; t < taps.end; ++t, from += step)
        std::memcpy(to + t * nbytes, from, size_t(nbytes));
    }
    std::memset(to + taps.end * nbytes, 0, size_t((axis.taps - taps.end) * nbytes));
  }

  const ConvProblem& p_;
  const int64_t itemsize_, depth_, n_rows_;
  const bool taps_are_adjacent_, output_is_matrix_;
  int64_t rows_, cols_;  // of a tile
};

}  // namespace

void convolve_packed(ConvProblem p, const AllocateScratch& allocate) {
  Scratch input, weights;
  if (p.in_channel != 1 && p.groups * p.in_channels > 1) input = copy_input(p, allocate);
  if (!is_row_contiguous(weight_layout(p))) weights = copy_weights(p, allocate);
  PackedConvolution(p).run(allocate);
}

}  // namespace tarn::cpu
