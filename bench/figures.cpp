// The figures that Tarn promises, each as a ratio to a limit that the same run measures: what the
// runtime costs a node, elementwise work and sums against memory bandwidth, loading against pread.
//
//   figures [--json]
#include <fcntl.h>
#include <fmt/format.h>
#include <immintrin.h>
#include <sys/mman.h>
#include <tbb/parallel_for.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <vector>

#include "tarn/tarn.h"

namespace {

using namespace tarn;

constexpr int kElements = 16 << 20;
constexpr int kRepeats = 9;

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Median seconds of a warm `work`.
double median_seconds(const std::function<void()>& work, int repeats = kRepeats) {
  work();
  std::vector<double> seconds;
  for (int i = 0; i < repeats; ++i) {
    double start = now();
    work();
    seconds.push_back(now() - start);
  }
  std::nth_element(seconds.begin(), seconds.begin() + repeats / 2, seconds.end());
  return seconds[repeats / 2];
}

struct Row {
  std::string name;
  double value;
  const char* unit;
  double target;
  bool less_is_better;

  bool met() const { return less_is_better ? value <= target : value >= target; }
};
std::vector<Row> rows;

void at_most(std::string name, double value, const char* unit, double target) {
  rows.push_back({std::move(name), value, unit, target, true});
}
void at_least(std::string name, double value, const char* unit, double target) {
  rows.push_back({std::move(name), value, unit, target, false});
}

array chain(const array& x, const array& y, int n) {
  array z = x;
  for (int i = 0; i < n; ++i) z = z + y;
  return z;
}

void nodes() {
  constexpr int kNodes = 1000;
  array x({1.f, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16});
  array y = x;
  double build = median_seconds([&] { chain(x, y, kNodes); }, 301);
  double both = median_seconds([&] { eval(chain(x, y, kNodes)); }, 301);
  at_most("build a node (chain of 1,000 adds, 16 floats; dropping it included)",
          build / kNodes * 1e9, "ns", 120);
  at_most("build and evaluate a node", both / kNodes * 1e9, "ns", 250);
  at_most("one tiny synchronous eval",
          median_seconds(
              [&] {
                for (int i = 0; i < 100; ++i) eval(x + y);
              },
              101) /
              100 * 1e6,
          "us", 2);

  auto nodes_per_second = [&] {
    array mine = x + 0.0f;
    eval(mine);
    double start = now();
    int n = 0;
    for (; now() - start < 0.5; n += kNodes) eval(chain(mine, mine, kNodes));
    return n / (now() - start);
  };
  double one = nodes_per_second();
  std::vector<double> each(8);
  std::vector<std::thread> threads;
  for (double& rate : each) threads.emplace_back([&] { rate = nodes_per_second(); });
  for (std::thread& thread : threads) thread.join();
  double all = 0;
  for (double rate : each) all += rate;
  at_least("nodes a second of 8 threads, to one thread", all / one, "x", 1.7);
}

// Bytes a second of a plain two-array read into one, and of a plain read, by hand on all cores.
struct Bandwidth {
  double triad;
  double read;
};

float* huge_floats(int n) {
  void* bytes =
      mmap(nullptr, size_t(n) * 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  madvise(bytes, size_t(n) * 4, MADV_HUGEPAGE);
  return static_cast<float*>(bytes);
}

Bandwidth measure_bandwidth() {
  float *a = huge_floats(kElements), *b = huge_floats(kElements), *c = huge_floats(kElements),
        *d = huge_floats(kElements);
  std::fill_n(a, kElements, 1.5f);
  std::fill_n(b, kElements, 2.5f);
  std::fill_n(c, kElements, 3.5f);
  std::fill_n(d, kElements, 0.f);
  constexpr int kBlock = 1 << 16;
  auto over_blocks = [&](auto work) {
    tbb::parallel_for(0, kElements / kBlock,
                      [&](int block) { work(block * kBlock, (block + 1) * kBlock); });
  };
  double triad = median_seconds([&] {
    over_blocks([&](int begin, int end) {
      for (int i = begin; i < end; i += 4) {
        __m128 product = _mm_mul_ps(_mm_load_ps(a + i), _mm_load_ps(b + i));
        _mm_stream_ps(d + i, _mm_add_ps(product, _mm_load_ps(c + i)));
      }
    });
  });
  std::atomic<float> sink{0};
  double read = median_seconds([&] {
    over_blocks([&](int begin, int end) {
      __m128 sums[8] = {};
      for (int i = begin; i < end; i += 32) {
        for (int k = 0; k < 8; ++k) sums[k] = _mm_add_ps(sums[k], _mm_load_ps(a + i + 4 * k));
      }
      for (int k = 1; k < 8; ++k) sums[0] = _mm_add_ps(sums[0], sums[k]);
      sink.store(_mm_cvtss_f32(sums[0]), std::memory_order_relaxed);
    });
  });
  for (float* floats : {a, b, c, d}) munmap(floats, size_t(kElements) * 4);
  fmt::print(stderr, "limits: triad {:.1f} GB/s, read {:.1f} GB/s\n",
             16.0 * kElements / triad / 1e9, 4.0 * kElements / read / 1e9);
  return {16.0 * kElements / triad, 4.0 * kElements / read};
}

array random_floats(Shape shape, float low, float high) {
  std::mt19937 generator(7);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values(size_of_shape(shape));
  for (float& value : values) value = uniform(generator);
  return array(values.begin(), std::move(shape));
}

void memory_bound(const Bandwidth& limit) {
  Shape shape{4096, 4096};
  array a = random_floats(shape, -4, 4), b = random_floats(shape, -4, 4),
        c = random_floats(shape, -4, 4);
  double fma = median_seconds([&] { eval(a * b + c); });
  at_least("a*b+c of 16 Mi float32, share of triad bandwidth", 16.0 * kElements / fma / limit.triad,
           "", 0.8);
  double triad_seconds = 16.0 * kElements / limit.triad;
  using Function = array (*)(const array&, StreamOrDevice);
  for (auto [name, function] : {std::pair<const char*, Function>{"exp", tarn::exp},
                                {"tanh", tarn::tanh},
                                {"erf", tarn::erf},
                                {"sigmoid", tarn::sigmoid}}) {
    double seconds = median_seconds([&] { eval(function(a, {})); });
    at_most(fmt::format("{} of 16 Mi float32, to the time of the triad", name),
            seconds / triad_seconds, "x", 1.5);
  }
  auto share = [&](double seconds) { return 4.0 * kElements / seconds / limit.read; };
  at_least("sum over all, share of read bandwidth", share(median_seconds([&] { eval(sum(a)); })),
           "", 0.85);
  at_least("sum of rows, share of read bandwidth", share(median_seconds([&] { eval(sum(a, 1)); })),
           "", 0.85);
  at_least("sum of columns, share of read bandwidth",
           share(median_seconds([&] { eval(sum(a, 0)); })), "", 0.85);
}

void loading() {
  std::filesystem::path path = std::filesystem::temp_directory_path() / "tarn_figures.safetensors";
  constexpr int kTensors = 64;
  {
    std::unordered_map<std::string, array> tensors;
    array values = random_floats({4 << 20}, -1, 1);
    for (int i = 0; i < kTensors; ++i) tensors.insert({fmt::format("tensor.{}", i), values});
    save_safetensors(path.string(), tensors);
  }
  size_t nbytes = std::filesystem::file_size(path);
  int file = open(path.c_str(), O_RDONLY);
  std::vector<char> buffers[2] = {std::vector<char>(nbytes / 2), std::vector<char>(nbytes / 2)};
  double by_hand = median_seconds(
      [&] {
        std::vector<std::thread> readers;
        for (int half = 0; half < 2; ++half) {
          readers.emplace_back([&, half] {
            for (size_t at = 0; at < nbytes / 2;) {
              ssize_t n =
                  pread(file, buffers[half].data() + at, std::min<size_t>(nbytes / 2 - at, 1 << 20),
                        off_t(half * (nbytes / 2) + at));
              if (n <= 0) std::abort();
              at += size_t(n);
            }
          });
        }
        for (std::thread& reader : readers) reader.join();
      },
      5);
  close(file);
  double loaded = median_seconds(
      [&] {
        std::vector<array> all;
        for (auto& [name, tensor] : load_safetensors(path.string()).first) all.push_back(tensor);
        eval(all);
      },
      5);
  std::filesystem::remove(path);
  at_least("loading 1 GiB of safetensors, share of a two-thread pread loop", by_hand / loaded, "",
           0.8);
}

}  // namespace

int main(int argc, char** argv) {
  bool as_json = argc > 1 && std::strcmp(argv[1], "--json") == 0;
  nodes();
  memory_bound(measure_bandwidth());
  loading();
  auto json = nlohmann::json::array();
  for (const Row& row : rows) {
    json.push_back({{"name", row.name},
                    {"value", row.value},
                    {"unit", row.unit},
                    {"target", row.target},
                    {"met", row.met()}});
    if (!as_json) {
      fmt::print("{:<72} {:8.2f} {:<2} target {} {:.2f} {}\n", row.name, row.value, row.unit,
                 row.less_is_better ? "<=" : ">=", row.target, row.met() ? "met" : "MISSED");
    }
  }
  if (as_json) fmt::print("{}\n", json.dump(2));
}
