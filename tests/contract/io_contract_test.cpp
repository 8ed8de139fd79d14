// What the contract says of files: programs E and L of its table, A14, B6 and C2.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "tarn/io/atomic_file.h"
#include "tarn/io/npy_header.h"
#include "tests/contract/programs.h"
#include "tests/io/faulty_system_calls.h"
#include "tests/io/gated_reader.h"

namespace tarn::contract {
namespace {

using io::FaultySystemCalls;
using io::GatedReader;
using io::TemporaryDirectory;

constexpr int64_t kSize = 1000;
constexpr int64_t kNbytes = kSize * 4;

std::string float_bytes(int64_t size = kSize) {
  std::string bytes(size_t(size) * 4, '\0');
  for (int64_t i = 0; i < size; ++i) {
    const float value = float(i);
    std::memcpy(bytes.data() + i * 4, &value, 4);
  }
  return bytes;
}

std::string npy_header(int64_t size = kSize) {
  return io::compose_npy_header(float32, std::vector<int64_t>{size}, false);
}

bool counts_up(const array& a) {
  const float* data = a.data<float>();
  for (size_t i = 0; i < a.size(); ++i) {
    if (data[i] != float(i)) return false;
  }
  return true;
}

std::shared_ptr<GatedReader> npy_reader(Gate::Pass pass = {}, int64_t size = kSize) {
  const std::string header = npy_header(size);
  return std::make_shared<GatedReader>(header + float_bytes(size), header.size(), pass);
}

// Of a file of two tensors of kSize floats each.
std::string two_tensor_header(const char* first = "a", const char* second = "b") {
  const io::SafetensorsSpec specs[] = {{first, float32, {kSize}}, {second, float32, {kSize}}};
  return io::compose_safetensors_header(specs, {});
}

TEST(Contract, contract_e01_interrupted_and_short_reads_are_continued) {
  TemporaryDirectory directory;
  io::write_file(directory / "a.npy", npy_header() + float_bytes());
  FaultySystemCalls calls;
  calls.interrupt_every_other = true;
  calls.max_transfer = 37;
  array a = load(std::make_shared<io::ParallelFileReader>(directory / "a.npy", calls));
  eval(a);
  EXPECT_TRUE(counts_up(a));
}

TEST(Contract, contract_e01_a_file_shorter_than_its_header_says_fails_with_wanted_and_got) {
  TemporaryDirectory directory;
  const std::string path = directory / "a.npy";
  io::write_file(path, npy_header() + float_bytes(kSize - 10));
  array a = load(path);
  try {
    a.eval();
    FAIL() << "read what is not there";
  } catch (const IoError& error) {
    EXPECT_EQ(error.failure()->wanted, kNbytes);
    EXPECT_EQ(error.failure()->got, kNbytes - 40);
  }
  EXPECT_THROW(a.data<float>(), IoError);
}

TEST(Contract, contract_e02_retry_reads_the_completed_file) {
  TemporaryDirectory directory;
  const std::string path = directory / "a.npy";
  io::write_file(path, npy_header() + float_bytes(kSize / 2));
  array a = load(path);
  array b = a + 0.0f;
  EXPECT_THROW(eval(b), IoError);
  io::write_file(path, npy_header() + float_bytes());
  EXPECT_THROW(eval(b), IoError);  // by itself nothing is read again
  retry({b});
  EXPECT_TRUE(counts_up(b));
}

std::string safetensors_text(std::string_view header, size_t n_data_bytes) {
  std::string file(8, '\0');
  file[0] = char(header.size());
  return file + std::string(header) + std::string(n_data_bytes, '\0');
}

TEST(Contract, contract_e03_wrong_offsets_are_refused_with_the_header) {
  TemporaryDirectory directory;
  const std::string path = directory / "a.safetensors";
  const std::pair<const char*, size_t> cases[] = {
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[18446744073709551615,3]}})", 4},  // wraps
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6},                                                              // overlaps
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", 8},  // a hole
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 3},  // past the end
  };
  for (const auto& [header, n_data_bytes] : cases) {
    io::write_file(path, safetensors_text(header, n_data_bytes));
    try {
      load_safetensors(path);
      FAIL() << header;
    } catch (const OperationError& error) {
      EXPECT_EQ(error.kind(), FailureKind::io);
      EXPECT_EQ(error.io().path, path);
    }
  }
}

// Ends the life of a save by the size of the file, as a full disk would.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t nbytes) : previous_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &previous_);
    const rlimit limit{nbytes, previous_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &previous_);
    std::signal(SIGXFSZ, previous_handler_);
  }

 private:
  rlimit previous_;
  void (*previous_handler_)(int);
};

TEST(Contract, contract_e04_a_save_without_space_leaves_the_old_file) {
  TemporaryDirectory directory;
  const std::string path = directory / "a.npy";
  save(path, array(1.0f));
  const std::string before = io::read_file(path);
  const array large = zeros({kSize}, float32);
  eval(large);
  {
    FileSizeLimit limit(512);
    EXPECT_THROW(save(path, large), OperationError);
    EXPECT_THROW(save_safetensors(directory / "b", {{"large", large}}), OperationError);
  }
  EXPECT_EQ(io::read_file(path), before);
  EXPECT_THAT(directory.names(), testing::ElementsAre("a.npy"));
  save(path, large);  // once there is space
  EXPECT_TRUE(array_equal(load(path), large).item<bool>());
}

TEST(Contract, contract_e04_a_save_that_cannot_be_finished_leaves_the_old_file) {
  TemporaryDirectory directory;
  const std::string path = directory / "a.npy";
  save(path, array(1.0f));
  const std::string before = io::read_file(path);
  const array large = zeros({kSize}, float32);
  for (const char* call : {"fsync", "close", "renameat"}) {
    SCOPED_TRACE(call);
    {
      FaultySystemCalls calls;
      calls.only = call;
      calls.fail_at = 0;
      calls.error = EDQUOT;
      auto file = std::make_shared<io::AtomicFile>(path, calls);
      save(file, large);
      try {
        file->commit();
        FAIL() << "the save succeeded";
      } catch (const OperationError& error) {
        EXPECT_EQ(error.kind(), FailureKind::io);
        EXPECT_EQ(error.io().path, path);
        EXPECT_EQ(error.io().error_number, EDQUOT);
      }
      EXPECT_EQ(calls.failed_call(), call);
      EXPECT_EQ(io::read_file(path), before);
    }
    EXPECT_EQ(io::read_file(path), before);
    EXPECT_THAT(directory.names(), testing::ElementsAre("a.npy"));
  }
  save(path, large);
  EXPECT_TRUE(array_equal(load(path), large).item<bool>());
}

TEST(Contract, contract_e04_what_failed_is_not_saved) {
  TemporaryDirectory directory;
  const std::string path = directory / "a.npy";
  save(path, array(1.0f));
  const std::string before = io::read_file(path);
  EXPECT_EQ(root_of([&] { save(path, fail("A", cpu_stream())); }), "A");
  EXPECT_EQ(io::read_file(path), before);
}

// All reports of one handler; thread-safe.
class Reports {
 public:
  LoadProgressHandler handler() {
    return [this](const LoadProgress& report) {
      const std::lock_guard lock(mutex_);
      reports_.push_back(report);
      changed_.notify_all();
    };
  }
  std::vector<LoadProgress> all() {
    const std::lock_guard lock(mutex_);
    return reports_;
  }
  void wait_for(LoadState state) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] {
      return std::ranges::any_of(reports_, [&](auto& report) { return report.state == state; });
    });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<LoadProgress> reports_;
};

const io::ProgressOptions kEveryByte{.min_interval = std::chrono::milliseconds(0)};

// From 0 to 1, each file for itself and all together.
void expect_whole_progress(Reports& reports, const std::vector<std::string>& files) {
  constexpr uint64_t kFileNbytes = 2 * kNbytes;
  std::map<std::string, LoadCounts> last;
  LoadCounts last_all;
  for (const LoadProgress& report : reports.all()) {
    SCOPED_TRACE(report.path + ", " + std::to_string(report.bytes_done));
    const bool is_first = !last.contains(report.path);
    LoadCounts& before = last[report.path];
    EXPECT_TRUE(!is_first || report.bytes_done == 0);
    EXPECT_GE(report.bytes_done, before.bytes_done);
    EXPECT_GE(report.tensors_done, before.tensors_done);
    EXPECT_EQ(report.bytes_total, kFileNbytes);
    EXPECT_EQ(report.tensors_total, 2u);
    EXPECT_EQ(report.state == LoadState::done, report.fraction() == 1);
    before = report;

    EXPECT_GE(report.all.bytes_done, last_all.bytes_done);
    EXPECT_GE(report.all.tensors_done, last_all.tensors_done);
    uint64_t sum = 0;
    for (const auto& [path, counts] : last) sum += counts.bytes_done;
    EXPECT_EQ(report.all.bytes_done, sum);
    last_all = report.all;
  }
  for (const std::string& file : files) EXPECT_EQ(last[file].bytes_done, kFileNbytes) << file;
  EXPECT_EQ(last.size(), files.size());
  EXPECT_EQ(last_all.bytes_total, files.size() * kFileNbytes);
  EXPECT_EQ(last_all.tensors_done, files.size() * 2);
  EXPECT_EQ(last_all.fraction(), 1);
}

TEST(Contract, contract_l01_progress_goes_from_0_to_1_and_scopes_see_loads_of_other_code) {
  TemporaryDirectory shards, other;
  const std::string files[] = {shards / "1.safetensors", shards / "2.safetensors",
                               other / "3.safetensors"};
  const std::string data = float_bytes() + float_bytes();
  io::write_file(files[0], two_tensor_header("a", "b") + data);
  io::write_file(files[1], two_tensor_header("c", "d") + data);
  io::write_file(files[2], two_tensor_header("e", "f") + data);
  Reports call, scope;
  {
    ScopedLoadProgress watch(scope.handler(), kEveryByte);
    CheckpointLoad loaded =
        load_checkpoint(shards.path(), {.on_progress = call.handler(), .progress = kEveryByte});
    EXPECT_TRUE(loaded.failed_shards.empty());
    std::vector<array> arrays;
    for (auto& [name, a] : loaded.arrays) arrays.push_back(a);
    for (auto& [name, a] : load_safetensors(files[2]).first) arrays.push_back(a);
    ASSERT_EQ(arrays.size(), 6u);
    EXPECT_EQ(call.all().back().all.bytes_done, 0u) << "nothing but headers has been read";
    for (const array& a : arrays) eval(a);
  }
  expect_whole_progress(call, {files[0], files[1]});
  expect_whole_progress(scope, {files[0], files[1], files[2]});
}

TEST(Contract, contract_l02_a_file_cut_after_its_header_was_read_stays_below_1) {
  const std::string header = two_tensor_header();
  auto reader =
      std::make_shared<GatedReader>(header + float_bytes() + float_bytes(), header.size());
  Reports reports;
  auto [arrays, metadata] =
      load_safetensors(reader, {.on_progress = reports.handler(), .progress = kEveryByte});
  reader->set_bytes(header + float_bytes() + float_bytes(kSize - 1));
  EvalReport report = try_eval({arrays.at("a"), arrays.at("b")});
  EXPECT_EQ(report.arrays[0].status, array::Status::available);
  ASSERT_EQ(report.arrays[1].status, array::Status::failed);
  EXPECT_EQ(report.arrays[1].failure->tensor, "b");
  for (const LoadProgress& progress : reports.all()) EXPECT_LT(progress.fraction(), 1);
  EXPECT_EQ(reports.all().back().tensors_done, 1u);

  reader->set_bytes(header + float_bytes() + float_bytes());
  retry({arrays.at("b")});
  EXPECT_EQ(reports.all().back().state, LoadState::done);
  EXPECT_EQ(reports.all().back().bytes_done, uint64_t(2 * kNbytes));
}

// `order` says whom the test waits for first.
void blocked_reader_fails(bool dependents_first) {
  Gate gate;
  auto reader = npy_reader(gate.pass());
  reader->on_read = [](size_t) { throw std::runtime_error("gone"); };
  const Stream s = cpu_stream();
  array a = load(reader, s);
  array b = plus(a, 1, s);
  array c = plus(b, 1, cpu_stream());
  async_eval(a);
  gate.wait_until_reached();
  async_eval(b, c);
  gate.open();
  std::vector<array> order{a, b, c};
  if (dependents_first) std::ranges::reverse(order);
  for (int time = 0; time < 2; ++time) {
    for (const array& waited : order) {
      EXPECT_THAT(root_of([&] { waited.wait(); }), testing::HasSubstr("gone"));
      EXPECT_EQ(waited.failure(), a.failure());
    }
  }
}

TEST(Contract, contract_l03_dependents_of_a_blocked_reader_fail_with_it) {
  blocked_reader_fails(false);
  blocked_reader_fails(true);
}

TEST(Contract, contract_a14_a_failed_read_says_what_where_and_how_much) {
  TemporaryDirectory directory;
  const std::string path = directory / "a.safetensors";
  const std::string header = two_tensor_header();
  io::write_file(path, header + float_bytes() + float_bytes());
  FaultySystemCalls calls;
  auto reader = std::make_shared<io::ParallelFileReader>(path, calls);
  array b = load_safetensors(reader).first.at("b");
  calls.only = "pread";
  calls.fail_at = calls.n_calls();
  EXPECT_THROW(eval(b), IoError);
  const FailurePtr failure = b.failure();
  EXPECT_EQ(failure->kind, FailureKind::io);
  EXPECT_EQ(failure->op, "load");
  EXPECT_EQ(failure->path, path);
  EXPECT_EQ(failure->tensor, "b");
  EXPECT_EQ(failure->offset, int64_t(header.size()) + kNbytes);
  EXPECT_EQ(failure->wanted, kNbytes);
  EXPECT_EQ(failure->got, 0);
  EXPECT_EQ(failure->error_number, EIO);
  retry({b});
  EXPECT_TRUE(counts_up(b));
}

TEST(Contract, contract_b06_deadline_and_cancel_end_the_wait_for_a_blocked_reader) {
  expect_a_deadline_at_a_gate_to_end_it(
      [](Gate::Pass pass) { return load(npy_reader(pass), cpu_stream()); }, counts_up);
  Gate gate;
  std::stop_source stop;
  array a = load(npy_reader(gate.pass()), cpu_stream());
  array b = a + 1.0f;
  std::thread cancels([&] {
    gate.wait_until_reached();
    stop.request_stop();
  });
  EXPECT_THROW(eval({b}, {.stop = stop.get_token()}), CancelledError);
  cancels.join();
  EXPECT_EQ(a.failure()->kind, FailureKind::cancelled);
  gate.open();
  retry({b});
  EXPECT_EQ(b.data<float>()[2], 3);
}

TEST(Contract, contract_b06_a_cancelled_read_stops_at_the_next_chunk) {
  constexpr int64_t kLarge = 16 << 20;  // 64 chunks
  Gate gate;
  std::stop_source stop;
  UnobservedFailures unobserved;
  auto reader = npy_reader(gate.pass(), kLarge);
  const Stream s = cpu_stream();
  array a = load(reader, s);
  async_eval({a}, {.stop = stop.get_token()});
  gate.wait_until_reached();
  stop.request_stop();
  EXPECT_THROW(a.wait(), CancelledError);
  gate.open();
  settle_everything();
  // Each thread finishes the chunk it is in.
  EXPECT_LE(reader->n_reads, int(std::thread::hardware_concurrency()) + 1);
  EXPECT_TRUE(unobserved.messages().empty());
}

TEST(Contract, contract_b06_what_others_want_is_read_to_its_end) {
  Gate gate;
  std::stop_source stop;
  auto reader = npy_reader(gate.pass());
  array a = load(reader, cpu_stream());
  async_eval({a}, {.stop = stop.get_token()});
  gate.wait_until_reached();
  async_eval(a);
  stop.request_stop();
  gate.open();
  a.wait();
  EXPECT_TRUE(counts_up(a));
}

TEST(Contract, contract_b06_a_stall_is_visible_while_the_reader_blocks) {
  Gate gate;
  Reports reports;
  array a =
      load(npy_reader(gate.pass()), {.on_progress = reports.handler(),
                                     .progress = {.stall_after = std::chrono::milliseconds(1)}});
  async_eval(a);
  reports.wait_for(LoadState::stalled);
  gate.open();
  a.wait();
  reports.wait_for(LoadState::done);
  EXPECT_EQ(reports.all().back().state, LoadState::done);
}

TEST(Contract, contract_p22_a_progress_handler_that_throws_cancels) {
  auto reader = npy_reader();
  array a = load(reader, {.on_progress =
                              [](const LoadProgress& report) {
                                if (report.bytes_done > 0) throw std::runtime_error("enough");
                              },
                          .progress = kEveryByte});
  EXPECT_THROW(a.eval(), CancelledError);
  try {
    std::rethrow_exception(a.failure()->exception);
  } catch (const std::runtime_error& thrown) {
    EXPECT_STREQ(thrown.what(), "enough");
  }
  EXPECT_NO_THROW(retry({a}));
  EXPECT_TRUE(counts_up(a));
}

TEST(Contract, contract_c02_chunks_are_drained_before_the_buffer_goes) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one thread reads one chunk";
  constexpr int64_t kLarge = 1 << 20;  // 4 chunks
  Gate gate;                           // holds all chunks but the first
  auto reader = npy_reader({}, kLarge);
  const int64_t data_begin = int64_t(npy_header(kLarge).size());
  std::atomic<int> n_inside{0};
  const Gate::Pass pass = gate.pass();
  reader->on_read = [&, pass](size_t offset) {
    if (int64_t(offset) == data_begin) {
      gate.wait_until_reached();  // another chunk is being read
      throw std::runtime_error("first chunk");
    }
    ++n_inside;
    pass.go_through();
    --n_inside;
  };
  array a = load(reader, cpu_stream());
  async_eval(a);
  gate.wait_until_reached();
  EXPECT_EQ(a.status(), array::Status::evaluated);
  gate.open();
  EXPECT_THAT(root_of([&] { a.wait(); }), testing::HasSubstr("first chunk"));
  EXPECT_EQ(n_inside, 0);
}

TEST(Contract, contract_p07_a_broken_shard_fails_nothing_else) {
  TemporaryDirectory directory;
  io::write_file(directory / "1.safetensors", "not a header");
  io::write_file(directory / "2.safetensors", two_tensor_header() + float_bytes() + "cut");
  CheckpointLoad loaded = load_checkpoint(directory.path());
  ASSERT_EQ(loaded.failed_shards.size(), 1u);
  EXPECT_EQ(loaded.failed_shards[0].path, directory / "1.safetensors");
  EXPECT_EQ(loaded.failed_shards[0].failure->kind, FailureKind::io);
  EvalReport report = try_eval({loaded.arrays.at("a"), loaded.arrays.at("b")});
  EXPECT_TRUE(counts_up(loaded.arrays.at("a")));
  ASSERT_TRUE(report.arrays[1].failure);
  EXPECT_EQ(report.arrays[1].failure->got, 3);
}

}  // namespace
}  // namespace tarn::contract
