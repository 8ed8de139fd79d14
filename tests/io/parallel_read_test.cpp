#include "tarn/io/parallel_read.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <mutex>
#include <new>
#include <system_error>

#include "tarn/base/failure.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::io {
namespace {

// Bytes in memory behind a positional read that a test can bend.
class MemoryReader : public Reader {
 public:
  explicit MemoryReader(std::string bytes, bool concurrent = true)
      : bytes_(std::move(bytes)), concurrent_(concurrent) {}

  bool is_open() const override { return true; }
  bool good() const override { return true; }
  size_t tell() override { return 0; }
  void seek(int64_t, std::ios_base::seekdir) override {}
  void read(char*, size_t) override { FAIL() << "payload is read at offsets"; }
  void read(char*, size_t, size_t) override { FAIL() << "read_at is overridden"; }
  std::string label() const override { return "memory"; }
  bool reads_concurrently() const override { return concurrent_; }

  size_t read_at(char* data, size_t n, size_t offset) override {
    size_t got = offset < bytes_.size() ? std::min(n, bytes_.size() - offset) : 0;
    if (on_read) got = on_read(offset, got);
    std::memcpy(data, bytes_.data() + offset, got);
    return got;
  }

  // Given the offset and the bytes there are, returns how many to give, or throws.
  std::function<size_t(size_t offset, size_t available)> on_read;

 private:
  std::string bytes_;
  bool concurrent_;
};

constexpr size_t kChunk = 1000;
constexpr size_t kBegin = 123;
constexpr size_t kNbytes = 10 * kChunk + 77;

class ParallelRead : public testing::TestWithParam<bool> {
 protected:
  void read(Reader& reader, ReadOptions options = {}) {
    options.chunk_nbytes = kChunk;
    options.tensor = "weight";
    got.assign(kNbytes, 'x');
    parallel_read(reader, got.data(), kNbytes, kBegin, options);
  }

  // Reads, expecting a failure whose fields speak of the whole range.
  OperationError failure_of(Reader& reader, ReadOptions options = {}) {
    try {
      read(reader, options);
    } catch (const OperationError& error) {
      EXPECT_EQ(error.io().path, reader.label());
      EXPECT_EQ(error.io().tensor, "weight");
      EXPECT_EQ(error.io().offset, static_cast<int64_t>(kBegin));
      EXPECT_EQ(error.io().wanted, static_cast<int64_t>(kNbytes));
      const size_t n_good = static_cast<size_t>(error.io().got);
      EXPECT_EQ(got.substr(0, n_good), bytes.substr(kBegin, n_good));
      return error;
    }
    ADD_FAILURE() << "no failure";
    return OperationError(FailureKind::operation, "none");
  }

  std::string bytes = pattern_bytes(kBegin + kNbytes + 500);
  MemoryReader reader{bytes, GetParam()};
  std::string got;
};

INSTANTIATE_TEST_SUITE_P(, ParallelRead, testing::Bool(),
                         [](const auto& info) { return info.param ? "parallel" : "sequential"; });

TEST_P(ParallelRead, fills_the_buffer_and_counts_the_bytes) {
  std::atomic<size_t> n_arrived{0};
  ReadOptions options;
  options.on_bytes = [&](size_t n) { n_arrived += n; };
  read(reader, options);
  EXPECT_EQ(got, bytes.substr(kBegin, kNbytes));
  EXPECT_EQ(n_arrived, kNbytes);
  parallel_read(reader, nullptr, 0, 5, options);
  EXPECT_EQ(n_arrived, kNbytes);
}

TEST_P(ParallelRead, reads_on_after_a_short_count) {
  reader.on_read = [](size_t offset, size_t available) {
    return std::min<size_t>(available, 1 + offset % 7);
  };
  read(reader);
  EXPECT_EQ(got, bytes.substr(kBegin, kNbytes));
}

TEST_P(ParallelRead, a_source_that_ends_early_says_wanted_and_got) {
  for (const size_t n_left : {size_t{0}, size_t{1}, kChunk, kChunk + 1, kNbytes - 1}) {
    MemoryReader cut(bytes.substr(0, kBegin + n_left), GetParam());
    const OperationError error = failure_of(cut);
    EXPECT_EQ(error.kind(), FailureKind::io);
    EXPECT_EQ(error.io().got, static_cast<int64_t>(n_left));
    EXPECT_EQ(error.io().error_number, 0);
  }
}

TEST_P(ParallelRead, a_failure_in_any_chunk_is_reported_where_it_is) {
  for (size_t chunk = 0; chunk <= kNbytes / kChunk; ++chunk) {
    const size_t failing = kBegin + chunk * kChunk;
    std::atomic<int> n_inside{0};
    reader.on_read = [&](size_t offset, size_t available) {
      ++n_inside;
      if (offset == failing) {
        --n_inside;
        throw std::system_error(EIO, std::generic_category(), "disk");
      }
      --n_inside;
      return available;
    };
    const OperationError error = failure_of(reader);
    EXPECT_EQ(n_inside, 0);
    EXPECT_EQ(error.kind(), FailureKind::io);
    EXPECT_EQ(error.io().got, static_cast<int64_t>(chunk * kChunk));
    EXPECT_EQ(error.io().error_number, EIO);

    reader.on_read = nullptr;
    read(reader);
    EXPECT_EQ(got, bytes.substr(kBegin, kNbytes)) << "the same reader reads on after a failure";
  }
}

TEST_P(ParallelRead, of_several_failures_the_lowest_is_reported) {
  for (int round = 0; round < 100; ++round) {
    reader.on_read = [](size_t offset, size_t available) {
      if (offset >= kBegin + 3 * kChunk) throw std::runtime_error("disk");
      return available;
    };
    EXPECT_EQ(failure_of(reader).io().got, static_cast<int64_t>(3 * kChunk));
  }
}

TEST_P(ParallelRead, a_failure_inside_a_chunk_counts_what_came_before) {
  reader.on_read = [](size_t offset, size_t available) {
    if (offset >= kBegin + 2 * kChunk + 300) throw std::runtime_error("disk");
    return std::min<size_t>(available, 100);
  };
  EXPECT_EQ(failure_of(reader).io().got, static_cast<int64_t>(2 * kChunk + 300));
}

TEST_P(ParallelRead, what_the_reader_threw_is_nested) {
  reader.on_read = [](size_t, size_t) -> size_t { throw 42; };
  try {
    read(reader);
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(error.kind(), FailureKind::io);
    try {
      std::rethrow_if_nested(error);
      FAIL();
    } catch (int value) {
      EXPECT_EQ(value, 42);
    }
  }
}

TEST_P(ParallelRead, kinds_of_failure_are_kept) {
  reader.on_read = [](size_t, size_t) -> size_t { throw std::bad_alloc(); };
  EXPECT_EQ(failure_of(reader).kind(), FailureKind::out_of_memory);
  reader.on_read = [](size_t, size_t) -> size_t {
    throw OperationError(FailureKind::deadline, "too late");
  };
  const OperationError error = failure_of(reader);
  EXPECT_EQ(error.kind(), FailureKind::deadline);
  EXPECT_EQ(std::string(error.what()), "too late");
}

TEST_P(ParallelRead, a_reader_that_claims_too_much_is_caught) {
  struct Liar : MemoryReader {
    using MemoryReader::MemoryReader;
    size_t read_at(char*, size_t n, size_t) override { return n + 1; }
  } liar(bytes, GetParam());
  EXPECT_EQ(failure_of(liar).io().got, 0);
}

TEST_P(ParallelRead, a_stop_request_ends_it_between_chunks) {
  std::stop_source source;
  ReadOptions options;
  options.stop = source.get_token();
  std::atomic<size_t> n_reads{0};
  reader.on_read = [&](size_t, size_t available) {
    ++n_reads;
    source.request_stop();
    return available;
  };
  EXPECT_EQ(failure_of(reader, options).kind(), FailureKind::cancelled);
  EXPECT_LE(n_reads, 64u) << "at most one chunk a thread";
  n_reads = 0;
  EXPECT_EQ(failure_of(reader, options).kind(), FailureKind::cancelled);
  EXPECT_EQ(n_reads, 0u);
}

TEST_P(ParallelRead, an_observer_that_throws_ends_it) {
  ReadOptions options;
  options.chunk_nbytes = kChunk;
  options.on_bytes = [](size_t) { throw std::logic_error("enough"); };
  EXPECT_THROW(parallel_read(reader, got.assign(kNbytes, 'x').data(), kNbytes, kBegin, options),
               std::logic_error);
}

TEST(ParallelFileRead, every_system_call_that_fails_is_reported_once_and_from_then_on) {
  TemporaryDirectory directory;
  const std::string path = directory / "data";
  const std::string bytes = pattern_bytes(20'000);
  write_file(path, bytes);
  for (const bool from_then_on : {false, true}) {
    for (size_t i = 0;; ++i) {
      FaultySystemCalls calls;
      calls.only = "pread";
      calls.fail_at = i;
      calls.from_then_on = from_then_on;
      calls.max_transfer = 700;
      ParallelFileReader reader(path, calls);
      std::string got(bytes.size(), 'x');
      ReadOptions options;
      options.chunk_nbytes = 1000;
      try {
        parallel_read(reader, got.data(), got.size(), 0, options);
        EXPECT_EQ(got, bytes);
        EXPECT_EQ(calls.failed_call(), "");
        break;
      } catch (const OperationError& error) {
        EXPECT_EQ(error.io().error_number, EIO);
        const size_t n_good = static_cast<size_t>(error.io().got);
        EXPECT_LT(n_good, bytes.size());
        EXPECT_EQ(got.substr(0, n_good), bytes.substr(0, n_good));
      }
      calls.fail_at = FaultySystemCalls::kNever;
      calls.from_then_on = false;
      parallel_read(reader, got.data(), got.size(), 0, options);
      EXPECT_EQ(got, bytes);
    }
  }
}

TEST(ParallelFileRead, a_file_completed_after_a_failure_is_read) {
  TemporaryDirectory directory;
  const std::string path = directory / "data";
  const std::string bytes = pattern_bytes(50'000);
  write_file(path, bytes.substr(0, 30'000));
  ParallelFileReader reader(path);
  std::string got(bytes.size(), 'x');
  ReadOptions options;
  options.chunk_nbytes = 4096;
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      parallel_read(reader, got.data(), got.size(), 0, options);
      FAIL();
    } catch (const OperationError& error) {
      EXPECT_EQ(error.io().got, 30'000);
    }
  }
  write_file(path, bytes);
  parallel_read(reader, got.data(), got.size(), 0, options);
  EXPECT_EQ(got, bytes);
}

}  // namespace
}  // namespace tarn::io
