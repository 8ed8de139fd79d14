#include "tarn/kernels/cpu/conv_onednn.h"

#include <optional>
#include <string_view>
#include <vector>

#include "tarn/base/ceil_div.h"
#include "tarn/kernels/cpu/bfloat16_pairs.h"
#include "tarn/kernels/cpu/copy.h"
#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/onednn.h"
#include "tarn/kernels/cpu/parallel.h"

namespace tarn::cpu {

namespace {

using dnnl::memory;
using Primitive = dnnl::convolution_forward;

// Below this many multiplications, making primitives takes longer than they save.
constexpr int64_t kMinOnednnWork = 4 << 20;
// Images are cut until there are this many tiles, but not for fewer multiplications each.
constexpr int64_t kEnoughTiles = 32;
constexpr int64_t kMinTileWork = 2 << 20;
// What a tile may need besides its operands: fast code keeps a few rows there.
constexpr size_t kMaxTileScratch = 4 << 20;
// Weights of this size are brought into oneDNN's order by several threads, each so many channels: a
// multiple of all sizes of blocks.
constexpr int64_t kMinSharedBytes = 256 << 10;
constexpr int64_t kSharedChannels = 192;

// Whether oneDNN has fast code for some problems of the dtype.
bool is_fast(Dtype dtype) {
  const dnnl_cpu_isa_t isa = onednn_isa();
  if (dtype != bfloat16) return dtype == float32;
  if (isa == dnnl_cpu_isa_avx512_core_bf16) return bfloat16_pairs_are_fast(kernels().isa);
  return isa == dnnl_cpu_isa_avx512_core_amx;
}

// Some images, or some places along the first axis of one image.
struct Tile {
  int64_t image, images;
  int64_t place, places;
  int64_t first, in;  // of the elements along the axis that the taps meet
  int64_t low;        // zeros before them

  bool is_alike(const Tile& other) const {
    return images == other.images && places == other.places && in == other.in && low == other.low;
  }
};

// Operands are row-major.
class OnednnConvolution {
 public:
  // Of `p`, only the numbers of elements count.
  explicit OnednnConvolution(const ConvProblem& p) : p_(p) {
    const auto is_single = [](const ConvAxis& axis) {
      return axis.in == 1 && axis.taps == 1 && axis.out == 1;
    };
    while (first_axis_ < ConvProblem::kAxes - 1 && is_single(p.axes[first_axis_])) ++first_axis_;
  }

  // Whether oneDNN has fast code for the problem. To be called before the others.
  bool make_primitives() {
    for (const Tile& tile : cut()) {
      size_t kind = 0;
      while (kind < kinds_.size() && !kinds_[kind].tile.is_alike(tile)) ++kind;
      if (kind == kinds_.size() && !add_kind(tile)) return false;
      tiles_.push_back(tile);
      kind_of_tile_.push_back(kind);
    }
    return true;
  }

  // The weights in the order that the primitives want; nothing if they are in it.
  Scratch order_weights(const void* weights, const AllocateScratch& allocate) const {
    const memory::desc from = weights_desc(), to = kinds_[0].desc.weights_desc();
    if (from == to) return nullptr;
    Scratch ordered = allocate(int64_t(to.get_size()));
    const bool is_shared = p_.groups == 1 && int64_t(from.get_size()) >= kMinSharedBytes;
    const int64_t channels = is_shared ? kSharedChannels : from.dims()[0];
    parallel_ranges(ceil_div(from.dims()[0], channels), 1, [&](RangeQueue& queue) {
      const OneOpenMpThread one_thread;
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        memory::dims offsets(from.dims().size(), 0), dims = from.dims();
        offsets[0] = r.begin * channels;
        dims[0] = std::min(channels, dims[0] - offsets[0]);
        memory source = bind(from.submemory_desc(dims, offsets), weights);
        memory target = bind(to.submemory_desc(dims, offsets), ordered.get());
        dnnl::stream stream(onednn_engine());
        dnnl::reorder(source, target).execute(stream, source, target);
        stream.wait();
      }
    });
    return ordered;
  }

  // With weights in that order.
  void run(const char* in, const void* weights, char* out, const AllocateScratch& allocate) const {
    size_t scratch_bytes = 0;
    for (const Kind& kind : kinds_)
      scratch_bytes = std::max(scratch_bytes, kind.desc.scratchpad_desc().get_size());
    parallel_ranges(int64_t(tiles_.size()), 1, [&](RangeQueue& queue) {
      const OneOpenMpThread one_thread;
      Scratch scratch;
      for (auto r = queue.next(); r.begin < r.end; r = queue.next()) {
        if (!scratch) scratch = allocate(int64_t(scratch_bytes));
        run_tile(size_t(r.begin), in, weights, out, scratch.get());
      }
    });
  }

 private:
  // Tiles that one primitive does.
  struct Kind {
    Tile tile;
    Primitive::primitive_desc desc;
    Primitive primitive;
  };

  const ConvAxis& first_axis() const { return p_.axes[first_axis_]; }

  std::vector<Tile> cut() const {
    const int64_t n_places = first_axis().out;
    const int64_t n_tiles =
        std::clamp<int64_t>(p_.multiplications() / kMinTileWork, 1, kEnoughTiles);
    const int64_t images = std::max<int64_t>(1, p_.images / n_tiles);
    const int64_t pieces = ceil_div(n_tiles, ceil_div(p_.images, images));
    const int64_t places = ceil_div(n_places, std::min(pieces, n_places));
    std::vector<Tile> tiles;
    for (int64_t image = 0; image < p_.images; image += images) {
      for (int64_t place = 0; place < n_places; place += places) {
        tiles.push_back(tile_of(image, std::min(images, p_.images - image), place,
                                std::min(places, n_places - place)));
      }
    }
    return tiles;
  }

  Tile tile_of(int64_t image, int64_t images, int64_t place, int64_t places) const {
    const ConvAxis& axis = first_axis();
    if (places == axis.out) return {image, images, 0, places, 0, axis.in, axis.low};
    const int64_t begin = axis.first(place);
    const int64_t end = axis.first(place + places - 1) + (axis.taps - 1) * axis.dilation + 1;
    const int64_t first = std::max<int64_t>(begin, 0);
    return {image, images, place, places, first, std::min(end, axis.in) - first, first - begin};
  }

  bool add_kind(const Tile& tile) {
    if (tile.in <= 0) return false;
    const memory::desc weights =
        kinds_.empty() ? any_order(weights_desc()) : kinds_[0].desc.weights_desc();
    const auto desc = describe(tile, weights);
    if (!desc || desc->scratchpad_desc().get_size() > kMaxTileScratch) return false;
    // Other names are those of references, slow, and of code that multiplies matrices as
    // conv_packed.cpp does.
    const std::string_view name = desc->impl_info_str();
    if (!name.starts_with("jit") && !name.starts_with("brg")) return false;
    kinds_.push_back({tile, *desc, Primitive(*desc)});
    return true;
  }

  // Nothing if oneDNN cannot do it.
  std::optional<Primitive::primitive_desc> describe(const Tile& tile,
                                                    const memory::desc& weights) const {
    memory::dims in{tile.images, p_.groups * p_.in_channels};
    memory::dims out{tile.images, p_.groups * p_.out_channels};
    memory::dims strides, dilations, low, high;
    for (int i = first_axis_; i < ConvProblem::kAxes; ++i) {
      ConvAxis axis = p_.axes[i];
      if (i == first_axis_) {
        axis.in = tile.in;
        axis.out = tile.places;
        axis.low = tile.low;
      }
      in.push_back(axis.in);
      out.push_back(axis.out);
      strides.push_back(axis.stride);
      dilations.push_back(axis.dilation - 1);
      low.push_back(axis.low);
      high.push_back(axis.reach() - axis.in);
    }
    // Memory of our own: what oneDNN would keep by itself is shared between threads.
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    try {
      return Primitive::primitive_desc(
          {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
           channels_last(in), weights, channels_last(out), strides, dilations, low, high},
          attributes, onednn_engine());
    } catch (const dnnl::error& e) {
      if (e.status == dnnl_unimplemented || e.status == dnnl_invalid_arguments) return {};
      throw;
    }
  }

  memory::data_type data_type() const {
    return p_.dtype == float32 ? memory::data_type::f32 : memory::data_type::bf16;
  }

  memory::desc channels_last(const memory::dims& dims) const {
    constexpr memory::format_tag kTags[] = {memory::format_tag::nwc, memory::format_tag::nhwc,
                                            memory::format_tag::ndhwc};
    return memory::desc(dims, data_type(), kTags[dims.size() - 3]);
  }

  // Of weights in our order.
  memory::desc weights_desc() const {
    memory::dims dims{p_.out_channels, p_.in_channels};
    memory::dims strides{p_.depth(), 1};
    if (p_.groups > 1) {
      dims.insert(dims.begin(), p_.groups);
      strides.insert(strides.begin(), p_.out_channels * p_.depth());
    }
    int64_t stride = p_.depth();
    for (int i = first_axis_; i < ConvProblem::kAxes; ++i) {
      stride /= p_.axes[i].taps;
      dims.push_back(p_.axes[i].taps);
      strides.push_back(stride);
    }
    return memory::desc(dims, data_type(), strides);
  }

  static memory::desc any_order(const memory::desc& desc) {
    return memory::desc(desc.dims(), desc.data_type(), memory::format_tag::any);
  }

  static memory bind(const memory::desc& desc, const void* data) {
    return memory(desc, onednn_engine(), const_cast<void*>(data));
  }

  void run_tile(size_t i, const char* in, const void* weights, char* out, void* scratch) const {
    const Tile& tile = tiles_[i];
    const auto& [alike, desc, primitive] = kinds_[kind_of_tile_[i]];
    int64_t in_bytes = p_.groups * p_.in_channels * p_.dtype.size();
    int64_t out_bytes = p_.groups * p_.out_channels * p_.dtype.size();
    for (int axis = first_axis_ + 1; axis < ConvProblem::kAxes; ++axis) {
      in_bytes *= p_.axes[axis].in;
      out_bytes *= p_.axes[axis].out;
    }
    in += (tile.image * first_axis().in + tile.first) * in_bytes;
    out += (tile.image * first_axis().out + tile.place) * out_bytes;
    dnnl::stream stream(onednn_engine());
    primitive.execute(stream, {{DNNL_ARG_SRC, bind(desc.src_desc(), in)},
                               {DNNL_ARG_WEIGHTS, bind(desc.weights_desc(), weights)},
                               {DNNL_ARG_DST, bind(desc.dst_desc(), out)},
                               {DNNL_ARG_SCRATCHPAD, bind(desc.scratchpad_desc(), scratch)}});
    stream.wait();
  }

  const ConvProblem p_;
  int first_axis_ = 0;  // the first one that is more than a single element
  std::vector<Kind> kinds_;
  std::vector<Tile> tiles_;
  std::vector<size_t> kind_of_tile_;
};

}  // namespace

bool convolved_by_onednn(ConvProblem p, const AllocateScratch& allocate) try {
  if (p.multiplications() < kMinOnednnWork || !is_fast(p.dtype)) return false;
  const OneOpenMpThread one_thread;
  OnednnConvolution convolution(p);
  if (!convolution.make_primitives()) return false;

  Scratch input, weights, output;
  if (!is_row_contiguous(input_layout(p))) input = copy_input(p, allocate);
  if (!is_row_contiguous(weight_layout(p))) weights = copy_weights(p, allocate);
  const Layout out = output_layout(p), dense = row_major(out.shape);
  const bool is_aside = !is_row_contiguous(out);
  if (is_aside) output = allocate(size_of_shape(out.shape) * p.dtype.size());
  const Scratch ordered = convolution.order_weights(p.weights, allocate);
  convolution.run(p.in, ordered ? ordered.get() : p.weights,
                  is_aside ? static_cast<char*>(output.get()) : p.out, allocate);
  if (is_aside) copy(view_of(dense, output.get(), p.dtype), view_of(out, p.out, p.dtype));
  return true;
} catch (const dnnl::error& e) {
  throw_unless_ok(e.status, "conv_general");
  throw;
}

}  // namespace tarn::cpu
