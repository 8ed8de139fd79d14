// What is wrong with a checkpoint is told, and stops nothing else.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <limits>

#include "tests/cli/checkpoint_files.h"
#include "tests/cli/tool.h"

namespace tarn {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(BrokenFiles, a_cut_shard_fails_its_tensors_and_no_others) {
  const Directory dir;
  const uint64_t begin = dir.write_safetensors(
      "cut.safetensors", {float_tensor("whole", {1, 3}), float_tensor("cut", {1, 2, 3, 4}),
                          float_tensor("lost", {5, 6})});
  dir.write_safetensors("other.safetensors", {float_tensor("other", {7})});
  dir.cut("cut.safetensors", begin + 8 + 10);
  for (const char* command : {"stats", "verify"}) {
    const Ended ended = run_tool({command, "--json", dir.path()});
    EXPECT_EQ(ended.status, 1);
    const json report = ended.json();
    EXPECT_EQ(tensor(report, "whole")["mean"], 2);
    EXPECT_EQ(tensor(report, "other")["mean"], 7);
    const json cut = tensor(report, "cut");
    EXPECT_FALSE(cut.contains("mean"));
    EXPECT_EQ(cut["nbytes"], 16);
    EXPECT_EQ(cut["failure"]["kind"], "io");
    EXPECT_EQ(cut["failure"]["path"], dir.path("cut.safetensors"));
    EXPECT_EQ(cut["failure"]["tensor"], "cut");
    EXPECT_EQ(cut["failure"]["offset"], begin + 8);
    EXPECT_EQ(cut["failure"]["wanted"], 16);
    EXPECT_EQ(cut["failure"]["got"], 10);
    EXPECT_EQ(cut["failure"]["error_number"], 0);
    for (const char* field : {"message", "op", "node", "stream", "device", "inputs", "origin"}) {
      EXPECT_TRUE(cut["failure"].contains(field)) << field;
    }
    EXPECT_EQ(tensor(report, "lost")["failure"]["got"], 0);
    EXPECT_EQ(report["summary"]["failed_tensors"], 2);
  }
  const Ended text = run_tool({"stats", dir.path()});
  EXPECT_EQ(text.status, 1);
  EXPECT_THAT(text.out,
              HasSubstr(dir.path("cut.safetensors") + ": tensor \"cut\": the file ends at byte " +
                        std::to_string(begin + 18) + ": wanted 16 bytes from offset " +
                        std::to_string(begin + 8) + ", got 10\n"));
  EXPECT_THAT(text.out, HasSubstr("2 tensors failed"));
}

TEST(BrokenFiles, a_missing_shard_fails_the_tensors_that_the_index_has_there) {
  const Directory dir;
  dir.write_safetensors("one.safetensors", {float_tensor("a", {1})});
  dir.write_index(
      {{"a", "one.safetensors"}, {"b", "two.safetensors"}, {"ghost", "one.safetensors"}});
  for (const char* command : {"ls", "stats", "verify"}) {
    const Ended ended = run_tool({command, "--json", dir.path()});
    EXPECT_EQ(ended.status, 1) << command;
    const json report = ended.json();
    EXPECT_FALSE(tensor(report, "a").contains("failure"));
    const json b = tensor(report, "b");
    EXPECT_TRUE(b["shape"].is_null());
    EXPECT_EQ(b["failure"]["error_number"], ENOENT);
    EXPECT_EQ(b["failure"]["path"], dir.path("two.safetensors"));
    EXPECT_EQ(tensor(report, "ghost")["failure"]["kind"], "io");
    EXPECT_EQ(report["summary"]["failed_files"][0]["file"], dir.path("two.safetensors"));
  }
}

TEST(BrokenFiles, none_of_them_stops_the_others) {
  const Directory dir;
  const std::string sound = dir.path("sound.safetensors");
  dir.write_safetensors("sound.safetensors", {float_tensor("sound", {1, 2})});
  const auto with_header = [&](const char* name, const std::string& header) {
    return dir.write(name, bytes_of<uint64_t>({header.size()}) + header);
  };
  std::filesystem::create_directory(dir.path("nothing"));
  std::filesystem::create_symlink(dir.path("loop"), dir.path("loop"));
  ASSERT_EQ(mkfifo(dir.path("fifo").c_str(), 0600), 0);
  dir.write("unreadable.safetensors", "");
  chmod(dir.path("unreadable.safetensors").c_str(), 0);
  const std::string broken[] = {
      dir.path("missing"),
      dir.path("missing.npy"),
      dir.path("nothing"),
      dir.path("loop"),
      dir.path("fifo"),
      dir.path("unreadable.safetensors"),  // empty, if this is root
      dir.write("empty.safetensors", ""),
      dir.write("empty.npy", ""),
      dir.write("short.safetensors", "12345"),
      dir.write("huge.safetensors", bytes_of<uint64_t>({~uint64_t{0}}) + "{}"),
      dir.write("cut_header.safetensors", bytes_of<uint64_t>({100}) + "{\"a\":"),
      with_header("no_json.safetensors", "{\"a\": 1,}"),
      with_header("overlap.safetensors", R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                                         R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})"),
      with_header("overflow.safetensors",
                  R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})"),
      dir.write("no_map.index.json", "{}"),
      "/dev/null",
  };
  for (const std::string& path : broken) {
    SCOPED_TRACE(path);
    for (const char* command : {"ls", "stats", "verify"}) {
      const Ended ended = run_tool({command, "--json", path, sound});
      EXPECT_EQ(ended.status, 1) << ended.err;
      const json report = ended.json();
      EXPECT_EQ(report["summary"]["failed_files"].size(), 1u);
      EXPECT_FALSE(tensor(report, "sound").contains("failure"));
    }
    const Ended text = run_tool({"stats", path});
    EXPECT_EQ(text.status, 1);
    EXPECT_THAT(text.out, HasSubstr("1 file"));
    EXPECT_EQ(text.err, "");
  }
}

TEST(BrokenFiles, an_unknown_dtype_fails_its_tensor_and_no_others) {
  const Directory dir;
  dir.write_safetensors("m.safetensors",
                        {{"odd", "Q3\x1b", {2, 3}, "12345"}, float_tensor("sound", {1, 2})});
  for (const char* command : {"ls", "stats", "verify"}) {
    const Ended ended = run_tool({command, "--json", dir.path()});
    EXPECT_EQ(ended.status, 1);
    const json report = ended.json();
    EXPECT_FALSE(tensor(report, "sound").contains("failure"));
    const json odd = tensor(report, "odd");
    EXPECT_EQ(odd["dtype"], "Q3\x1b");
    EXPECT_EQ(odd["shape"], (std::vector<int>{2, 3}));
    EXPECT_EQ(odd["nbytes"], 5);
    EXPECT_EQ(odd["failure"]["tensor"], "odd");
    EXPECT_EQ(report["summary"]["failed_tensors"], 1);
    EXPECT_TRUE(report["summary"]["failed_files"].empty());
    const Ended text = run_tool({command, dir.path()});
    EXPECT_THAT(text.out, HasSubstr("has the unknown dtype \"Q3\\x1b\""));
    EXPECT_THAT(text.out, testing::Not(HasSubstr("\x1b")));
  }
}

TEST(Verify, a_sound_checkpoint_is_well) {
  const Directory dir;
  dir.write_safetensors("m.safetensors", {float_tensor("a", {1, 2})});
  const Ended ended = run_tool({"verify", dir.path()});
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.out, "1 tensor, 8 B in 1 file: all well\n");
}

TEST(Verify, bad_numbers_and_an_index_that_disagrees_are_problems) {
  const Directory dir;
  dir.write_safetensors("one.safetensors",
                        {float_tensor("a", {1, kNan}), float_tensor("unlisted", {1})});
  dir.write_safetensors("two.safetensors", {float_tensor("b", {1})});
  dir.write_index({{"a", "one.safetensors"}}, {{"total_size", 99}});
  const Ended ended = run_tool({"verify", "--json", dir.path()});
  EXPECT_EQ(ended.status, 1);
  const json problems = ended.json()["summary"]["problems"];
  EXPECT_EQ(problems.size(), 4u) << problems.dump(1);
  EXPECT_EQ(entry(problems, "tensor", "a")["message"], "has 1 NaN and 0 Inf among 2 numbers");
  EXPECT_EQ(entry(problems, "tensor", "unlisted")["file"], dir.path("one.safetensors"));
  EXPECT_EQ(entry(problems, "file", "two.safetensors")["message"],
            "is in the directory, but not in the index");
  EXPECT_EQ(entry(problems, "file", dir.path("model.safetensors.index.json"))["message"],
            "the tensors have 12 bytes, the index says 99");
  const json of_stats = run_tool({"stats", "--json", dir.path()}).json()["summary"]["problems"];
  EXPECT_EQ(of_stats.size(), 3u) << "NaN is what stats counts";
  for (const char* command : {"ls", "stats"}) EXPECT_EQ(run_tool({command, dir.path()}).status, 1);
  EXPECT_EQ(run_tool({"stats", dir.path("one.safetensors")}).status, 0);
}

TEST(Verify, an_index_that_leads_outside_or_nowhere) {
  const Directory dir;
  dir.write_safetensors("m.safetensors", {float_tensor("a", {1})});
  const std::string outside = dir.write("outside.index.json", R"({"metadata": {"total_size": 8},
          "weight_map": {"a": "m.safetensors", "b": "../m.safetensors"}})");
  const std::string empty = dir.write("empty.index.json", R"({"weight_map": {}})");
  for (const char* command : {"ls", "stats", "verify"}) {
    const Ended ended = run_tool({command, "--json", outside, empty});
    EXPECT_EQ(ended.status, 1);
    const json report = ended.json();
    EXPECT_FALSE(tensor(report, "a").contains("failure"));
    const json failure = tensor(report, "b")["failure"];
    EXPECT_EQ(failure["message"],
              "[load] " + outside + ": names a file that is not beside it, \"../m.safetensors\"");
    const json& problems = report["summary"]["problems"];
    EXPECT_EQ(problems.size(), 1u);
    EXPECT_EQ(entry(problems, "file", empty)["message"], "weight_map is empty");
  }
}

TEST(Verify, bytes_after_the_data_of_an_npy_are_a_problem) {
  const Directory dir;
  const std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n";
  const std::string path =
      dir.write("a.npy", std::string("\x93NUMPY\x01\0", 8) +
                             bytes_of<uint16_t>({uint16_t(header.size())}) + header + "123" + "45");
  const Ended ended = run_tool({"verify", "--json", path});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.json()["summary"]["problems"],
            json::array({{{"file", path}, {"tensor", ""}, {"message", "2 bytes after the data"}}}));
}

std::string sha256sum(const std::string& path) {
  std::array<char, 65> digest{};
  FILE* output = popen(("sha256sum " + path).c_str(), "r");
  EXPECT_NE(output, nullptr);
  EXPECT_NE(std::fgets(digest.data(), digest.size(), output), nullptr);
  pclose(output);
  return digest.data();
}

TEST(Verify, checksums_are_those_of_sha256sum) {
  const Directory dir;
  std::string all;
  // Around the lengths where padding takes a block more, and of many blocks.
  for (const size_t nbytes : {0, 1, 55, 56, 63, 64, 65, 3'000'001}) {
    const std::string name = std::to_string(nbytes) + ".safetensors";
    dir.write_safetensors(name, {{"t" + name, "U8", {int64_t(nbytes)}, std::string(nbytes, 'x')}});
  }
  const Ended ended = run_tool({"verify", "--checksums", "--json", dir.path()});
  EXPECT_EQ(ended.status, 0);
  const json sums = ended.json()["summary"]["sha256"];
  EXPECT_EQ(sums.size(), 8u);
  for (const auto& [path, sum] : sums.items()) EXPECT_EQ(sum, sha256sum(path)) << path;
  const std::string first = dir.path("0.safetensors");
  EXPECT_THAT(run_tool({"verify", "--checksums", dir.path()}).out,
              HasSubstr("\n" + sha256sum(first) + "  " + first + "\n"));
}

}  // namespace
}  // namespace tarn
