#include <algorithm>
#include <cstring>
#include <memory>

#include "tarn/kernels/cpu/gather.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/strided_index.h"

namespace tarn::cpu {

namespace {

constexpr int64_t kElementsPerRange = 64 << 10;
// Elements of one output that are searched by one thread; with few outputs, others search the rest.
constexpr int64_t kChunk = 256 << 10;
constexpr int64_t kFewOutputs = 16;
constexpr int64_t kColumns = 1024;

Dtype::Val element_of(Dtype in) {
  return in == float16 || in == bfloat16 ? Dtype::Val::float32 : in.val();
}

struct ArgWork {
  bool is_max;
  const View& in;
  ReduceLayout layout;
  uint32_t* indices;

  ArgFinder finder(Dtype::Val element) const {
    return (is_max ? kernels().arg_max : kernels().arg_min)[int(element)];
  }
};

// One output at a time. The first element of all is the one to beat, for every chunk: so a NaN in
// first place wins, and elsewhere loses, wherever the chunks begin.
class RowSearch {
 public:
  explicit RowSearch(const ArgWork& work)
      : work_(work), element_(element_of(work.in.dtype)), find_(work.finder(element_)) {
    const int64_t n = work.layout.reduced.size;
    const int64_t n_outputs = work.layout.kept.size;
    chunk_ = n_outputs < kFewOutputs ? kChunk : n;
    n_chunks_ = (n + chunk_ - 1) / chunk_;
    if (n_chunks_ > 1) {
      bests_ = std::make_unique_for_overwrite<ArgBest[]>(size_t(n_outputs * n_chunks_));
    }
  }

  void run() {
    const int64_t n_outputs = work_.layout.kept.size;
    const int64_t per_unit = std::min(chunk_, work_.layout.reduced.size);
    parallel_ranges(n_outputs * n_chunks_, std::max<int64_t>(1, kElementsPerRange / per_unit),
                    [this](RangeQueue& queue) { drain(queue); });
    for (int64_t i = 0; n_chunks_ > 1 && i < n_outputs; ++i) {
      ArgBest best = bests_[i * n_chunks_];
      for (int64_t chunk = 1; chunk < n_chunks_; ++chunk) {
        const ArgBest& other = bests_[i * n_chunks_ + chunk];
        find_(best, other.value, 1, other.index);
      }
      work_.indices[i] = best.index;
    }
  }

 private:
  void drain(RangeQueue& queue) const {
    BlockReader reader(work_.in, element_);
    const Walk& kept = work_.layout.kept;
    StridedIndex<1> output(kept.dims(), {kept.strides.data()});
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      output.seek(range.begin / n_chunks_);
      for (int64_t unit = range.begin; unit < range.end; ++unit) {
        const int64_t chunk = unit % n_chunks_;
        const ArgBest best = search(reader, output.offset(0), chunk);
        if (n_chunks_ > 1) {
          bests_[unit] = best;
        } else {
          work_.indices[unit] = best.index;
        }
        if (chunk + 1 == n_chunks_) output.next();
      }
    }
  }

  ArgBest search(BlockReader& reader, int64_t offset, int64_t chunk) const {
    const Walk& reduced = work_.layout.reduced;
    const int64_t stride = reduced.inner_stride();
    const int64_t begin = chunk * chunk_;
    const int64_t end = std::min(begin + chunk_, reduced.size);
    ArgBest best{{}, 0};
    std::memcpy(best.value, reader.read_run(offset, stride, 1), size_of_element());
    const int64_t step = reader.reads_in_place(stride) ? end - begin : BlockReader::kBlock;
    for (int64_t i = begin; i < end; i += step) {
      const int64_t n = std::min(step, end - i);
      find_(best, reader.read_run(offset + i * stride, stride, n), size_t(n), uint32_t(i));
    }
    return best;
  }

  size_t size_of_element() const { return kAllDtypes[int(element_)].size(); }

  const ArgWork& work_;
  const Dtype::Val element_;
  const ArgFinder find_;
  int64_t chunk_;
  int64_t n_chunks_;
  std::unique_ptr<ArgBest[]> bests_;
};

// Many neighbouring outputs at a time, row by row of the input, with the kernels of elementwise
// operations.
class ColumnSearch {
 public:
  explicit ColumnSearch(const ArgWork& work) : work_(work) {
    const int dtype = int(work.in.dtype.val());
    const auto kernel = [&](ElementwiseOp op, int of) {
      return kernels().elementwise[int(op)][of];
    };
    is_better_ = kernel(work.is_max ? ElementwiseOp::greater : ElementwiseOp::less, dtype);
    choose_element_ = kernel(ElementwiseOp::where, dtype);
    choose_index_ = kernel(ElementwiseOp::where, int(Dtype::Val::uint32));
  }

  void run() const {
    const Walk& kept = work_.layout.kept;
    const int64_t n_pieces = (kept.inner_dim() + kColumns - 1) / kColumns;
    const int64_t per_unit = std::min(kColumns, kept.inner_dim()) * work_.layout.reduced.size;
    parallel_ranges(kept.size / kept.inner_dim() * n_pieces,
                    std::max<int64_t>(1, kElementsPerRange / per_unit), [&](RangeQueue& queue) {
                      Best best;
                      for (auto range = queue.next(); range.begin < range.end;
                           range = queue.next()) {
                        for (int64_t unit = range.begin; unit < range.end; ++unit) {
                          search(best, unit / n_pieces, unit % n_pieces * kColumns);
                        }
                      }
                    });
  }

 private:
  struct Best {
    alignas(64) unsigned char elements[kColumns * 8];
    alignas(64) uint32_t numbers[kColumns];  // of the row at hand
    alignas(64) bool is_better[kColumns];
  };

  void search(Best& best, int64_t row, int64_t column) const {
    const Walk& kept = work_.layout.kept;
    const Walk& reduced = work_.layout.reduced;
    const int item_size = work_.in.dtype.size();
    const int64_t first = row * kept.inner_dim() + column;
    const size_t n = size_t(std::min(kColumns, kept.inner_dim() - column));
    StridedIndex<1> output(kept.dims(), {kept.strides.data()});
    output.seek(first);
    const char* elements = work_.in.as<const char>() + output.offset(0) * item_size;
    uint32_t* const indices = work_.indices + first;
    std::memcpy(best.elements, elements, n * item_size);
    std::fill_n(indices, n, 0);
    for (int64_t i = 1; i < reduced.size; ++i) {
      elements += reduced.inner_stride() * item_size;
      is_better_(best.is_better, elements, best.elements, nullptr, n);
      choose_element_(best.elements, best.is_better, elements, best.elements, n);
      const uint32_t number = uint32_t(i);
      fill(best.numbers, &number, int64_t(n), sizeof(number));
      choose_index_(indices, best.is_better, best.numbers, indices, n);
    }
  }

  const ArgWork& work_;
  TileKernel is_better_;
  TileKernel choose_element_;
  TileKernel choose_index_;
};

}  // namespace

void arg_reduce(bool is_max, const View& in, int axis, const View& out) {
  if (out.size == 0) return;
  const ArgWork work{is_max, in, split_axes(in, {&axis, 1}), out.as<uint32_t>()};
  if (prefers_columns(work.layout) && work.layout.kept.inner_stride() == 1) {
    ColumnSearch(work).run();
  } else {
    RowSearch(work).run();
  }
}

}  // namespace tarn::cpu
