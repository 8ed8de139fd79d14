#include "tarn/io/reader.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "tarn/base/failure.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::io {
namespace {

class FileReading : public testing::Test {
 protected:
  void SetUp() override { write_file(path, bytes); }

  TemporaryDirectory directory;
  std::string path = directory / "data";
  std::string bytes = pattern_bytes(10'000);
};

TEST_F(FileReading, reads_at_the_cursor_and_at_offsets) {
  ParallelFileReader reader(path);
  EXPECT_TRUE(reader.is_open());
  EXPECT_TRUE(reader.good());
  EXPECT_EQ(reader.label(), path);
  EXPECT_EQ(reader.size(), 10'000u);
  EXPECT_EQ(reader.error_number(), 0);

  std::string got(100, '\0');
  reader.read(got.data(), 100);
  EXPECT_EQ(got, bytes.substr(0, 100));
  EXPECT_EQ(reader.tell(), 100u);
  reader.read(got.data(), 100, 5'000);
  EXPECT_EQ(got, bytes.substr(5'000, 100));
  EXPECT_EQ(reader.tell(), 100u) << "a positional read leaves the cursor alone";

  reader.seek(-100, std::ios_base::end);
  reader.read(got.data(), 100);
  EXPECT_EQ(got, bytes.substr(9'900));
  reader.seek(-200, std::ios_base::cur);
  EXPECT_EQ(reader.tell(), 9'800u);
  reader.seek(7);
  EXPECT_EQ(reader.tell(), 7u);
  EXPECT_THROW(reader.seek(-8, std::ios_base::cur), OperationError);
  EXPECT_EQ(reader.tell(), 7u);
}

TEST_F(FileReading, says_where_the_file_ends) {
  ParallelFileReader reader(path);
  std::string got(200, 'x');
  EXPECT_EQ(reader.read_at(got.data(), 200, 9'900), 100u);
  EXPECT_EQ(got.substr(0, 100), bytes.substr(9'900));
  EXPECT_EQ(reader.read_at(got.data(), 200, 10'000), 0u);
  EXPECT_EQ(reader.read_at(got.data(), 200, 20'000), 0u);
  EXPECT_EQ(reader.read_at(got.data(), 0, 0), 0u);

  reader.seek(9'900);
  try {
    reader.read(got.data(), 200);
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(error.kind(), FailureKind::io);
    EXPECT_EQ(error.io().path, path);
    EXPECT_EQ(error.io().offset, 9'900);
    EXPECT_EQ(error.io().wanted, 200);
    EXPECT_EQ(error.io().got, 100);
    EXPECT_EQ(error.io().error_number, 0);
    EXPECT_EQ(std::string(error.what()),
              "[read] " + path +
                  ": the file ends at byte 10000: wanted 200 bytes from offset 9900, got 100");
  }
  EXPECT_EQ(reader.tell(), 9'900u) << "a read that throws leaves the cursor where it was";
}

TEST_F(FileReading, reads_what_is_there_by_now) {
  ParallelFileReader reader(path);
  std::string got(200, '\0');
  EXPECT_THROW(reader.read(got.data(), 200, 9'900), OperationError);
  write_file(path, bytes + bytes);
  reader.read(got.data(), 200, 9'900);
  EXPECT_EQ(got, (bytes + bytes).substr(9'900, 200));
  EXPECT_EQ(reader.size(), 20'000u);
}

TEST_F(FileReading, goes_on_after_interruptions_and_partial_reads) {
  FaultySystemCalls calls;
  calls.max_transfer = 7;
  calls.interrupt_every_other = true;
  ParallelFileReader reader(path, calls);
  std::string got(10'100, '\0');
  EXPECT_EQ(reader.read_at(got.data(), got.size(), 0), 10'000u);
  EXPECT_EQ(got.substr(0, 10'000), bytes);
}

TEST_F(FileReading, an_error_says_how_far_it_came) {
  FaultySystemCalls calls;
  calls.max_transfer = 1'000;
  calls.only = "pread";
  calls.fail_at = 3;
  ParallelFileReader reader(path, calls);
  std::string got(5'000, '\0');
  try {
    reader.read_at(got.data(), 5'000, 2'000);
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(error.io().offset, 2'000);
    EXPECT_EQ(error.io().wanted, 5'000);
    EXPECT_EQ(error.io().got, 3'000);
    EXPECT_EQ(error.io().error_number, EIO);
  }
  EXPECT_EQ(reader.read_at(got.data(), 5'000, 2'000), 5'000u);
  EXPECT_EQ(got, bytes.substr(2'000, 5'000));
}

TEST_F(FileReading, a_zero_byte_does_not_end_a_path) {
  ParallelFileReader reader(path + std::string("\0x", 2));
  EXPECT_EQ(reader.error_number(), EINVAL);
  try {
    reader.require_open();
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(std::string(error.what()),
              "[load] " + path + "\\0x: cannot open the file: Invalid argument");
  }
}

TEST_F(FileReading, a_file_that_cannot_be_opened_says_why) {
  struct Case {
    std::string path;
    int error_number;
  } const cases[] = {
      {directory / "missing", ENOENT},
      {path + "/below", ENOTDIR},
      {directory.path(), EISDIR},
  };
  for (const Case& c : cases) {
    ParallelFileReader reader(c.path);
    EXPECT_FALSE(reader.is_open());
    EXPECT_FALSE(reader.good());
    EXPECT_EQ(reader.size(), std::nullopt);
    EXPECT_EQ(reader.error_number(), c.error_number);
    char byte;
    try {
      reader.read(&byte, 1);
      FAIL();
    } catch (const OperationError& error) {
      EXPECT_EQ(error.kind(), FailureKind::io);
      EXPECT_EQ(error.io().path, c.path);
      EXPECT_EQ(error.io().error_number, c.error_number);
      EXPECT_NE(std::string(error.what()).find(c.path), std::string::npos);
    }
  }
}

TEST_F(FileReading, every_call_that_fails_is_noticed_and_leaks_nothing) {
  for (size_t i = 0;; ++i) {
    FaultySystemCalls calls;
    calls.fail_at = i;
    std::string got(100, '\0');
    bool threw = false;
    {
      ParallelFileReader reader(path, calls);
      try {
        reader.read(got.data(), 100);
      } catch (const OperationError& error) {
        EXPECT_EQ(error.io().error_number, EIO);
        threw = true;
      }
    }
    EXPECT_EQ(calls.n_open(), 0);
    if (calls.failed_call().empty()) break;
    EXPECT_EQ(threw, calls.failed_call() != "close") << calls.failed_call();
  }
}

TEST_F(FileReading, offsets_past_two_gibibytes) {
  const uint64_t far = (uint64_t{5} << 30) + 3;
  {
    std::ofstream file(path, std::ios::binary);
    file.seekp(static_cast<std::streamoff>(far));
    file << "needle";
  }
  ParallelFileReader reader(path);
  EXPECT_EQ(reader.size(), far + 6);
  std::string got(6, '\0');
  reader.seek(static_cast<int64_t>(far));
  reader.read(got.data(), 6);
  EXPECT_EQ(got, "needle");
  EXPECT_EQ(reader.tell(), far + 6);
  EXPECT_THROW(reader.read_at(got.data(), 6, SIZE_MAX - 3), OperationError) << "offset wraps";
}

TEST_F(FileReading, a_pipe_has_no_size_and_no_offsets) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ParallelFileReader reader("/dev/fd/" + std::to_string(ends[0]));
  EXPECT_TRUE(reader.is_open());
  EXPECT_EQ(reader.size(), std::nullopt);
  char byte;
  try {
    reader.read(&byte, 1);
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(error.io().error_number, ESPIPE);
  }
  ::close(ends[0]);
  ::close(ends[1]);
}

// What a program written for MLX brings along.
class MlxReader : public Reader {
 public:
  explicit MlxReader(std::string bytes) : bytes_(std::move(bytes)) {}

  bool is_open() const override { return true; }
  bool good() const override { return is_good; }
  size_t tell() override { return cursor_; }
  void seek(int64_t, std::ios_base::seekdir) override { ADD_FAILURE() << "needs no seek"; }
  void read(char* data, size_t n) override {
    read(data, n, cursor_);
    cursor_ += n;
  }
  void read(char* data, size_t n, size_t offset) override {
    EXPECT_FALSE(is_inside.exchange(true)) << "two threads at once";
    if (offset + n <= bytes_.size()) {
      std::memcpy(data, bytes_.data() + offset, n);
    } else {
      is_good = false;
    }
    is_inside = false;
  }
  std::string label() const override { return "from memory"; }

  bool is_good = true;
  std::atomic<bool> is_inside{false};

 private:
  std::string bytes_;
  size_t cursor_ = 0;
};

TEST(MlxShapedReader, is_read_by_its_positional_function_one_thread_at_a_time) {
  const std::string bytes = pattern_bytes(1 << 16);
  MlxReader reader(bytes);
  EXPECT_FALSE(reader.reads_concurrently());
  EXPECT_EQ(reader.size(), std::nullopt);
  std::vector<std::jthread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::string got(64, '\0');
      for (size_t i = t * 64; i < bytes.size(); i += 256) {
        EXPECT_EQ(reader.read_at(got.data(), 64, i), 64u);
        EXPECT_EQ(got, bytes.substr(i, 64));
      }
    });
  }
}

TEST(MlxShapedReader, that_is_no_longer_good_has_failed) {
  MlxReader reader("0123456789");
  char data[8];
  EXPECT_EQ(reader.read_at(data, 8, 2), 8u);
  try {
    reader.read_at(data, 8, 3);
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(error.kind(), FailureKind::io);
    EXPECT_EQ(error.io().path, "from memory");
    EXPECT_EQ(error.io().offset, 3);
    EXPECT_EQ(error.io().wanted, 8);
  }
}

}  // namespace
}  // namespace tarn::io
