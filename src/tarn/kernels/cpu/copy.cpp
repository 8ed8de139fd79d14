#include "tarn/kernels/cpu/copy.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>

#include "tarn/base/layout.h"
#include "tarn/kernels/cpu/copy_words.h"
#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

// Bytes of one task: large against what a task costs, small against the second-level cache.
constexpr int64_t kTaskBytes = 128 << 10;
// Shorter rows that do not follow each other share many cache lines, and one that is written in
// parts, some of them past the caches, takes longer than all else.
constexpr int64_t kStreamedRowBytes = 1 << 10;
// Sides of the blocks of a transposition, in elements.
constexpr int64_t kCachedSquare = 128;
constexpr int64_t kStreamedSquare = 512;

// A copy as nested loops, outermost first. Of the two innermost axes, the rows and columns of a
// plane, the last one has the smallest stride in the target.
struct Loops {
  Shape shape;
  Strides strides[2];  // from, to
  const char* from;
  char* to;
};

Loops plan(const View& from, const View& to) {
  struct Axis {
    int32_t dim;
    int64_t from;
    int64_t to;
  };
  Loops loops{{}, {}, from.as<const char>(), to.as<char>()};
  SmallVector<Axis, kInlineDims> axes;
  for (int i = 0; i < to.ndim; ++i) {
    Axis axis{to.shape[i], from.strides[i], to.strides[i]};
    if (axis.dim == 1) continue;
    if (axis.to < 0) {  // walk it from its other end
      loops.from += (axis.dim - 1) * axis.from * from.itemsize();
      loops.to += (axis.dim - 1) * axis.to * to.itemsize();
      axis.from = -axis.from;
      axis.to = -axis.to;
    }
    axes.push_back(axis);
  }
  std::stable_sort(axes.begin(), axes.end(),
                   [](const Axis& a, const Axis& b) { return a.to > b.to; });
  for (const Axis& axis : axes) {
    loops.shape.push_back(axis.dim);
    loops.strides[0].push_back(axis.from);
    loops.strides[1].push_back(axis.to);
  }
  collapse_dims(loops.shape, loops.strides);

  // The rows of the plane are the axis along which the source is contiguous, if that is not the
  // last one: then the plane is a transposition.
  const int ndim = static_cast<int>(loops.shape.size());
  for (int i = 0; i + 2 < ndim; ++i) {
    if (std::abs(loops.strides[0][ndim - 1]) > 1 && loops.strides[0][i] == 1) {
      std::rotate(loops.shape.begin() + i, loops.shape.begin() + i + 1, loops.shape.end() - 1);
      for (Strides& s : loops.strides) std::rotate(s.begin() + i, s.begin() + i + 1, s.end() - 1);
      break;
    }
  }
  while (loops.shape.size() < 2) {
    loops.shape.insert(loops.shape.begin(), 1);
    for (Strides& s : loops.strides) s.insert(s.begin(), 0);
  }
  return loops;
}

struct PlaneStrides {
  int64_t row;
  int64_t col;
};

bool is_transposition(PlaneStrides from, PlaneStrides to) {
  return from.row == 1 && from.col != 1 && from.col != 0 && to.col == 1;
}

// Rows of so few words that what a loop takes to begin would count.
template <int kCols, class Word>
void copy_narrow_rows(const Word* from, PlaneStrides from_strides, Word* to,
                      PlaneStrides to_strides, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r, from += from_strides.row, to += to_strides.row) {
    unrolled<kCols>([&](auto c) { to[c * to_strides.col] = from[c * from_strides.col]; });
  }
}

constexpr int64_t kNarrow = 4;

template <class Word>
void copy_narrow_rows(const Word* from, PlaneStrides from_strides, Word* to,
                      PlaneStrides to_strides, int64_t rows, int64_t cols) {
  switch (cols) {
    case 1:
      return copy_narrow_rows<1>(from, from_strides, to, to_strides, rows);
    case 2:
      return copy_narrow_rows<2>(from, from_strides, to, to_strides, rows);
    case 3:
      return copy_narrow_rows<3>(from, from_strides, to, to_strides, rows);
    case 4:
      return copy_narrow_rows<4>(from, from_strides, to, to_strides, rows);
  }
}

template <class Word>
void copy_block(const Word* from, PlaneStrides from_strides, Word* to, PlaneStrides to_strides,
                int64_t rows, int64_t cols, bool stream) {
  const auto [fr, fc] = from_strides;
  const auto [tr, tc] = to_strides;
  if (cols <= kNarrow) {
    return copy_narrow_rows(from, from_strides, to, to_strides, rows, cols);
  }
  if (is_transposition(from_strides, to_strides)) {
    if (rows > kNarrow) return transpose_block(from, fc, to, tr, rows, cols, stream);
    return copy_narrow_rows(from, {fc, fr}, to, {tc, tr}, cols, rows);
  }
  for (int64_t r = 0; r < rows; ++r, from += fr, to += tr) {
    if (fc == 1 && tc == 1) {
      if (stream) {
        stream_words(from, to, cols);
      } else {
        std::memcpy(to, from, cols * sizeof(Word));
      }
    } else if (fc == 0 && tc == 1) {
      fill_words(*from, to, cols, stream);
    } else {
      for (int64_t c = 0; c < cols; ++c) to[c * tc] = from[c * fc];
    }
  }
}

// A copy cut into tasks: blocks of rows and columns of every plane.
template <class Word>
class BlockedCopy {
 public:
  explicit BlockedCopy(const Loops& loops) : loops_(loops) {
    const size_t ndim = loops.shape.size();
    rows_ = loops.shape[ndim - 2];
    cols_ = loops.shape[ndim - 1];
    for (int i = 0; i < 2; ++i) {
      plane_[i] = {loops.strides[i][ndim - 2], loops.strides[i][ndim - 1]};
    }
    outer_ = {loops.shape.data(), ndim - 2};
    n_planes_ = 1;
    for (int32_t dim : outer_) n_planes_ *= dim;

    nbytes_ = n_planes_ * rows_ * cols_ * int64_t{sizeof(Word)};
    const bool transposes = is_transposition(plane_[0], plane_[1]);
    stream_ = nbytes_ >= kStreamBytes &&
              (transposes || cols_ * int64_t{sizeof(Word)} >= kStreamedRowBytes);

    constexpr int64_t kTaskWords = kTaskBytes / sizeof(Word);
    block_cols_ = std::min(cols_, kTaskWords);
    block_rows_ = std::clamp<int64_t>(kTaskWords / block_cols_, 1, rows_);
    if (transposes && rows_ > kNarrow) {
      const int64_t square = stream_ ? kStreamedSquare : kCachedSquare;
      block_cols_ = std::min(cols_, square);
      block_rows_ = std::min(rows_, square);
    }
    row_blocks_ = (rows_ + block_rows_ - 1) / block_rows_;
    col_blocks_ = (cols_ + block_cols_ - 1) / block_cols_;
  }

  void run() const {
    const int64_t n_tasks = n_planes_ * row_blocks_ * col_blocks_;
    const int64_t bytes_per_task = std::max<int64_t>(1, nbytes_ / n_tasks);
    const int64_t grain = std::max<int64_t>(1, kTaskBytes / bytes_per_task);
    parallel_ranges(n_tasks, grain, [&](RangeQueue& queue) {
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) run_tasks(r.begin, r.end);
    });
  }

 private:
  void run_tasks(int64_t begin, int64_t end) const {
    const int64_t blocks = row_blocks_ * col_blocks_;
    StridedIndex<2> plane(outer_, {loops_.strides[0].data(), loops_.strides[1].data()});
    plane.seek(begin / blocks);
    int64_t row_block = begin % blocks / col_blocks_;
    int64_t col_block = begin % col_blocks_;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t row = row_block * block_rows_;
      const int64_t col = col_block * block_cols_;
      const auto offset = [&](int i) {
        return plane.offset(i) + row * plane_[i].row + col * plane_[i].col;
      };
      copy_block(reinterpret_cast<const Word*>(loops_.from) + offset(0), plane_[0],
                 reinterpret_cast<Word*>(loops_.to) + offset(1), plane_[1],
                 std::min(block_rows_, rows_ - row), std::min(block_cols_, cols_ - col), stream_);
      if (++col_block < col_blocks_) continue;
      col_block = 0;
      if (++row_block < row_blocks_) continue;
      row_block = 0;
      plane.next();
    }
    if (stream_) _mm_sfence();
  }

  const Loops& loops_;
  std::span<const int32_t> outer_;
  int64_t n_planes_;
  int64_t rows_, cols_;
  int64_t block_rows_, block_cols_;
  int64_t row_blocks_, col_blocks_;
  PlaneStrides plane_[2];  // from, to
  int64_t nbytes_;
  bool stream_;
};

}  // namespace

void copy(const View& from, const View& to) {
  assert(from.itemsize() == to.itemsize() &&
         std::equal(from.shape, from.shape + from.ndim, to.shape, to.shape + to.ndim));
  if (to.size == 0) return;
  const Loops loops = plan(from, to);
  switch (to.itemsize()) {
    case 1:
      return BlockedCopy<uint8_t>(loops).run();
    case 2:
      return BlockedCopy<uint16_t>(loops).run();
    case 4:
      return BlockedCopy<uint32_t>(loops).run();
    case 8:
      return BlockedCopy<uint64_t>(loops).run();
  }
  assert(false && "no such element size");
}

void concatenate(std::span<const View> inputs, int axis, const View& to) {
  char* target = to.as<char>();
  for (const View& input : inputs) {
    copy(input, {target, input.shape, to.strides, to.ndim, to.dtype, input.size});
    target += input.shape[axis] * to.strides[axis] * to.itemsize();
  }
}

}  // namespace tarn::cpu
