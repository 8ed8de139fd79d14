#include "tarn/io/atomic_file.h"

#include <gtest/gtest.h>

#include "tarn/base/failure.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::io {
namespace {

mode_t mode_of(const std::string& path) {
  struct stat status;
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return status.st_mode & 07777;
}

void save(const std::string& path, std::string_view bytes, SystemCalls& calls = system_calls()) {
  AtomicFile file(path, calls);
  file.reserve(bytes.size());
  const size_t half = bytes.size() / 2;
  file.write(bytes.data(), half);
  file.write(bytes.data() + half, bytes.size() - half);
  file.commit();
}

TEST(AtomicFile, appears_when_committed) {
  TemporaryDirectory directory;
  const std::string path = directory / "out";
  AtomicFile file(path);
  EXPECT_TRUE(file.is_open());
  EXPECT_TRUE(file.good());
  EXPECT_EQ(file.label(), path);
  file.write("hello", 5);
  EXPECT_EQ(file.tell(), 5u);
  EXPECT_FALSE(std::filesystem::exists(path));
  file.commit();
  EXPECT_FALSE(file.is_open());
  EXPECT_EQ(directory.names(), std::vector<std::string>{"out"});
  EXPECT_EQ(read_file(path), "hello");
}

TEST(AtomicFile, is_gone_when_not_committed) {
  TemporaryDirectory directory;
  write_file(directory / "out", "old");
  {
    AtomicFile file(directory / "out");
    file.write("new", 3);
  }
  EXPECT_EQ(directory.names(), std::vector<std::string>{"out"});
  EXPECT_EQ(read_file(directory / "out"), "old");
}

TEST(AtomicFile, seeks) {
  TemporaryDirectory directory;
  AtomicFile file(directory / "out");
  file.write("0123456789", 10);
  file.seek(2);
  file.write("ab", 2);
  file.seek(1, std::ios_base::cur);
  file.write("c", 1);
  file.seek(-1, std::ios_base::end);
  EXPECT_EQ(file.tell(), 9u);
  file.write("de", 2);
  EXPECT_THROW(file.seek(-1), OperationError);
  EXPECT_FALSE(file.good()) << "whoever cannot seek does not know where the rest would go";
  EXPECT_THROW(file.commit(), OperationError);

  AtomicFile again(directory / "out");
  again.write("0123456789", 10);
  again.seek(2);
  again.write("ab", 2);
  again.commit();
  EXPECT_EQ(read_file(directory / "out"), "01ab456789");
}

TEST(AtomicFile, large_pieces) {
  TemporaryDirectory directory;
  const std::string bytes = pattern_bytes((9u << 20) + 5);
  save(directory / "out", bytes);
  EXPECT_TRUE(read_file(directory / "out") == bytes);
}

TEST(AtomicFile, goes_on_after_interruptions_and_partial_writes) {
  TemporaryDirectory directory;
  FaultySystemCalls calls;
  calls.max_transfer = 999;
  calls.interrupt_every_other = true;
  const std::string bytes = pattern_bytes(100'000);
  save(directory / "out", bytes, calls);
  EXPECT_TRUE(read_file(directory / "out") == bytes);
}

TEST(AtomicFile, keeps_permissions_and_follows_links) {
  TemporaryDirectory directory;
  write_file(directory / "target", "old");
  ASSERT_EQ(chmod((directory / "target").c_str(), 0646), 0);
  std::filesystem::create_symlink("target", directory / "link");
  save(directory / "link", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  std::filesystem::create_symlink("not yet", directory / "dangling");
  save(directory / "dangling", "new");
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "dangling"));
  EXPECT_EQ(read_file(directory / "not yet"), "new");
  std::filesystem::create_directory(directory / "sub");
  std::filesystem::create_symlink("sub/second", directory / "first");
  std::filesystem::create_symlink("../last", directory / "sub/second");
  save(directory / "first", "chained");
  EXPECT_EQ(read_file(directory / "last"), "chained");
  std::filesystem::create_symlink("loop", directory / "loop");
  EXPECT_THROW(save(directory / "loop", "new"), OperationError);
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "loop"));
  EXPECT_EQ(read_file(directory / "target"), "new");
  EXPECT_EQ(mode_of(directory / "target"), 0646u);

  const mode_t mask = umask(027);
  save(directory / "fresh", "new");
  umask(mask);
  EXPECT_EQ(mode_of(directory / "fresh"), 0640u);
}

TEST(AtomicFile, a_plain_name_is_in_the_working_directory) {
  TemporaryDirectory directory;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  save("out", "here");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_file(directory / "out"), "here");
}

TEST(AtomicFile, refuses_what_it_cannot_replace) {
  TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "folder");
  ASSERT_EQ(mkfifo((directory / "fifo").c_str(), 0600), 0);
  struct Case {
    std::string path;
    int error_number;
  } const cases[] = {
      {directory / "missing/out", ENOENT},
      {directory / "folder", EISDIR},
      {directory / "folder/", EISDIR},
      {directory / "fifo", EINVAL},
      {"/dev/null", EINVAL},
      {directory / std::string("zero\0byte", 9), EINVAL},
  };
  for (const Case& c : cases) {
    try {
      AtomicFile file(c.path);
      ADD_FAILURE() << c.path;
    } catch (const OperationError& error) {
      EXPECT_EQ(error.kind(), FailureKind::io);
      EXPECT_EQ(error.io().path, c.path);
      EXPECT_EQ(error.io().error_number, c.error_number) << error.what();
    }
  }
  EXPECT_EQ(directory.names(), (std::vector<std::string>{"fifo", "folder"}));
}

struct FaultMode {
  bool replaces;
  bool from_then_on;
};

class AtomicFileFaults : public testing::TestWithParam<FaultMode> {};

// After any failure there is the old file and nothing else. Only a failure to sync the directory
// comes too late for that: then there is the new file and nothing else.
TEST_P(AtomicFileFaults, at_every_system_call_leave_the_old_file) {
  const std::string old_bytes = "what was there before";
  const std::string new_bytes = pattern_bytes((8u << 20) + 1000);
  std::vector<std::string> failed_calls;
  for (size_t i = 0;; ++i) {
    TemporaryDirectory directory;
    const std::string path = directory / "out";
    if (GetParam().replaces) {
      write_file(path, old_bytes);
      ASSERT_EQ(chmod(path.c_str(), 0666), 0);  // asks for an fchmod under the usual umask
    }
    FaultySystemCalls calls;
    calls.fail_at = i;
    calls.from_then_on = GetParam().from_then_on;
    calls.error = ENOSPC;
    bool threw = false;
    try {
      save(path, new_bytes, calls);
    } catch (const OperationError& error) {
      threw = true;
      EXPECT_EQ(error.kind(), FailureKind::io);
      EXPECT_EQ(error.io().path, path);
      EXPECT_EQ(error.io().error_number, ENOSPC) << error.what();
    }
    EXPECT_EQ(calls.n_open(), 0) << calls.failed_call();
    if (calls.failed_call().empty()) {
      EXPECT_FALSE(threw);
      break;
    }
    failed_calls.push_back(calls.failed_call());

    std::vector<std::string> names = directory.names();
    if (GetParam().from_then_on) {
      // The temporary file cannot be removed either; its name tells what it is.
      std::erase_if(names, [](const std::string& name) { return name.starts_with(".tarn-"); });
    }
    const bool is_hint = calls.failed_call() == "start_writeback" && !GetParam().from_then_on;
    const bool is_new = std::filesystem::exists(path) && read_file(path) == new_bytes;
    if (threw && !is_new) {
      EXPECT_EQ(names.size(), GetParam().replaces ? 1u : 0u) << calls.failed_call();
      if (GetParam().replaces) {
        EXPECT_TRUE(read_file(path) == old_bytes) << calls.failed_call();
      }
    } else if (threw) {
      EXPECT_EQ(calls.failed_call(), "fsync");
      EXPECT_EQ(names, std::vector<std::string>{"out"});
    } else {
      // The last close is the directory's.
      EXPECT_TRUE(is_hint || calls.failed_call() == "close") << calls.failed_call();
      EXPECT_TRUE(is_new);
      EXPECT_EQ(names, std::vector<std::string>{"out"});
    }
  }
  for (const char* call : {"open", "fstatat", "openat", "fstat", "fallocate", "pwrite", "fsync",
                           "close", "renameat", "start_writeback"}) {
    EXPECT_NE(std::ranges::find(failed_calls, call), failed_calls.end()) << call;
  }
}

INSTANTIATE_TEST_SUITE_P(, AtomicFileFaults,
                         testing::Values(FaultMode{true, false}, FaultMode{true, true},
                                         FaultMode{false, false}, FaultMode{false, true}),
                         [](const auto& info) {
                           return std::string(info.param.replaces ? "replacing" : "new_file") +
                                  (info.param.from_then_on ? "_from_then_on" : "_once");
                         });

TEST(AtomicFile, a_file_system_without_reservation_is_written_all_the_same) {
  TemporaryDirectory directory;
  FaultySystemCalls calls;
  calls.only = "fallocate";
  calls.fail_at = 0;
  calls.error = EOPNOTSUPP;
  save(directory / "out", "bytes", calls);
  EXPECT_EQ(read_file(directory / "out"), "bytes");
}

TEST(AtomicFile, a_file_system_whose_directories_need_no_sync) {
  TemporaryDirectory directory;
  FaultySystemCalls calls;
  calls.only = "fsync";
  calls.fail_at = 1;
  calls.error = EINVAL;
  save(directory / "out", "bytes", calls);
  EXPECT_EQ(calls.failed_call(), "fsync");
  EXPECT_EQ(read_file(directory / "out"), "bytes");
}

TEST(AtomicFile, a_failed_write_says_how_far_it_came) {
  TemporaryDirectory directory;
  FaultySystemCalls calls;
  calls.only = "pwrite";
  calls.max_transfer = 1000;
  calls.fail_at = 3;
  calls.error = ENOSPC;
  AtomicFile file(directory / "out", calls);
  file.write("head", 4);
  const std::string bytes = pattern_bytes(10'000);
  try {
    file.write(bytes.data(), bytes.size());
    FAIL();
  } catch (const OperationError& error) {
    EXPECT_EQ(error.io().offset, 4);
    EXPECT_EQ(error.io().wanted, 10'000);
    EXPECT_EQ(error.io().got, 2'000);
    EXPECT_EQ(error.io().error_number, ENOSPC);
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos);
  }
  EXPECT_THROW(file.write("more", 4), OperationError);
  EXPECT_THROW(file.commit(), OperationError);
}

}  // namespace
}  // namespace tarn::io
