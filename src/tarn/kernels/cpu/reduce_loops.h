// The loops of reductions, over elements that are in memory or computed as they are read: a Source
// makes what a thread reads them with. For reduce.cpp and the fused reductions of the backend.
#pragma once

#include <algorithm>
#include <cstring>

#include "tarn/base/ceil_div.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/parallel.h"
#include "tarn/kernels/cpu/reduce_layout.h"
#include "tarn/kernels/cpu/row_adders.h"
#include "tarn/kernels/cpu/scratch.h"
#include "tarn/kernels/cpu/strided_index.h"
#include "tarn/ops/reduce.h"

namespace tarn::cpu {

// A reduction of many elements to few outputs is cut into chunks of about this many, whatever the
// number of threads, and the chunks' accumulators are combined in order.
inline constexpr int64_t kChunk = 64 << 10;
inline constexpr int64_t kFewOutputs = 64;

// Columns that are reduced at once: their accumulators stay in the first-level cache, and rows are
// read in pieces long enough for the prefetchers, several pages where they need no conversion.
inline constexpr int64_t kColumns = 2 * BlockReader::kBlock;
// Rows that are added up in float before their sums are added up in double.
inline constexpr int64_t kFloatRows = 128;
static_assert(kFloatRows % kRowsAtOnce == 0);

// How an operation reduces one dtype: what elements are converted to, and the kernels for that.
struct Reducer {
  // The value that changes nothing, as an element.
  enum class Identity { zero, one, lowest, highest };

  Dtype::Val element;
  Dtype::Val accumulator;  // double for sums and products of float, else as the elements
  Identity identity;
  RunReducer run;               // elements to an accumulator
  TileKernel combine_elements;  // two rows of elements to one
  RowAdder add_rows = nullptr;  // the same with several rows at once, where there is a kernel
  TileKernel combine;           // two rows of accumulators to one
  TileKernel widen;             // elements to accumulators; null if they are the same
  TileKernel finish;            // accumulators to results; null if they are the same

  Reducer(ReduceOp op, Dtype in, Dtype out);

  int accumulator_size() const { return kAllDtypes[int(accumulator)].size(); }

  void fill_elements(void* to, int64_t n) const { fill_identity(element, to, n); }
  void fill_accumulators(void* to, int64_t n) const { fill_identity(accumulator, to, n); }

 private:
  void fill_identity(Dtype::Val dtype, void* to, int64_t n) const;
};

// The part of a reduction that rows and columns share: accumulators of chunks, and results.
template <class Source>
class Reduction {
 public:
  Reduction(const Reducer& reducer, const Source& in, ReduceLayout layout, const View& out,
            const AllocateScratch& allocate)
      : reducer_(reducer), in_(in), layout_(std::move(layout)), out_(out), allocate_(allocate) {}

 protected:
  // Cuts the elements of each output into chunks of `size`.
  void cut(int64_t size) {
    chunk_ = std::max<int64_t>(1, size);
    n_chunks_ = std::max<int64_t>(1, ceil_div(layout_.reduced.size, chunk_));
    if (n_chunks_ > 1) {
      accumulators_ = allocate_(n_chunks_ * layout_.kept.size * reducer_.accumulator_size());
    }
  }

  // Some outputs at a time, whose totals stay in the first-level cache.
  void combine_chunks() const {
    if (n_chunks_ == 1) return;
    constexpr int64_t kAtOnce = 1024;
    for (int64_t first = 0; first < layout_.kept.size; first += kAtOnce) {
      const int64_t n = std::min(kAtOnce, layout_.kept.size - first);
      unsigned char* const total = accumulators_at(0, first);
      for (int64_t chunk = 1; chunk < n_chunks_; ++chunk) {
        reducer_.combine(total, total, accumulators_at(chunk, first), nullptr, size_t(n));
      }
      finish(first, n, total);
    }
  }

  // Of output number `first` and those after it. Requires: there is more than one chunk.
  unsigned char* accumulators_at(int64_t chunk, int64_t first) const {
    return static_cast<unsigned char*>(accumulators_.get()) +
           (chunk * layout_.kept.size + first) * reducer_.accumulator_size();
  }

  void finish(int64_t first, int64_t n, const void* accumulators) const {
    const int64_t item_size = out_.itemsize();
    char* const to = out_.as<char>() + first * item_size;
    if (reducer_.finish) {
      reducer_.finish(to, accumulators, nullptr, nullptr, size_t(n));
    } else {
      std::memcpy(to, accumulators, n * item_size);
    }
  }

  const Reducer& reducer_;
  const Source& in_;
  const ReduceLayout layout_;
  int64_t chunk_ = 0;  // elements of one output
  int64_t n_chunks_ = 0;

 private:
  const View& out_;
  const AllocateScratch& allocate_;
  Scratch accumulators_;
};

// One output at a time.
template <class Source>
class RowReduction : Reduction<Source> {
  using Base = Reduction<Source>;
  using Reader = typename Source::Reader;
  using Base::accumulators_at, Base::chunk_, Base::combine_chunks, Base::cut, Base::finish;
  using Base::in_, Base::layout_, Base::n_chunks_, Base::reducer_;

 public:
  using Base::Base;

  void run() {
    const bool few = layout_.kept.size < kFewOutputs;
    cut(few ? kChunk : layout_.reduced.size);
    const int64_t per_unit = std::max<int64_t>(1, std::min(chunk_, layout_.reduced.size));
    parallel_ranges(layout_.kept.size * n_chunks_,
                    std::max<int64_t>(1, Source::kElementsPerRange / per_unit),
                    [this](RangeQueue& queue) { drain(queue); });
    combine_chunks();
  }

 private:
  void drain(RangeQueue& queue) const {
    Reader reader = in_.reader(reducer_.element);
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      n_chunks_ == 1 ? reduce_rows(reader, range.begin, range.end)
                     : reduce_chunks(reader, range.begin, range.end);
    }
  }

  // Outputs, each of one chunk, several of which are delivered at once.
  void reduce_rows(Reader& reader, int64_t begin, int64_t end) const {
    constexpr int64_t kDelivered = 64;
    const Walk& kept = layout_.kept;
    StridedIndex<1> output(kept.dims(), {kept.strides.data()});
    output.seek(begin);
    alignas(8) unsigned char accumulators[kDelivered * 8];
    for (int64_t first = begin; first < end; first += kDelivered) {
      const int64_t n = std::min(kDelivered, end - first);
      reducer_.fill_accumulators(accumulators, n);
      for (int64_t i = 0; i < n; ++i, output.next()) {
        reduce_chunk(reader, output.offset(0), 0, accumulators + i * reducer_.accumulator_size());
      }
      finish(first, n, accumulators);
    }
  }

  // Units are the chunks of one output after another.
  void reduce_chunks(Reader& reader, int64_t begin, int64_t end) const {
    const Walk& kept = layout_.kept;
    StridedIndex<1> output(kept.dims(), {kept.strides.data()});
    output.seek(begin / n_chunks_);
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t chunk = unit % n_chunks_;
      alignas(8) unsigned char accumulator[8];
      reducer_.fill_accumulators(accumulator, 1);
      reduce_chunk(reader, output.offset(0), chunk, accumulator);
      std::memcpy(accumulators_at(chunk, unit / n_chunks_), accumulator,
                  size_t(reducer_.accumulator_size()));
      if (chunk + 1 == n_chunks_) output.next();
    }
  }

  void reduce_chunk(Reader& reader, int64_t offset, int64_t chunk, void* accumulator) const {
    const Walk& reduced = layout_.reduced;
    const int64_t begin = chunk * chunk_;
    const int64_t end = std::min(begin + chunk_, reduced.size);
    if (reader.reads_in_place(reduced.inner_stride()) && reduced.shape.size() == 1) {
      reducer_.run(accumulator, reader.read_run(offset + begin, 1, end - begin),
                   size_t(end - begin));
      return;
    }
    for (int64_t i = begin; i < end; i += BlockReader::kBlock) {
      const int64_t n = std::min(BlockReader::kBlock, end - i);
      reducer_.run(accumulator, reader.read(reduced, offset, i, n), size_t(n));
    }
  }
};

// Many neighbouring outputs at a time, row by row of the input.
template <class Source>
class ColumnReduction : Reduction<Source> {
  using Base = Reduction<Source>;
  using Reader = typename Source::Reader;
  using Base::accumulators_at, Base::chunk_, Base::combine_chunks, Base::cut, Base::finish;
  using Base::in_, Base::layout_, Base::n_chunks_, Base::reducer_;

 public:
  using Base::Base;

  void run() {
    const int64_t width = layout_.kept.inner_dim();
    const int64_t n_rows = layout_.kept.size / width;
    // Chunks do not depend on how elements are read, so that the bits of the result do not.
    const int64_t most = std::min(width, kColumns);
    const int64_t rows = ceil_div(ceil_div(kChunk, most), kFloatRows) * kFloatRows;
    cut(n_rows * ceil_div(width, most) < kFewOutputs ? rows : layout_.reduced.size);
    const bool reads_in_place = in_.reads_in_place(reducer_.element, layout_.kept.inner_stride());
    columns_ = reads_in_place ? most : std::min(width, BlockReader::kBlock);
    n_pieces_ = ceil_div(width, columns_);
    const int64_t per_unit = columns_ * std::min(chunk_, layout_.reduced.size);
    parallel_ranges(n_rows * n_pieces_ * n_chunks_,
                    std::max<int64_t>(1, Source::kElementsPerRange / per_unit),
                    [this](RangeQueue& queue) { drain(queue); });
    combine_chunks();
  }

 private:
  struct Sums {
    alignas(64) unsigned char elements[kColumns * 8];
    alignas(64) unsigned char accumulators[kColumns * 8];
    alignas(64) unsigned char widened[kColumns * 8];
  };

  // Units are numbered along the columns first, so that neighbours read the same rows.
  void drain(RangeQueue& queue) const {
    Reader reader = in_.reader(reducer_.element);
    Sums sums;
    const Walk& kept = layout_.kept;
    StridedIndex<1> output(kept.dims(), {kept.strides.data()});
    for (auto range = queue.next(); range.begin < range.end; range = queue.next()) {
      for (int64_t unit = range.begin; unit < range.end; ++unit) {
        const int64_t piece = unit % n_pieces_;
        const int64_t chunk = unit / n_pieces_ % n_chunks_;
        const int64_t row = unit / n_pieces_ / n_chunks_;
        const int64_t first = row * kept.inner_dim() + piece * columns_;
        const int64_t n = std::min(columns_, kept.inner_dim() - piece * columns_);
        output.seek(first);
        void* const accumulators =
            n_chunks_ == 1 ? sums.accumulators : accumulators_at(chunk, first);
        reduce_chunk(reader, sums, output.offset(0), n, chunk, accumulators);
        if (n_chunks_ == 1) finish(first, n, accumulators);
      }
    }
  }

  void reduce_chunk(Reader& reader, Sums& sums, int64_t offset, int64_t n, int64_t chunk,
                    void* accumulators) const {
    const Walk& reduced = layout_.reduced;
    const int64_t begin = chunk * chunk_;
    const int64_t end = std::min(begin + chunk_, reduced.size);
    StridedIndex<1> row(reduced.dims(), {reduced.strides.data()});
    row.seek(begin);
    void* const elements = reducer_.widen ? sums.elements : accumulators;
    reducer_.fill_elements(elements, n);
    const int64_t stride = layout_.kept.inner_stride();
    const auto next_row = [&] {
      const void* const x = reader.read_run(offset + row.offset(0), stride, n);
      row.next();
      return x;
    };
    const bool adds_rows = reducer_.add_rows != nullptr && reader.reads_in_place(stride);
    for (int64_t i = begin; i < end;) {
      if (adds_rows && end - i >= kRowsAtOnce) {
        const void* rows[kRowsAtOnce];
        for (const void*& x : rows) x = next_row();
        reducer_.add_rows(elements, rows, size_t(n));
        i += kRowsAtOnce;
      } else {
        reducer_.combine_elements(elements, elements, next_row(), nullptr, size_t(n));
        ++i;
      }
      const bool is_round = (i - begin) % kFloatRows == 0 || i == end;
      if (reducer_.widen && is_round) flush(sums, accumulators, n, i - begin <= kFloatRows);
    }
  }

  void flush(Sums& sums, void* accumulators, int64_t n, bool is_first) const {
    void* const widened = is_first ? accumulators : sums.widened;
    reducer_.widen(widened, sums.elements, nullptr, nullptr, size_t(n));
    if (!is_first) reducer_.combine(accumulators, accumulators, widened, nullptr, size_t(n));
    reducer_.fill_elements(sums.elements, n);
  }

  int64_t columns_ = 0;   // of one unit
  int64_t n_pieces_ = 0;  // units side by side
};

template <class Source>
void reduce_elements(const Reducer& reducer, const Source& in, ReduceLayout layout, const View& out,
                     const AllocateScratch& allocate) {
  if (prefers_columns(layout)) {
    ColumnReduction<Source>(reducer, in, std::move(layout), out, allocate).run();
  } else {
    RowReduction<Source>(reducer, in, std::move(layout), out, allocate).run();
  }
}

}  // namespace tarn::cpu
