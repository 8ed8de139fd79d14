// The command line itself, and the commands that read no checkpoint.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "tests/cli/checkpoint_files.h"
#include "tests/cli/tool.h"

namespace tarn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

TEST(CommandLine, mistakes_end_with_2_and_say_what_is_wrong) {
  const Directory dir;
  const struct {
    Tool::Args args;
    const char* says;
  } mistakes[] = {
      {{}, "Usage: tarn"},
      {{"frobnicate"}, "frobnicate"},
      {{"--frobnicate"}, "--frobnicate"},
      {{"stats"}, "path is required"},
      {{"stats", "--frobnicate", dir.path()}, "--frobnicate"},
      {{"stats", "--threads", "0", dir.path()}, "--threads"},
      {{"stats", "--threads", "many", dir.path()}, "--threads"},
      {{"stats", "--memory-limit", "512Q", dir.path()}, "\"512Q\" is not of the form 512MiB"},
      {{"stats", "--memory-limit", "-1", dir.path()}, "--memory-limit"},
      {{"verify", "--timeout", "soon", dir.path()}, "\"soon\" is not of the form 30s"},
      {{"verify", "--timeout", "nan", dir.path()}, "--timeout"},
      {{"ls", "--checksums", dir.path()}, "--checksums"},
      {{"make-sample", dir.path("new")}, "--gib"},
      {{"make-sample", dir.path("new"), "--gib", "-1"}, "--gib"},
      {{"make-sample", dir.path("new"), "--gib", "nan"}, "--gib"},
  };
  for (const auto& [args, says] : mistakes) {
    const Ended ended = run_tool(args);
    EXPECT_EQ(ended.status, 2) << says;
    EXPECT_THAT(ended.err, HasSubstr(says));
    EXPECT_EQ(ended.out, "");
  }
}

TEST(CommandLine, help_and_version) {
  const Ended help = run_tool({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* command : {"ls", "stats", "verify", "make-sample", "ops"}) {
    EXPECT_THAT(help.out, HasSubstr(std::string("\n  ") + command + " "));
    EXPECT_EQ(run_tool({command, "--help"}).status, 0);
  }
  const Ended version = run_tool({"--version"});
  EXPECT_EQ(version.status, 0);
  for (const char* part : {"tarn ", "instruction set: ", "threads: ", "libraries:", "oneDNN "}) {
    EXPECT_THAT(version.out, HasSubstr(part));
  }
}

TEST(CommandLine, ops_are_listed) {
  const Ended ended = run_tool({"ops", "--json"});
  EXPECT_EQ(ended.status, 0);
  const json ops = ended.json()["ops"];
  for (const char* name : {"exp", "add", "sum", "matmul", "reshape", "cholesky"}) {
    const json op = entry(ops, "name", name);
    ASSERT_FALSE(op.is_null()) << name;
    for (const char* field : {"arguments", "family", "dtypes", "doc"}) {
      EXPECT_FALSE(op[field].get<std::string>().empty());
    }
  }
  EXPECT_THAT(run_tool({"ops"}).out, HasSubstr("exp(x)"));
}

// The functions that the public headers declare by themselves or in a list of one per line.
std::set<std::string> declared_functions() {
  const std::regex declaration(
      R"(^(?:inline )?(?:array|std::(?:vector|pair|tuple)<array[^>]*>) (\w+)\()"
      R"(|^TARN_DECLARE_\w+\((\w+)\)$)");
  std::set<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(TARN_SOURCE_DIR "/src/tarn/ops/functions")) {
    std::ifstream header(entry.path());
    for (std::string line; std::getline(header, line);) {
      std::smatch match;
      if (std::regex_search(line, match, declaration))
        names.insert(match[1].str() + match[2].str());
    }
  }
  return names;
}

TEST(CommandLine, ops_are_those_that_headers_declare) {
  const std::set<std::string> declared = declared_functions();
  EXPECT_GT(declared.size(), 60u);
  std::set<std::string> listed;
  const json ops = run_tool({"ops", "--json"}).json()["ops"];
  for (const json& op : ops) {
    const std::string name = op["name"];
    listed.insert(name);
    // Those of lists in unary.h, binary.h, … are declared by macros from the same lists.
    const bool is_declared = op["family"] == "elementwise" || declared.contains(name);
    EXPECT_TRUE(is_declared) << name << " is listed and not declared";
  }
  for (const std::string& name : declared) {
    EXPECT_TRUE(listed.contains(name)) << name << " is declared and not listed: see ops/composed.h";
  }
}

TEST(MakeSample, is_sound_and_as_large_as_asked) {
  const Directory dir;
  const std::string out = dir.path("sample");
  const Ended made = run_tool({"make-sample", out, "--gib", "0.005", "--shards", "4"});
  EXPECT_EQ(made.status, 0) << made.err;
  const Ended verified = run_tool({"verify", "--json", out});
  EXPECT_EQ(verified.status, 0);
  const json summary = verified.json()["summary"];
  EXPECT_EQ(summary["files"], 4);
  EXPECT_NEAR(summary["nbytes"].get<double>(), 0.005 * 0x1p30, 0.0001 * 0x1p30);
  // Whatever is in a directory is not ours to mix with.
  const Ended again = run_tool({"make-sample", out, "--gib", "0.005"});
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, HasSubstr("is not empty"));
}

TEST(MakeSample, weights_depend_on_the_seed_and_not_on_shards_or_threads) {
  const Directory dir;
  const auto weights = [&](const char* name, Tool::Args options) {
    options.insert(options.begin(), {"make-sample", dir.path(name), "--gib", "0.002"});
    EXPECT_EQ(run_tool(options).status, 0);
    json tensors = run_tool({"stats", "--json", dir.path(name)}).json()["tensors"];
    for (json& tensor : tensors) {
      tensor.erase("file");
      tensor.erase("offset");
    }
    std::sort(tensors.begin(), tensors.end(),
              [](const json& a, const json& b) { return a["name"] < b["name"]; });
    return tensors;
  };
  const json usual = weights("a", {});
  EXPECT_EQ(weights("b", {"--shards", "1", "--threads", "1"}), usual);
  EXPECT_NE(weights("c", {"--seed", "1"}), usual);
}

TEST(MakeSample, a_time_that_is_up_leaves_no_half_files) {
  const Directory dir;
  const Ended ended =
      run_tool({"make-sample", dir.path("sample"), "--gib", "0.1", "--timeout", "0"});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.err, "tarn: the time was up\n");
  EXPECT_TRUE(std::filesystem::is_empty(dir.path("sample")));
}

TEST(MakeSample, a_limit_on_the_size_of_files_leaves_no_files) {
  const Directory dir;
  // With the first limit none of the shards is finished, with the other one two are.
  for (const rlim_t limit : {100'000, 1'500'000}) {
    const Ended ended = Tool({"make-sample", dir.path("sample"), "--gib", "0.005", "--shards", "4",
                              "--threads", "1"})
                            .limit(RLIMIT_FSIZE, limit)
                            .start()
                            .wait();
    EXPECT_EQ(ended.status, 1) << ended.signal;
    EXPECT_THAT(ended.err, HasSubstr("cannot write: File too large"));
    EXPECT_TRUE(std::filesystem::is_empty(dir.path("sample")));
  }
}

TEST(Ls, opens_more_shards_than_the_soft_limit_on_open_files) {
  const Directory dir;
  const std::string sample = dir.path("sample");
  ASSERT_EQ(run_tool({"make-sample", sample, "--gib", "0.001", "--shards", "40"}).status, 0);
  const Ended ended = Tool({"ls", sample}).limit(RLIMIT_NOFILE, 20).start().wait();
  EXPECT_EQ(ended.status, 0) << ended.err;
}

}  // namespace
}  // namespace tarn
