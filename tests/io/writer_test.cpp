#include "tarn/io/writer.h"

#include <gtest/gtest.h>

#include "tarn/base/failure.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::io {
namespace {

TEST(FileWriter, writes_in_place) {
  TemporaryDirectory directory;
  const std::string path = directory / "out";
  write_file(path, "something longer than what follows");
  {
    FileWriter writer(path);
    EXPECT_TRUE(writer.is_open());
    EXPECT_TRUE(writer.good());
    EXPECT_EQ(writer.label(), path);
    writer.write("hello ", 6);
    writer.write("world", 5);
    EXPECT_EQ(writer.tell(), 11u);
    writer.seek(0);
    writer.write("H", 1);
    writer.seek(0, std::ios_base::end);
    EXPECT_EQ(writer.tell(), 11u);
    writer.seek(-1, std::ios_base::cur);
    writer.write("D!", 2);
  }
  EXPECT_EQ(read_file(path), "Hello worlD!");
}

TEST(FileWriter, moves_and_closes) {
  TemporaryDirectory directory;
  FileWriter first(directory / "out");
  first.write("a", 1);
  FileWriter second(std::move(first));
  EXPECT_FALSE(first.is_open());
  second.write("b", 1);
  second.close();
  EXPECT_FALSE(second.is_open());
  EXPECT_EQ(read_file(directory / "out"), "ab");
}

TEST(FileWriter, without_a_file) {
  FileWriter none;
  EXPECT_FALSE(none.is_open());
  EXPECT_FALSE(none.good());
  EXPECT_THROW(none.write("a", 1), OperationError);
  EXPECT_THROW(none.seek(0), OperationError);

  TemporaryDirectory directory;
  FileWriter missing(directory / "no/such");
  EXPECT_FALSE(missing.is_open());
  try {
    missing.write("a", 1);
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(error.io().path, directory / "no/such");
    EXPECT_EQ(error.io().error_number, ENOENT);
  }
}

TEST(FileWriter, goes_on_after_interruptions_and_partial_writes) {
  TemporaryDirectory directory;
  const std::string bytes = pattern_bytes(5'000);
  FaultySystemCalls calls;
  calls.max_transfer = 7;
  calls.interrupt_every_other = true;
  FileWriter writer(directory / "out", calls);
  writer.write(bytes.data(), bytes.size());
  writer.close();
  EXPECT_EQ(read_file(directory / "out"), bytes);
}

TEST(FileWriter, every_call_that_fails_is_noticed) {
  TemporaryDirectory directory;
  for (size_t i = 0;; ++i) {
    FaultySystemCalls calls;
    calls.fail_at = i;
    calls.error = ENOSPC;
    FileWriter writer(directory / "out", calls);
    try {
      writer.write("hello", 5);
      writer.seek(0);
      writer.write("J", 1);
      writer.close();
      EXPECT_EQ(calls.failed_call(), "");
      break;
    } catch (const OperationError& error) {
      EXPECT_EQ(error.io().error_number, ENOSPC) << calls.failed_call();
      EXPECT_FALSE(writer.good());
    }
  }
}

TEST(FileWriter, writes_into_a_pipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  FileWriter writer("/dev/fd/" + std::to_string(ends[1]));
  writer.write("hello", 5);
  EXPECT_EQ(writer.tell(), 5u);
  EXPECT_THROW(writer.seek(0), OperationError);
  char got[5];
  EXPECT_EQ(::read(ends[0], got, 5), 5);
  EXPECT_EQ(std::string_view(got, 5), "hello");
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace tarn::io
