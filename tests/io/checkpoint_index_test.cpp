#include "tarn/io/checkpoint_index.h"

#include <gtest/gtest.h>

#include "tarn/base/failure.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::io {
namespace {

using Kind = CheckpointProblem::Kind;

// A shard with one int8 tensor of 4 elements per name.
std::string shard(const std::vector<std::string>& names) {
  std::vector<SafetensorsSpec> specs;
  for (const std::string& name : names) specs.push_back({name, tarn::int8, {4}});
  return compose_safetensors_header(specs, {}) + std::string(4 * names.size(), 'x');
}

OperationError failure_of(const CheckpointShard& shard) {
  EXPECT_FALSE(shard.header);
  try {
    if (shard.failure) std::rethrow_exception(shard.failure);
  } catch (const OperationError& error) {
    return error;
  }
  ADD_FAILURE() << shard.name << " has no failure";
  return OperationError(FailureKind::operation, "");
}

OperationError refusal(const std::string& path) {
  try {
    open_checkpoint(path);
  } catch (const OperationError& error) {
    EXPECT_EQ(error.kind(), FailureKind::io);
    return error;
  }
  ADD_FAILURE() << path << " was opened";
  return OperationError(FailureKind::operation, "");
}

class CheckpointFiles : public testing::Test {
 protected:
  void write_index(const std::string& json) {
    write_file(directory / "model.safetensors.index.json", json);
  }
  std::vector<std::string> shard_names(const Checkpoint& checkpoint) {
    std::vector<std::string> names;
    for (const CheckpointShard& shard : checkpoint.shards) names.push_back(shard.name);
    return names;
  }

  TemporaryDirectory directory;
};

TEST_F(CheckpointFiles, one_file) {
  write_file(directory / "weights", shard({"a", "b"}));
  const Checkpoint checkpoint = open_checkpoint(directory / "weights");
  ASSERT_EQ(checkpoint.shards.size(), 1u);
  const CheckpointShard& only = checkpoint.shards[0];
  EXPECT_EQ(only.name, "weights");
  EXPECT_EQ(only.path, directory / "weights");
  ASSERT_TRUE(only.header);
  EXPECT_EQ(only.header->tensors.size(), 2u);
  std::string data(4, '\0');
  EXPECT_EQ(only.reader->read_at(data.data(), 4, only.header->tensors[1].begin), 4u);
  EXPECT_EQ(data, "xxxx");
  EXPECT_TRUE(checkpoint.index.empty());
  EXPECT_TRUE(checkpoint.problems.empty());
}

TEST_F(CheckpointFiles, a_name_without_directory) {
  write_file(directory / "weights", shard({"a"}));
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory.path());
  EXPECT_TRUE(open_checkpoint("weights").shards[0].header);
  std::filesystem::current_path(before);
}

TEST_F(CheckpointFiles, a_directory_without_index) {
  write_file(directory / "b.safetensors", shard({"b", "twice"}));
  write_file(directory / "a.safetensors", shard({"a", "twice"}));
  write_file(directory / "notes.txt", "no shard");
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  EXPECT_EQ(shard_names(checkpoint), (std::vector<std::string>{"a.safetensors", "b.safetensors"}));
  ASSERT_EQ(checkpoint.problems.size(), 1u);
  EXPECT_EQ(checkpoint.problems[0].kind, Kind::duplicate_tensor);
  EXPECT_EQ(checkpoint.problems[0].file, "b.safetensors");
  EXPECT_EQ(checkpoint.problems[0].tensor, "twice");
}

TEST_F(CheckpointFiles, an_index_that_holds) {
  write_file(directory / "1.safetensors", shard({"a", "b"}));
  write_file(directory / "2.safetensors", shard({"c"}));
  write_index(R"({"metadata":{"total_size":12,"format":"pt","more":{"x":[1]}},
                  "weight_map":{"a":"1.safetensors","c":"2.safetensors","b":"1.safetensors"}})");
  for (const std::string& path : {directory.path(), directory / "model.safetensors.index.json"}) {
    const Checkpoint checkpoint = open_checkpoint(path);
    EXPECT_EQ(checkpoint.path, path);
    EXPECT_EQ(checkpoint.index, directory / "model.safetensors.index.json");
    EXPECT_EQ(shard_names(checkpoint),
              (std::vector<std::string>{"1.safetensors", "2.safetensors"}));
    EXPECT_EQ(checkpoint.shards[0].promised, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(checkpoint.metadata,
              (std::map<std::string, std::string>{
                  {"total_size", "12"}, {"format", "pt"}, {"more", R"({"x":[1]})"}}));
    EXPECT_TRUE(checkpoint.problems.empty());
  }
}

TEST_F(CheckpointFiles, an_index_of_another_name) {
  write_file(directory / "1.safetensors", shard({"a"}));
  write_file(directory / "old.safetensors", shard({"a"}));
  const std::string index = R"({"weight_map":{"a":"1.safetensors"}})";
  write_file(directory / "fp16.safetensors.index.json", index);
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  EXPECT_EQ(checkpoint.shards.size(), 1u);
  ASSERT_EQ(checkpoint.problems.size(), 1u);
  EXPECT_EQ(checkpoint.problems[0].kind, Kind::unlisted_file);
  EXPECT_EQ(checkpoint.problems[0].file, "old.safetensors");

  write_file(directory / "fp32.safetensors.index.json", index);
  EXPECT_EQ(open_checkpoint(directory.path()).shards.size(), 2u) << "none of two is the one";
}

TEST_F(CheckpointFiles, a_broken_shard_stops_no_other) {
  const std::string cut = shard({"c"});
  write_file(directory / "cut.safetensors", cut.substr(0, cut.size() - 1));
  write_file(directory / "garbage.safetensors", "not a safetensors file");
  write_file(directory / "good.safetensors", shard({"a"}));
  write_file(directory.path() + "/../outside-" + std::to_string(getpid()), "");
  const std::string outside = "../outside-" + std::to_string(getpid());
  write_index(R"({"weight_map":{"a":"good.safetensors","b":"missing.safetensors",
      "c":"cut.safetensors","d":"garbage.safetensors","e":")" +
              outside + R"(","f":"/etc/passwd",
      "g":"","h":"..","i":"good.safetensors\u0000"}})");  // none of the last five is plain
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  std::filesystem::remove(directory.path() + "/" + outside);
  ASSERT_EQ(checkpoint.shards.size(), 9u);
  for (const CheckpointShard& shard : checkpoint.shards) {
    ASSERT_EQ(shard.promised.size(), 1u);
    const std::string& tensor = shard.promised[0];
    if (tensor == "a") {
      EXPECT_TRUE(shard.header);
    } else if (tensor == "c") {
      ASSERT_TRUE(shard.header);
      EXPECT_EQ(shard.header->missing_nbytes, 1u);
    } else {
      const OperationError error = failure_of(shard);
      EXPECT_EQ(error.kind(), FailureKind::io);
      EXPECT_FALSE(error.io().path.empty());
      EXPECT_EQ(error.io().error_number, tensor == "b" ? ENOENT : 0);
      EXPECT_EQ(std::string(error.what()).find("a file that is not beside it") != std::string::npos,
                tensor >= "e");
    }
  }
  EXPECT_TRUE(checkpoint.problems.empty());

  const Checkpoint strict = open_checkpoint(directory.path(), CutFile::refuse);
  for (const CheckpointShard& shard : strict.shards) {
    if (shard.promised[0] != "c") continue;
    EXPECT_EQ(failure_of(shard).io().got, 3);
  }
}

TEST_F(CheckpointFiles, a_total_size_is_a_number_of_bytes) {
  write_file(directory / "1.safetensors", shard({"a"}));
  const auto problems = [&](const std::string& total_size) {
    write_index(R"({"metadata":{"total_size":)" + total_size +
                R"(},"weight_map":{"a":"1.safetensors"}})");
    return open_checkpoint(directory.path()).problems.size();
  };
  for (const char* right : {"4", "4.0", "4e0"}) EXPECT_EQ(problems(right), 0u) << right;
  for (const char* wrong : {"5", "5.0", "4.5", "-4", "\"4\"", "1e30", "null"}) {
    EXPECT_EQ(problems(wrong), 1u) << wrong;
  }
}

TEST_F(CheckpointFiles, an_index_that_does_not_hold) {
  write_file(directory / "1.safetensors", shard({"a", "moved"}));
  write_file(directory / "2.safetensors", shard({"b", "extra"}));
  write_file(directory / "3.safetensors", shard({"unknown"}));
  write_index(R"({"metadata":{"total_size":12},"weight_map":{"a":"1.safetensors",
      "lost":"1.safetensors","b":"2.safetensors","moved":"2.safetensors"}})");
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  struct Row {
    Kind kind;
    const char* file;
    const char* tensor;
  } const rows[] = {
      {Kind::unlisted_tensor, "1.safetensors", "moved"},
      {Kind::missing_tensor, "1.safetensors", "lost"},
      {Kind::unlisted_tensor, "2.safetensors", "extra"},
      {Kind::missing_tensor, "2.safetensors", "moved"},
      {Kind::total_size, "", ""},
      {Kind::unlisted_file, "3.safetensors", ""},
  };
  ASSERT_EQ(checkpoint.problems.size(), std::size(rows));
  for (size_t i = 0; i < std::size(rows); ++i) {
    EXPECT_EQ(checkpoint.problems[i].kind, rows[i].kind) << i;
    EXPECT_EQ(checkpoint.problems[i].file, rows[i].file) << i;
    EXPECT_EQ(checkpoint.problems[i].tensor, rows[i].tensor) << i;
    EXPECT_FALSE(checkpoint.problems[i].message.empty());
  }
}

TEST_F(CheckpointFiles, an_index_of_nothing) {
  write_index(R"({"weight_map":{}})");
  const Checkpoint checkpoint = open_checkpoint(directory.path());
  EXPECT_TRUE(checkpoint.shards.empty());
  ASSERT_EQ(checkpoint.problems.size(), 1u);
  EXPECT_EQ(checkpoint.problems[0].kind, Kind::empty_index);
}

TEST_F(CheckpointFiles, malformed_indexes_are_refused) {
  const std::string path = directory / "model.safetensors.index.json";
  for (const char* json :
       {"", "[]", "{", "{}", R"({"weight_map":[]})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":"x"},"weight_map":{}})", R"({"weight_map":{"a":"x","a":"y"}})",
        "{\"weight_map\":{\"a\":\"\xff\"}}", R"({"weight_map":{}} {})"}) {
    write_file(path, json);
    EXPECT_EQ(refusal(path).io().path, path) << json;
    EXPECT_EQ(refusal(directory.path()).io().path, path) << json;
  }
  std::string deep = R"({"metadata":{"a":)";
  deep += std::string(100'000, '[') + std::string(100'000, ']') + R"(},"weight_map":{}})";
  write_file(path, deep);
  EXPECT_NE(std::string(refusal(path).what()).find("nested more than 32 deep, at byte 47"),
            std::string::npos)
      << refusal(path).what();
  write_file(path, R"({"weight_map":{"a":"x","a":"y"}})");
  EXPECT_NE(std::string(refusal(path).what()).find("has the key \"a\" twice, at byte 25"),
            std::string::npos)
      << refusal(path).what();
}

TEST_F(CheckpointFiles, what_is_no_checkpoint) {
  EXPECT_EQ(refusal(directory / "missing").io().error_number, ENOENT);
  EXPECT_EQ(refusal(directory / "missing.json").io().error_number, ENOENT);
  EXPECT_NE(std::string(refusal(directory.path()).what()).find("no .safetensors"),
            std::string::npos);
}

}  // namespace
}  // namespace tarn::io
