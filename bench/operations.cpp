// Operations beside NumPy and PyTorch (peers.py), whose results are compared once, and what the
// machine can do, all in turn.
//
//   operations [--only NAME] [--json FILE]
#include <fmt/format.h>
#include <fnmatch.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/machine_limits.h"
#include "bench/measure.h"
#include "bench/peers.h"
#include "bench/random_arrays.h"
#include "tarn/runtime/components.h"
#include "tarn/tarn.h"

namespace {

using namespace tarn;
using namespace tarn::bench;

constexpr int kRounds = 9;
constexpr double kMi = 1 << 20;

// What a row cannot do without.
struct Need {
  enum class Kind { none, read, stream, arithmetic };
  Kind kind = Kind::none;
  double amount = 0;  // bytes read; bytes read and written; floating-point operations
};
Need reads(double mib) { return {Need::Kind::read, mib * kMi}; }
Need streams(double mib) { return {Need::Kind::stream, mib * kMi}; }
Need computes(double flops) { return {Need::Kind::arithmetic, flops}; }

struct Limits {
  double read_bandwidth, stream_bandwidth, flops;  // bytes, bytes, operations a second

  // The least seconds.
  double seconds_for(const Need& need) const {
    switch (need.kind) {
      case Need::Kind::none:
        break;
      case Need::Kind::read:
        return need.amount / read_bandwidth;
      case Need::Kind::stream:
        return need.amount / stream_bandwidth;
      case Need::Kind::arithmetic:
        return need.amount / flops;
    }
    return 0;
  }
};

Limits measure_limits() {
  constexpr int kElements = 16 << 20;
  MemoryLimits memory(kElements);
  std::vector<double> flops;
  for (int i = 0; i < kRounds; ++i) flops.push_back(ArithmeticLimit::flops());
  const std::vector<Timing> timings = measure({[&] { memory.read(); },        //
                                               [&] { memory.triad(false); },  //
                                               [&] { memory.triad(true); }},
                                              kRounds);
  return {4.0 * kElements / timings[0].warm,
          16.0 * kElements / std::min(timings[1].warm, timings[2].warm), median(std::move(flops))};
}

array floats(Shape shape) { return random_floats(std::move(shape), -4, 4); }
array square(int n = 4096) { return floats({n, n}); }

array definite(int n) {
  const array a = square(n);
  return matmul(a, transpose(a)) + multiply(array(float(n)), eye(n));
}

using Arrays = std::vector<array>;

// A row has the name of the same work in peers.py.
struct Row {
  const char* name;
  Need need;
  std::function<Arrays()> data;
  std::function<Arrays(const Arrays&)> work;
};

// a · b, as elements of `dtype`.
Row product(const char* name, Need need, Shape a, Shape b, Dtype dtype = float32) {
  return {name, need,
          [=] {
            return Arrays{astype(floats(a), dtype), astype(floats(b), dtype)};
          },
          [](const Arrays& arrays) { return Arrays{matmul(arrays[0], arrays[1])}; }};
}
Row square_product(const char* name, int n, double speed = 1, Dtype dtype = float32) {
  return product(name, computes(2.0 / speed * n * n * n), {n, n}, {n, n}, dtype);
}

// x of n_rows rows and a quantized square; their product.
Row on_quantized_square(const char* name, Need need, int n_rows, Dtype dtype) {
  return {name, need,
          [=] {
            Arrays data = quantize(astype(square(), dtype));
            data.push_back(astype(floats({n_rows, 4096}), dtype));
            return data;
          },
          [](const Arrays& a) { return Arrays{quantized_matmul(a[3], a[0], a[1], a[2])}; }};
}

// Work on one, two or three squares of 4096 × 4096 elements.
template <class F>
Row on_squares(const char* name, Need need, int n_squares, F work, Dtype dtype = float32) {
  return {name, need,
          [=] {
            Arrays squares;
            for (int i = 0; i < n_squares; ++i) squares.push_back(astype(square(), dtype));
            return squares;
          },
          [=](const Arrays& a) { return Arrays{work(a)}; }};
}

// Queries, keys and values of 16 heads of 64.
Arrays heads(int n_queries, int n_keys, Dtype dtype = float32) {
  const Shape queries{1, 16, n_queries, 64}, keys{1, 16, n_keys, 64};
  return {astype(floats(queries), dtype), astype(floats(keys), dtype), astype(floats(keys), dtype)};
}

// A convolution of images (8, size, size, channels) by square windows, to `size_out` places a side.
struct Windows {
  int size, channels, size_out, channels_out;
  int taps, stride, padding, groups;
};
Row convolution(const char* name, Windows w) {
  const Shape weight{w.channels_out, w.taps, w.taps, w.channels / w.groups};
  const double places = 8.0 * w.size_out * w.size_out;
  return {name, computes(2 * places * double(size_of_shape(weight))),
          [=] {
            return Arrays{floats({8, w.size, w.size, w.channels}), floats(weight)};
          },
          [=](const Arrays& a) {
            return Arrays{
                conv2d(a[0], a[1], {w.stride, w.stride}, {w.padding, w.padding}, {1, 1}, w.groups)};
          }};
}

using A = const Arrays&;

array attend(A a, const char* mask_mode = "") {
  return fast::scaled_dot_product_attention(a[0], a[1], a[2], 0.125f, mask_mode);
}

constexpr double kSquare = 64;  // MiB
// Products of bfloat16 that the instructions for them do in the time of one of floats: of AMD's
// processors. Intel's do half as many, so that floats are faster, or have AMX, whose limit is not
// measured.
const double kBfloat16Speed =
    __builtin_cpu_supports("avx512bf16") && __builtin_cpu_is("amd") ? 2 : 1;

const std::vector<Row> kRows{
    on_squares("add", streams(3 * kSquare), 2, [](A a) { return a[0] + a[1]; }),
    on_squares("multiply_add", streams(4 * kSquare), 3, [](A a) { return a[0] * a[1] + a[2]; }),
    on_squares("add_transposed", streams(3 * kSquare), 2,
               [](A a) { return a[0] + transpose(a[1]); }),
    on_squares(
        "add_bf16", streams(1.5 * kSquare), 2, [](A a) { return a[0] + a[1]; }, bfloat16),
    on_squares(
        "add_f16", streams(1.5 * kSquare), 2, [](A a) { return a[0] + a[1]; }, float16),
    on_squares("exp", streams(2 * kSquare), 1, [](A a) { return exp(a[0]); }),
    on_squares(
        "exp_bf16", streams(kSquare), 1, [](A a) { return exp(a[0]); }, bfloat16),
    on_squares("tanh", streams(2 * kSquare), 1, [](A a) { return tanh(a[0]); }),
    on_squares("sin", streams(2 * kSquare), 1, [](A a) { return sin(a[0]); }),
    on_squares("erf", streams(2 * kSquare), 1, [](A a) { return erf(a[0]); }),
    on_squares("sigmoid", streams(2 * kSquare), 1, [](A a) { return sigmoid(a[0]); }),
    {"log", streams(2 * kSquare),
     [] {
       return Arrays{random_floats({4096, 4096}, 0.1f, 4)};
     },
     [](A a) { return Arrays{log(a[0])}; }},
    {"power", streams(2 * kSquare),
     [] {
       return Arrays{random_floats({4096, 4096}, 0.1f, 4)};
     },
     [](A a) { return Arrays{power(a[0], array(2.5f))}; }},
    {"where", streams(3.25 * kSquare),
     [] {
       return Arrays{square() > 0.0f, square(), square()};
     },
     [](A a) { return Arrays{where(a[0], a[1], a[2])}; }},
    on_squares("where_positive", streams(4 * kSquare), 3,
               [](A a) { return where(a[0] > 0.0f, a[1], a[2]); }),
    on_squares("cast_bf16", streams(1.5 * kSquare), 1, [](A a) { return astype(a[0], bfloat16); }),
    on_squares("cast_f16", streams(1.5 * kSquare), 1, [](A a) { return astype(a[0], float16); }),
    on_squares(
        "cast_from_bf16", streams(1.5 * kSquare), 1, [](A a) { return astype(a[0], float32); },
        bfloat16),
    on_squares("gelu", streams(2 * kSquare), 1,
               [](A a) { return a[0] * (1.0f + erf(a[0] * float(std::sqrt(0.5)))) * 0.5f; }),
    on_squares("silu_gate", streams(3 * kSquare), 2,
               [](A a) { return a[0] * sigmoid(a[0]) * a[1]; }),
    on_squares("sum_all", reads(kSquare), 1, [](A a) { return sum(a[0]); }),
    on_squares("sum_rows", reads(kSquare), 1, [](A a) { return sum(a[0], 1); }),
    on_squares("sum_columns", reads(kSquare), 1, [](A a) { return sum(a[0], 0); }),
    on_squares("mean_square_error", reads(2 * kSquare), 2,
               [](A a) { return mean(square(a[0] - a[1])); }),
    on_squares("sum_squares_columns", reads(kSquare), 1, [](A a) { return sum(square(a[0]), 0); }),
    on_squares("argmax_rows", reads(kSquare), 1, [](A a) { return argmax(a[0], 1); }),
    on_squares("var_rows", reads(kSquare), 1, [](A a) { return var(a[0], 1); }),
    on_squares("softmax_rows", streams(2 * kSquare), 1, [](A a) { return softmax(a[0], 1); }),
    on_squares("softmax_columns", streams(2 * kSquare), 1, [](A a) { return softmax(a[0], 0); }),
    on_squares("logsumexp_rows", reads(kSquare), 1, [](A a) { return logsumexp(a[0], 1); }),
    {"layer_norm", streams(2 * kSquare),
     [] {
       return Arrays{square(), floats({4096}), floats({4096})};
     },
     [](A a) { return Arrays{fast::layer_norm(a[0], a[1], a[2], 1e-5f)}; }},
    {"rms_norm", streams(2 * kSquare),
     [] {
       return Arrays{square(), floats({4096})};
     },
     [](A a) { return Arrays{fast::rms_norm(a[0], a[1], 1e-5f)}; }},
    {"rope", streams(2 * kSquare),
     [] {
       return Arrays{floats({4, 32, 1024, 128})};
     },
     [](A a) { return Arrays{fast::rope(a[0], 128, false, 10000.0f, 1, 0)}; }},
    on_squares("hadamard", streams(2 * kSquare), 1, [](A a) { return hadamard_transform(a[0]); }),
    on_squares("cumsum_rows", streams(2 * kSquare), 1, [](A a) { return cumsum(a[0], 1); }),
    on_squares("cumsum_columns", streams(2 * kSquare), 1, [](A a) { return cumsum(a[0], 0); }),
    {"sort", {}, [] { return Arrays{floats({1 << 24})}; }, [](A a) { return Arrays{sort(a[0])}; }},
    {"sort_integers",
     {},
     [] { return Arrays{random_integers(1 << 24, 1 << 30)}; },
     [](A a) { return Arrays{sort(a[0])}; }},
    {"argsort",
     {},
     [] { return Arrays{floats({1 << 24})}; },
     [](A a) { return Arrays{argsort(a[0])}; }},
    on_squares("sort_rows", {}, 1, [](A a) { return sort(a[0], 1); }),
    on_squares("topk_rows", reads(kSquare), 1, [](A a) { return topk(a[0], 32, 1); }),
    {"take_elements",
     {},
     [] {
       return Arrays{floats({1 << 24}), random_integers(1 << 24, 1 << 24)};
     },
     [](A a) { return Arrays{take(a[0], a[1], 0)}; }},
    {"take_rows", streams(2 * kSquare),
     [] {
       return Arrays{floats({1 << 16, 256}), random_integers(1 << 16, 1 << 16)};
     },
     [](A a) { return Arrays{take(a[0], a[1], 0)}; }},
    {"scatter_add_rows", streams(3 * kSquare),
     [] {
       return Arrays{floats({1 << 16, 256}), random_integers(1 << 16, 1 << 16),
                     floats({1 << 16, 1, 256})};
     },
     [](A a) { return Arrays{scatter_add(a[0], a[1], a[2], 0)}; }},
    on_squares("transpose_copy", streams(2 * kSquare), 1,
               [](A a) { return contiguous(transpose(a[0])); }),
    on_squares(
        "transpose_copy_bf16", streams(kSquare), 1, [](A a) { return contiguous(transpose(a[0])); },
        bfloat16),
    on_squares("pad", streams(2 * kSquare), 1, [](A a) { return pad(a[0], 1); }),
    {"tile", streams(1.25 * kSquare), [] { return Arrays{square(2048)}; },
     [](A a) {
       return Arrays{tile(a[0], {2, 2})};
     }},
    {"arange", streams(kSquare), [] { return Arrays{}; },
     [](A) { return Arrays{arange(0.0, double(1 << 24), 1.0, float32)}; }},
    {"concatenate", streams(kSquare),
     [] {
       return Arrays{square(2048), square(2048)};
     },
     [](A a) {
       return Arrays{concatenate({a[0], a[1]}, 0)};
     }},
    square_product("matmul_1024", 1024),
    square_product("matmul_2048", 2048),
    square_product("matmul_4096", 4096),
    square_product("matmul_bf16_1024", 1024, kBfloat16Speed, bfloat16),
    square_product("matmul_f16_1024", 1024, 1, float16),
    square_product("matmul_f64_1024", 1024, 0.5, float64),
    {"matmul_transposed", computes(2e0 * 1024 * 1024 * 1024),
     [] {
       return Arrays{square(1024), square(1024)};
     },
     [](A a) { return Arrays{matmul(a[0], transpose(a[1]))}; }},
    product("matmul_batched", computes(2e0 * 64 * 128 * 128 * 128), {64, 128, 128}, {64, 128, 128}),
    product("matmul_small", computes(2e0 * 512 * 32 * 32 * 32), {512, 32, 32}, {512, 32, 32}),
    product("matvec", reads(kSquare), {1, 4096}, {4096, 4096}),
    product("matvec_bf16", reads(kSquare / 2), {1, 4096}, {4096, 4096}, bfloat16),
    product("matmul_skinny", reads(kSquare), {16, 4096}, {4096, 4096}),
    product("matmul_few_rows", computes(2e0 * 8 * 256 * 256), {8, 256}, {256, 256}),
    {"attention", computes(4e0 * 16 * 1024 * 1024 * 64), [] { return heads(1024, 1024); },
     [](A a) { return Arrays{attend(a)}; }},
    {"attention_causal", computes(2e0 * 16 * 1024 * 1024 * 64), [] { return heads(1024, 1024); },
     [](A a) { return Arrays{attend(a, "causal")}; }},
    {"attention_bf16",
     {},
     [] { return heads(1024, 1024, bfloat16); },
     [](A a) { return Arrays{attend(a)}; }},
    {"attention_bf16_causal",
     {},
     [] { return heads(1024, 1024, bfloat16); },
     [](A a) { return Arrays{attend(a, "causal")}; }},
    {"attention_decode", reads(2 * 16), [] { return heads(1, 4096); },
     [](A a) { return Arrays{attend(a)}; }},
    convolution("conv2d_3x3", {56, 64, 56, 64, 3, 1, 1, 1}),
    convolution("conv2d_1x1", {56, 64, 56, 256, 1, 1, 0, 1}),
    convolution("conv2d_stem", {224, 3, 112, 64, 7, 2, 3, 1}),
    convolution("conv2d_depthwise", {56, 64, 56, 64, 3, 1, 1, 64}),
    {"quantize", streams(1.25 * kSquare), [] { return Arrays{square()}; },
     [](A a) { return quantize(a[0]); }},
    {"dequantize", streams(1.25 * kSquare), [] { return quantize(square()); },
     [](A a) { return Arrays{dequantize(a[0], a[1], a[2])}; }},
    on_quantized_square("quantized_matvec", reads(10), 1, float32),
    on_quantized_square("quantized_matvec_bf16", reads(9), 1, bfloat16),
    on_quantized_square("quantized_skinny", reads(10), 16, float32),
    on_quantized_square("quantized_matmul_128", computes(2e0 * 128 * 4096 * 4096), 128, float32),
    {"cholesky",
     {},
     [] { return Arrays{definite(1024)}; },
     [](A a) { return Arrays{linalg::cholesky(a[0])}; }},
    {"inv",
     {},
     [] { return Arrays{definite(1024)}; },
     [](A a) { return Arrays{linalg::inv(a[0])}; }},
    {"rfft_long",
     {},
     [] { return Arrays{floats({1 << 20})}; },
     [](A a) { return Arrays{fft::rfft(a[0])}; }},
    {"rfft_rows",
     {},
     [] { return Arrays{square(1024)}; },
     [](A a) { return Arrays{fft::rfft(a[0])}; }},
    {"fft2", {}, [] { return Arrays{square(1024)}; }, [](A a) { return Arrays{fft::fft2(a[0])}; }},
    {"uniform", {}, [] { return Arrays{}; }, [](A) { return Arrays{random::uniform({1 << 24})}; }},
    {"normal", {}, [] { return Arrays{}; }, [](A) { return Arrays{random::normal({1 << 24})}; }},
    {"randint",
     {},
     [] { return Arrays{}; },
     [](A) { return Arrays{random::randint(0, 1000, {1 << 24})}; }},
    {"permutation",
     {},
     [] { return Arrays{}; },
     [](A) { return Arrays{random::permutation(1 << 20)}; }},
    on_squares("categorical", {}, 1, [](A a) { return random::categorical(a[0]); }),
    {"qr",
     {},
     [] { return Arrays{square(1024)}; },
     [](A a) {
       auto [q, r] = linalg::qr(a[0]);
       return Arrays{q, r};
     }},
    {"svd", {}, [] { return Arrays{square(1024)}; }, [](A a) { return linalg::svd(a[0]); }},
    {"svd_batch",
     {},
     [] {
       return Arrays{floats({64, 100, 100})};
     },
     [](A a) { return linalg::svd(a[0]); }},
    {"eigh",
     {},
     [] { return Arrays{definite(1024)}; },
     [](A a) {
       auto [values, vectors] = linalg::eigh(a[0]);
       return Arrays{values, vectors};
     }},
};

struct Result {
  const char* name;
  Timing tarn;
  double limit;                        // seconds; 0: none is known
  std::optional<double> numpy, torch;  // warm seconds
};

std::optional<double> median_of(const std::vector<double>& seconds) {
  return seconds.empty() ? std::nullopt : std::optional(median(seconds));
}

// A processor that others use, too, is not as fast in every minute: its speed is measured in turn
// with the work.
//
// Throws if a peer's results differ.
Result run(const Row& row, Limits limits, Peers& peers) {
  Arrays data = row.data();
  eval(data);
  const Work work = [&] { eval(row.work(data)); };
  Timing tarn{seconds_of(work), 0};
  peers.load(row.name, data, row.work(data));
  for (const char* framework : {"numpy", "torch"}) {
    const std::string difference = peers.difference(framework);
    if (!difference.empty()) {
      throw std::runtime_error(fmt::format("{}: results differ: {}", row.name, difference));
    }
  }
  std::vector<double> own, numpy, torch, flops;
  for (int round = 0; round < kRounds; ++round) {
    own.push_back(seconds_when_awake(work));
    // Not after the peers, whose threads do not sleep at once.
    if (row.need.kind == Need::Kind::arithmetic) flops.push_back(ArithmeticLimit::flops());
    if (auto seconds = peers.seconds("numpy")) numpy.push_back(*seconds);
    if (auto seconds = peers.seconds("torch")) torch.push_back(*seconds);
  }
  limits.flops = median_of(flops).value_or(limits.flops);
  tarn.warm = median(std::move(own));
  return {row.name, tarn, limits.seconds_for(row.need), median_of(numpy), median_of(torch)};
}

void print_header() {
  fmt::print("{:<18} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "milliseconds", "cold", "warm",
             "NumPy", "PyTorch", "/ NumPy", "/ PyTorch", "of limit");
}

void print_row(const Result& result) {
  const auto ms = [](std::optional<double> seconds) {
    return seconds ? fmt::format("{:.2f}", *seconds * 1e3) : "";
  };
  const auto ratio = [&](std::optional<double> peer) {
    return peer ? fmt::format("{:.2f}x", *peer / result.tarn.warm) : "";
  };
  fmt::print(
      "{:<18} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", result.name, ms(result.tarn.cold),
      ms(result.tarn.warm), ms(result.numpy), ms(result.torch), ratio(result.numpy),
      ratio(result.torch),
      result.limit > 0 ? fmt::format("{:.0f} %", 100 * result.limit / result.tarn.warm) : "");
  std::fflush(stdout);
}

nlohmann::json json_of(const std::vector<Result>& results, const Limits& limits) {
  const auto seconds = [](std::optional<double> value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  };
  auto rows = nlohmann::json::array();
  for (const Result& result : results) {
    rows.push_back({{"name", result.name},
                    {"cold_seconds", result.tarn.cold},
                    {"warm_seconds", result.tarn.warm},
                    {"numpy_seconds", seconds(result.numpy)},
                    {"torch_seconds", seconds(result.torch)},
                    {"limit_seconds", result.limit}});
  }
  const Components components = installed_components();
  return {{"isa", components.isa},
          {"n_threads", components.n_threads},
          {"read_bytes_per_second", limits.read_bandwidth},
          {"triad_bytes_per_second", limits.stream_bandwidth},
          {"flops", limits.flops},
          {"peak_resident_bytes", peak_resident_bytes()},
          {"rows", rows}};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Times operations beside NumPy, PyTorch and the limits of the machine.");
  const LimitThreads threads;
  std::string only = "*", json_path;
  app.add_option("--only", only, "Rows whose names match this pattern: 'matmul*', '@(exp|gelu)'");
  app.add_option("--json", json_path, "Write all seconds to this file, too");
  CLI11_PARSE(app, argc, argv);

  const Limits limits = measure_limits();  // before the peers, whose start takes a while
  Peers peers(TARN_BENCH_PEERS);
  fmt::print("limits: read {:.1f} GB/s, triad {:.1f} GB/s, {:.0f} GFLOP/s; {}, {} threads\n",
             limits.read_bandwidth / 1e9, limits.stream_bandwidth / 1e9, limits.flops / 1e9,
             installed_components().isa, installed_components().n_threads);
  print_header();
  std::vector<Result> results;
  try {
    for (const Row& row : kRows) {
      if (fnmatch(only.c_str(), row.name, FNM_EXTMATCH) != 0) continue;
      results.push_back(run(row, limits, peers));
      print_row(results.back());
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "operations: {}\n", error.what());
    return 1;
  }
  if (results.empty()) {
    fmt::print(stderr, "operations: no row matches {}\n", only);
    return 2;
  }
  if (!json_path.empty()) std::ofstream(json_path) << json_of(results, limits).dump(2) << '\n';
}
