// The figures that Tarn promises: what the runtime costs a node; elementwise work and sums against
// memory bandwidth, loading against pread, each beside the limit and in turn with it.
//
//   figures [--json]
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "bench/machine_limits.h"
#include "bench/measure.h"
#include "bench/random_arrays.h"
#include "tarn/runtime/components.h"
#include "tarn/tarn.h"

namespace {

using namespace tarn;
using namespace tarn::bench;

constexpr int kElements = 16 << 20;
constexpr int kRounds = 15;
std::vector<Figure> figures;

void expect(bool is_right, const char* what) {
  if (!is_right) throw std::runtime_error(fmt::format("wrong result: {}", what));
}

constexpr int kNodes = 1000;

array chain(const array& x, const array& y) {
  array z = x;
  for (int i = 0; i < kNodes; ++i) z = z + y;
  return z;
}

double nodes_per_second(const array& x, double seconds) {
  const double start = now();
  int64_t n = 0;
  for (; now() - start < seconds; n += kNodes) eval(chain(x, x));
  return double(n) / (now() - start);
}

double nodes_per_second_of_threads(const array& x, int n_threads, double seconds) {
  std::vector<double> rates(n_threads);
  std::vector<std::jthread> threads;
  for (double& rate : rates) {
    threads.emplace_back([&] {
      const StreamContext mine(new_stream(Device::cpu));
      const array own = copy(x);  // else the threads would take turns in counting its owners
      eval(own);
      rate = nodes_per_second(own, seconds);
    });
  }
  threads.clear();
  double sum = 0;
  for (double rate : rates) sum += rate;
  return sum;
}

void nodes() {
  const array x = random_floats({16}, -1, 1), y = random_floats({16}, 1, 2);
  constexpr int kEvals = 100;
  const std::vector<Timing> timings = measure({[&] { chain(x, y); },        //
                                               [&] { eval(chain(x, y)); },  //
                                               [&] {
                                                 for (int i = 0; i < kEvals; ++i) eval(x + y);
                                               }},
                                              301);
  const auto add = [&](const char* name, const Timing& timing, int count, double in_unit,
                       const char* unit, double target) {
    const Timing each{timing.cold / count, timing.warm / count};
    figures.push_back({name, each.warm * in_unit, unit, target, true, each});
  };
  add("build a node of a chain of 1,000 adds of 16 floats", timings[0], kNodes, 1e9, "ns", 120);
  add("build and evaluate it", timings[1], kNodes, 1e9, "ns", 250);
  add("one tiny synchronous eval", timings[2], kEvals, 1e6, "us", 2);

  array z = chain(x, y);
  const float expected = x.data<float>()[5] + kNodes * y.data<float>()[5];
  eval(z);
  expect(std::fabs(z.data<float>()[5] - expected) < 1e-2f * expected, "chain of adds");

  std::vector<double> ratios;
  for (int round = 0; round < 7; ++round) {
    const double one = nodes_per_second_of_threads(x, 1, 0.1);
    ratios.push_back(nodes_per_second_of_threads(x, 8, 0.2) / one);
  }
  figures.push_back({"nodes a second of 8 threads, to one", median(ratios), "x", 1.7, false});
}

// Work beside a limit; the figure is limit / work, or its inverse.
void against(const char* name, const Work& work, const Work& limit, double target, bool is_at_most,
             int rounds = kRounds) {
  const std::vector<Timing> timings = measure({work, limit}, rounds);
  const double share = timings[1].warm / timings[0].warm;
  figures.push_back({name, is_at_most ? 1 / share : share, is_at_most ? "x" : "", target,
                     is_at_most, timings[0], timings[1].warm});
}

void memory_bound() {
  const Shape shape{4096, 4096};
  const array a = random_floats(shape, -4, 4), b = random_floats(shape, -4, 4),
              c = random_floats(shape, -4, 4);
  MemoryLimits limits(kElements);
  const std::vector<Timing> triads =
      measure({[&] { limits.triad(false); }, [&] { limits.triad(true); }}, kRounds);
  const bool stream = triads[1].warm < triads[0].warm;
  const Work triad = [&] { limits.triad(stream); };
  const Work read = [&] { limits.read(); };
  // In one expression the product would be alive, and so wanted, while it is evaluated.
  const Work multiply_add = [&] {
    const array result = a * b + c;
    eval(result);
  };

  against("a*b+c, share of triad bandwidth", multiply_add, triad, 0.8, false);
  against(
      "exp, to the triad", [&] { eval(exp(a)); }, triad, 1.5, true);
  against(
      "tanh, to the triad", [&] { eval(tanh(a)); }, triad, 1.5, true);
  against(
      "erf, to the triad", [&] { eval(erf(a)); }, triad, 1.5, true);
  against(
      "sigmoid, to the triad", [&] { eval(sigmoid(a)); }, triad, 1.5, true);
  against(
      "sum over all, share of read bandwidth", [&] { eval(sum(a)); }, read, 0.85, false);
  against(
      "sum of rows, share of read bandwidth", [&] { eval(sum(a, 1)); }, read, 0.85, false);
  against(
      "sum of columns, share of read bandwidth", [&] { eval(sum(a, 0)); }, read, 0.85, false);

  array total = sum(a), exponentials = exp(a);
  eval(total, exponentials);
  const float* const floats = a.data<float>();
  double expected = 0;
  for (int i = 0; i < kElements; ++i) expected += floats[i];
  expect(std::fabs(total.item<float>() - expected) < 1e-6 * std::fabs(expected) + 1e-3, "sum");
  for (int i = 0; i < kElements; i += 997) {
    expect(std::fabs(exponentials.data<float>()[i] / std::exp(floats[i]) - 1) < 1e-6f, "exp");
  }
}

// A checkpoint of 1 GiB, removed in the end.
class Checkpoint {
 public:
  Checkpoint() {
    std::unordered_map<std::string, array> tensors;
    for (int i = 0; i < 64; ++i) tensors.insert({fmt::format("tensor.{}", i), values});
    save_safetensors(path.string(), tensors);
  }
  Checkpoint(const Checkpoint&) = delete;
  ~Checkpoint() { std::filesystem::remove(path); }

  const std::filesystem::path path =
      std::filesystem::temp_directory_path() / fmt::format("tarn_figures_{}.safetensors", getpid());
  const array values = random_floats({4 << 20}, -1, 1);  // of each tensor
};

struct ToolRun {
  double seconds;  // of its work, by its own clock: starting a process that links BLAS takes 30 ms
  long peak_resident_bytes;
};

// Runs `tarn stats` on the files.
ToolRun run_stats(const std::vector<std::filesystem::path>& files) {
  std::vector<const char*> arguments{TARN_BENCH_TOOL, "stats", "--json"};
  for (const std::filesystem::path& file : files) arguments.push_back(file.c_str());
  arguments.push_back(nullptr);
  int ends[2];
  expect(pipe(ends) == 0, "pipe");
  const pid_t process = fork();
  if (process == 0) {
    dup2(ends[1], STDOUT_FILENO);
    execv(arguments[0], const_cast<char**>(arguments.data()));
    _exit(127);
  }
  close(ends[1]);
  FILE* const output = fdopen(ends[0], "r");
  const auto json = nlohmann::json::parse(output, nullptr, /*allow_exceptions=*/false);
  std::fclose(output);
  int status = 0;
  rusage usage{};
  expect(wait4(process, &status, 0, &usage) == process && status == 0, "tarn stats");
  return {json["summary"]["seconds"].get<double>(), usage.ru_maxrss * 1024};
}

// Requires: this process is small, since its child counts what it had before it became the tool.
void memory_of_statistics(const Checkpoint& checkpoint) {
  std::vector<std::filesystem::path> links;
  for (int i = 0; i < 4; ++i) {
    links.push_back(fmt::format("{}.{}.safetensors", checkpoint.path.string(), i));
    std::filesystem::create_hard_link(checkpoint.path, links.back());
  }
  const double mib = double(run_stats(links).peak_resident_bytes) / (1 << 20);
  for (const std::filesystem::path& link : links) std::filesystem::remove(link);
  figures.push_back({"memory of tarn stats of 4 GiB", mib, "MiB", 600, true});
}

void loading(const Checkpoint& checkpoint) {
  const size_t nbytes = std::filesystem::file_size(checkpoint.path);
  const int file = open(checkpoint.path.c_str(), O_RDONLY);
  const HugeArray<char> buffer(nbytes);
  const Work pread = [&] { pread_on_two_threads(file, buffer.data(), nbytes); };
  const auto load = [&] {
    std::vector<array> tensors;
    for (auto& [name, tensor] : load_safetensors(checkpoint.path.string()).first) {
      tensors.push_back(tensor);
    }
    eval(tensors);
    return tensors[0];
  };
  against("loading 1 GiB of safetensors, share of pread", load, pread, 0.8, false, 7);
  const array& values = checkpoint.values;
  expect(std::memcmp(load().data<float>(), values.data<float>(), values.nbytes()) == 0, "load");

  std::vector<double> stats, reading;
  for (int round = 0; round < 7; ++round) {
    stats.push_back(run_stats({checkpoint.path}).seconds);
    reading.push_back(seconds_when_awake(pread));
  }
  const Timing seconds{stats[0], median(stats)};
  figures.push_back({"tarn stats of it, share of pread", median(reading) / seconds.warm, "", 0.6,
                     false, seconds, median(reading)});
  close(file);
}

void print_json() {
  auto rows = nlohmann::json::array();
  for (const Figure& figure : figures) {
    rows.push_back({{"name", figure.name},
                    {"value", figure.value},
                    {"unit", figure.unit},
                    {"target", figure.target},
                    {"target_is", figure.is_at_most ? "at most" : "at least"},
                    {"is_met", figure.is_met()},
                    {"warm_seconds", figure.seconds.warm},
                    {"cold_seconds", figure.seconds.cold},
                    {"limit_seconds", figure.limit}});
  }
  const Components components = installed_components();
  const nlohmann::json json{{"isa", components.isa},
                            {"n_threads", components.n_threads},
                            {"peak_resident_bytes", peak_resident_bytes()},
                            {"figures", rows}};
  fmt::print("{}\n", json.dump(2));
}

std::string readable(double seconds) {
  if (seconds == 0) return "";
  return seconds < 1e-6   ? fmt::format("{:.0f} ns", seconds * 1e9)
         : seconds < 1e-3 ? fmt::format("{:.2f} us", seconds * 1e6)
                          : fmt::format("{:.2f} ms", seconds * 1e3);
}

void print_table() {
  fmt::print("{:<52} {:>10} {:>10} {:>10} {:>10}  target\n", "16 Mi float32 unless said", "cold",
             "warm", "limit", "figure");
  for (const Figure& figure : figures) {
    fmt::print("{:<52} {:>10} {:>10} {:>10} {:>7.2f} {:<2}  {} {} {}\n", figure.name,
               readable(figure.seconds.cold), readable(figure.seconds.warm), readable(figure.limit),
               figure.value, figure.unit, figure.is_at_most ? "<=" : ">=", figure.target,
               figure.is_met() ? "" : "MISSED");
  }
  const Components components = installed_components();
  fmt::print("{}, {} threads, peak resident size {} MiB\n", components.isa, components.n_threads,
             peak_resident_bytes() >> 20);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const LimitThreads threads;
    const Checkpoint checkpoint;
    memory_of_statistics(checkpoint);
    nodes();
    memory_bound();
    loading(checkpoint);
  } catch (const std::exception& error) {  // so that the checkpoint is removed
    fmt::print(stderr, "figures: {}\n", error.what());
    return 1;
  }
  argc > 1 && std::strcmp(argv[1], "--json") == 0 ? print_json() : print_table();
}
