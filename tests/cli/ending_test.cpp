// How the tool ends: signals, deadlines, reads that block, pipes that close.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <unistd.h>

#include <csignal>

#include "tests/cli/checkpoint_files.h"
#include "tests/cli/tool.h"

namespace tarn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr int kHeaders = 0;          // where the gate holds reads: all of them,
constexpr int kNumbers = 1'000'000;  // or those of the second tensor's numbers

class Ending : public testing::Test {
 protected:
  Ending() {
    dir_.write_safetensors("m.safetensors",
                           {float_tensor("first", std::vector<float>(kNumbers / 4, 1)),
                            float_tensor("second", {1, 2, 3})});
  }

  Directory dir_;
};

TEST_F(Ending, a_read_that_goes_on_is_waited_for) {
  Tool tool({"stats", "--json", dir_.path()});
  GatedReads gate(kNumbers);
  gate.hold(tool);
  tool.start();
  gate.wait_for_read();
  gate.open();
  const Ended ended = tool.wait();
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(tensor(ended.json(), "second")["mean"], 2);
}

TEST_F(Ending, a_signal_ends_a_blocked_read_with_a_report) {
  for (const int signal : {SIGINT, SIGTERM}) {
    for (const char* command : {"stats", "verify"}) {
      SCOPED_TRACE(command);
      Tool tool({command, "--json", dir_.path()});
      const GatedReads gate(kNumbers);
      gate.hold(tool);
      tool.start();
      gate.wait_for_read();
      tool.kill(signal);
      tool.kill(signal);  // as timeout(1) does
      const Ended ended = tool.wait();
      EXPECT_EQ(ended.status, 1);
      const json report = ended.json();
      EXPECT_EQ(tensor(report, "second")["failure"]["kind"], "cancelled");
      EXPECT_EQ(report["summary"]["ended_by"], "cancelled");
      EXPECT_EQ(ended.err, "");
    }
  }
}

TEST_F(Ending, a_signal_ends_a_blocked_header) {
  for (const char* command : {"ls", "stats", "verify"}) {
    Tool tool({command, "--json", dir_.path()});
    const GatedReads gate(kHeaders);
    gate.hold(tool);
    tool.start();
    gate.wait_for_read();
    tool.kill(SIGINT);
    const Ended ended = tool.wait();
    EXPECT_EQ(ended.status, 1);
    EXPECT_EQ(ended.json()["summary"]["failed_files"][0]["failure"]["kind"], "cancelled");
  }
}

TEST_F(Ending, an_ignored_signal_stays_ignored) {
  Tool tool({"stats", dir_.path()});
  GatedReads gate(kNumbers);
  gate.hold(tool);
  tool.ignoring(SIGINT).start();
  gate.wait_for_read();
  tool.kill(SIGINT);
  gate.open();
  EXPECT_EQ(tool.wait().status, 0);
}

TEST_F(Ending, a_timeout_ends_a_blocked_read_header_and_checksum) {
  for (const int from : {kHeaders, kNumbers}) {
    for (const Tool::Args& command : {Tool::Args{"stats"}, {"verify"}, {"verify", "--checksums"}}) {
      Tool::Args args = command;
      args.insert(args.end(), {"--json", "--timeout", "300ms", dir_.path()});
      Tool tool(args);
      const GatedReads gate(from);
      gate.hold(tool);
      const Ended ended = tool.start().wait();
      EXPECT_EQ(ended.status, 1);
      EXPECT_EQ(ended.json()["summary"]["ended_by"], "deadline");
      EXPECT_EQ(ended.err, "");
    }
  }
}

TEST_F(Ending, a_timeout_ends_a_listing) {
  Tool tool({"ls", "--json", "--timeout", "300ms", dir_.path()});
  const GatedReads gate(kHeaders);
  gate.hold(tool);
  const Ended ended = tool.start().wait();
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.json()["summary"]["failed_files"][0]["failure"]["kind"], "deadline");
  EXPECT_EQ(ended.err, "");
}

TEST_F(Ending, a_time_that_is_up_at_once_reads_nothing) {
  const Ended ended = run_tool({"stats", "--json", "--timeout", "0", dir_.path()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.json()["summary"]["nbytes_read"], 0);
}

TEST_F(Ending, a_pipe_that_closes_ends_it_silently) {
  for (const char* command : {"ls", "stats"}) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    const Ended ended = Tool({command, dir_.path()}).out_to(ends[1]).start().wait();
    close(ends[1]);
    EXPECT_EQ(ended.signal, SIGPIPE);
    EXPECT_EQ(ended.err, "");
  }
}

TEST_F(Ending, output_that_cannot_be_written_is_a_failure) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  const Ended ended = Tool({"stats", dir_.path()}).out_to(full).start().wait();
  close(full);
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("No space left on device"));
}

TEST_F(Ending, a_progress_bar_is_shown_on_a_terminal_and_removed) {
  int terminal = -1, tools_side = -1;
  winsize size{.ws_row = 24, .ws_col = 100, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(openpty(&terminal, &tools_side, nullptr, nullptr, &size), 0);
  fcntl(terminal, F_SETFD, FD_CLOEXEC);
  const Ended ended = Tool({"stats", dir_.path()}).err_to(tools_side).start().wait();
  EXPECT_EQ(ended.status, 0);
  close(tools_side);
  std::string shown;
  char bytes[4096];
  // Until the error that says that nobody has the other side and nothing is left.
  for (ssize_t n; (n = read(terminal, bytes, sizeof(bytes))) > 0;) shown.append(bytes, size_t(n));
  close(terminal);
  EXPECT_THAT(shown, HasSubstr("reading ["));
  EXPECT_THAT(shown, HasSubstr("100 %  976.6 KiB of 976.6 KiB"));
  EXPECT_THAT(shown, HasSubstr("/s  0:00 left"));
  EXPECT_THAT(shown, testing::EndsWith("\r\x1b[K"));
}

}  // namespace
}  // namespace tarn
