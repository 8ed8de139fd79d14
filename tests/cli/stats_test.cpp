// tarn ls and tarn stats on sound checkpoints: every dtype, every field, every option.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "tests/cli/checkpoint_files.h"
#include "tests/cli/tool.h"

namespace tarn {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

// What the tool must say of these numbers.
void expect_stats(const json& got, const std::vector<double>& numbers) {
  SCOPED_TRACE(got.dump());
  std::vector<double> finite;
  int zeros = 0, nan = 0, inf = 0;
  for (const double x : numbers) {
    if (std::isfinite(x)) finite.push_back(x);
    zeros += x == 0;
    nan += std::isnan(x);
    inf += std::isinf(x);
  }
  EXPECT_FALSE(got.contains("failure"));
  EXPECT_EQ(got["zeros"], zeros);
  EXPECT_EQ(got["nan"], nan);
  EXPECT_EQ(got["inf"], inf);
  if (finite.empty()) {
    for (const char* field : {"min", "max", "mean", "std"}) EXPECT_TRUE(got[field].is_null());
    return;
  }
  double mean = 0, squares = 0;
  for (const double x : finite) mean += x / double(finite.size());
  for (const double x : finite) squares += (x - mean) * (x - mean) / double(finite.size());
  const double deviation = std::sqrt(squares);
  EXPECT_EQ(got["min"], *std::min_element(finite.begin(), finite.end()));
  EXPECT_EQ(got["max"], *std::max_element(finite.begin(), finite.end()));
  EXPECT_NEAR(got["mean"].get<double>(), mean, 1e-6 * deviation + 1e-14 * std::abs(mean));
  EXPECT_NEAR(got["std"].get<double>(), deviation, 1e-6 * deviation);
}

struct Sample {
  FileTensor tensor;
  std::vector<double> numbers;
};

std::vector<Sample> samples_of_all_dtypes() {
  const auto of = []<class T>(const char* dtype, const std::vector<T>& numbers) {
    return Sample{{dtype, dtype, {int64_t(numbers.size())}, bytes_of(numbers)},
                  {numbers.begin(), numbers.end()}};
  };
  const auto codes = []<class T>(const char* dtype, const std::vector<T>& bits,
                                 const std::vector<double>& numbers) {
    return Sample{{dtype, dtype, {int64_t(bits.size())}, bytes_of(bits)}, numbers};
  };
  return {
      of("F64", std::vector<double>{0.1, -2.5, kNan, kInf, -kInf, -0.0}),
      of("F32", std::vector<float>{0.5f, -2.5f, float(kNan), 3}),
      codes("F16", std::vector<uint16_t>{0x3c00, 0xc000, 0x7c00, 0x7e00}, {1, -2, kInf, kNan}),
      codes("BF16", std::vector<uint16_t>{0x3f80, 0xc000, 0xff80, 0x7fc0}, {1, -2, -kInf, kNan}),
      codes("F8_E4M3", std::vector<uint8_t>{0x38, 0xc0, 0x7f, 0x7e}, {1, -2, kNan, 448}),
      codes("F8_E5M2", std::vector<uint8_t>{0x3c, 0xc0, 0x7c, 0x7d}, {1, -2, kInf, kNan}),
      codes("F8_E8M0", std::vector<uint8_t>{127, 128, 120, 255}, {1, 2, 0x1p-7, kNan}),
      codes("F8_E4M3FNUZ", std::vector<uint8_t>{0x40, 0xc8, 0x80, 0x7f}, {1, -2, kNan, 240}),
      codes("F8_E5M2FNUZ", std::vector<uint8_t>{0x40, 0xc4, 0x80, 0x7f}, {1, -2, kNan, 57344}),
      of("I8", std::vector<int8_t>{-128, 127, 0}),
      of("U8", std::vector<uint8_t>{255, 1, 0}),
      of("I16", std::vector<int16_t>{-32768, 32767}),
      of("U16", std::vector<uint16_t>{65535, 3}),
      of("I32", std::vector<int32_t>{std::numeric_limits<int32_t>::min(), 7}),
      of("U32", std::vector<uint32_t>{std::numeric_limits<uint32_t>::max(), 7}),
      of("I64", std::vector<int64_t>{-(int64_t{1} << 53), 9}),
      of("U64", std::vector<uint64_t>{std::numeric_limits<uint64_t>::max(), 9}),
      codes("BOOL", std::vector<uint8_t>{1, 0, 1, 1}, {1, 0, 1, 1}),
  };
}

std::vector<FileTensor> tensors_of(const std::vector<Sample>& samples) {
  std::vector<FileTensor> tensors;
  for (const Sample& sample : samples) tensors.push_back(sample.tensor);
  return tensors;
}

TEST(Stats, every_dtype_and_json_field) {
  const std::vector<Sample> samples = samples_of_all_dtypes();
  const Directory dir;
  uint64_t offset = dir.write_safetensors("m.safetensors", tensors_of(samples));
  const Ended ended = run_tool({"stats", "--json", dir.path("m.safetensors")});
  EXPECT_EQ(ended.status, 0) << ended.err;
  const json report = ended.json();
  ASSERT_EQ(report["tensors"].size(), samples.size());
  uint64_t nbytes = 0;
  for (const auto& [expected, numbers] : samples) {
    const json got = tensor(report, expected.name);
    expect_stats(got, numbers);
    EXPECT_EQ(got["dtype"], expected.dtype);
    EXPECT_EQ(got["shape"], expected.shape);
    EXPECT_EQ(got["file"], dir.path("m.safetensors"));
    EXPECT_EQ(got["offset"], offset);
    EXPECT_EQ(got["nbytes"], expected.bytes.size());
    offset += expected.bytes.size();
    nbytes += expected.bytes.size();
  }
  const json& summary = report["summary"];
  EXPECT_EQ(summary["files"], 1);
  EXPECT_EQ(summary["tensors"], samples.size());
  EXPECT_EQ(summary["nbytes"], nbytes);
  EXPECT_EQ(summary["nbytes_read"], nbytes);
  EXPECT_EQ(summary["nan"], 9);
  EXPECT_EQ(summary["inf"], 5);
  EXPECT_EQ(summary["failed_tensors"], 0);
  EXPECT_TRUE(summary["failed_files"].empty());
  EXPECT_TRUE(summary["ended_by"].is_null());
}

TEST(Stats, two_numbers_to_a_byte) {
  const Directory dir;
  dir.write_safetensors("m.safetensors", {{"f4", "F4", {2, 4}, "\x10\x32\x54\xf7"}});
  const json f4 = tensor(run_tool({"stats", "--json", dir.path()}).json(), "f4");
  EXPECT_EQ(f4["shape"], (std::vector<int>{2, 4}));
  EXPECT_EQ(f4["nbytes"], 4);
  expect_stats(f4, {0, 0.5, 1, 1.5, 2, 3, 6, -6});
}

TEST(Stats, extremes_of_integers_are_exact) {
  constexpr int64_t kPast = (int64_t{1} << 53) + 1;  // no double
  const Directory dir;
  dir.write_safetensors(
      "m.safetensors",
      {{"i", "I64", {2}, bytes_of<int64_t>({-kPast, std::numeric_limits<int64_t>::max()})},
       {"u", "U64", {2}, bytes_of<uint64_t>({kPast, std::numeric_limits<uint64_t>::max()})}});
  const json report = run_tool({"stats", "--json", dir.path()}).json();
  EXPECT_EQ(tensor(report, "i")["min"].dump(), "-9007199254740993");
  EXPECT_EQ(tensor(report, "i")["max"].dump(), "9223372036854775807");
  EXPECT_EQ(tensor(report, "u")["min"].dump(), "9007199254740993");
  EXPECT_EQ(tensor(report, "u")["max"].dump(), "18446744073709551615");
  const std::string text = run_tool({"stats", dir.path()}).out;
  EXPECT_THAT(text, HasSubstr(" -9007199254740993   9223372036854775807 "));
  EXPECT_THAT(text, HasSubstr("  9007199254740993  18446744073709551615 "));
}

TEST(Stats, the_deviation_of_large_numbers_is_finite) {
  const Directory dir;
  dir.write_safetensors("m.safetensors",
                        {{"a", "F64", {4}, bytes_of<double>({1e300, -1e300, 1e300, -1e300})}});
  const json a = tensor(run_tool({"stats", "--json", dir.path()}).json(), "a");
  EXPECT_EQ(a["mean"], 0);
  EXPECT_NEAR(a["std"].get<double>() / 1e300, 1, 1e-12);
}

// What the order of bits in a byte is, the format does not say.
TEST(Stats, numbers_that_nobody_can_tell_are_read_and_left_out) {
  const Directory dir;
  dir.write_safetensors("m.safetensors", {{"packed", "F6_E2M3", {2, 4}, "123456"},
                                          {"odd", "F6_E3M2", {4, 3}, "123456789"},
                                          {"whole", "F32", {1}, bytes_of<float>({5})}});
  for (const char* command : {"stats", "verify"}) {
    const Ended ended = run_tool({command, "--json", dir.path()});
    EXPECT_EQ(ended.status, 0);
    const json report = ended.json();
    const json packed = tensor(report, "packed");
    EXPECT_EQ(packed["dtype"], "F6_E2M3");
    EXPECT_EQ(packed["shape"], (std::vector<int>{2, 4}));
    EXPECT_EQ(packed["nbytes"], 6);
    for (const char* field : {"min", "max", "mean", "std", "zeros", "nan", "inf"}) {
      EXPECT_TRUE(packed[field].is_null()) << field;
    }
    EXPECT_EQ(tensor(report, "odd")["nbytes"], 9);
    expect_stats(tensor(report, "whole"), {5});
    EXPECT_EQ(report["summary"]["nbytes_read"], 6 + 9 + 4);
  }
  EXPECT_THAT(run_tool({"stats", dir.path()}).out,
              HasSubstr("packed  F6_E2M3  (2, 4)    -    -     -    -      -    -    -\n"));
  EXPECT_THAT(run_tool({"ls", dir.path()}).out, HasSubstr("odd     F6_E3M2  (4, 3)   9 B"));
}

TEST(Stats, tensors_without_elements_and_scalars) {
  const Directory dir;
  dir.write_safetensors(
      "m.safetensors", {{"none", "F32", {0, 4}, ""}, {"scalar", "F64", {}, bytes_of<double>({5})}});
  const Ended ended = run_tool({"stats", "--json", dir.path()});
  EXPECT_EQ(ended.status, 0);
  expect_stats(tensor(ended.json(), "none"), {});
  expect_stats(tensor(ended.json(), "scalar"), {5});
  EXPECT_EQ(tensor(ended.json(), "scalar")["shape"], json::array());
}

// A tensor of several parts, read by several threads, in memory smaller than it.
TEST(Stats, threads_and_memory_limit_do_not_change_what_is_found) {
  std::vector<float> numbers(3'000'000);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = float(i % 1013) - 500;
  numbers[2'000'000] = float(kNan);
  const Directory dir;
  dir.write_safetensors("m.safetensors", {float_tensor("large", numbers)});
  for (const char* threads : {"1", "2", "5"}) {
    for (const char* limit : {"1MiB", "64K", "1G"}) {
      const Ended ended = run_tool({"stats", "--json", "--threads", threads, "--memory-limit",
                                    limit, dir.path("m.safetensors")});
      EXPECT_EQ(ended.status, 0) << threads << " " << limit << ended.err;
      expect_stats(tensor(ended.json(), "large"), {numbers.begin(), numbers.end()});
    }
  }
}

TEST(Stats, a_memory_limit_that_is_too_small_fails_the_tensor) {
  const Directory dir;
  dir.write_safetensors("m.safetensors", {float_tensor("a", std::vector<float>(1000, 1))});
  const Ended ended = run_tool({"stats", "--json", "--memory-limit", "1", dir.path()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(tensor(ended.json(), "a")["failure"]["kind"], "out_of_memory");
}

TEST(Stats, globs_select) {
  const Directory dir;
  dir.write_safetensors("m.safetensors",
                        {float_tensor("layers.0.q", {1}), float_tensor("layers.1.q", {2}),
                         float_tensor("layers.1.k", {3})});
  const auto names = [&](Tool::Args args) {
    args.insert(args.end(), {"--json"});
    std::vector<std::string> found;
    const json report = run_tool(std::move(args)).json();
    for (const json& entry : report["tensors"]) found.push_back(entry["name"]);
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({"stats", "--match", "*.q", dir.path()}), (Names{"layers.0.q", "layers.1.q"}));
  EXPECT_EQ(names({"stats", dir.path(), "--match", "layers.[1].?"}),
            (Names{"layers.1.q", "layers.1.k"}));
  EXPECT_EQ(names({"ls", "--match", "*.0.*", "--match", "*.k", dir.path()}),
            (Names{"layers.0.q", "layers.1.k"}));
  for (const char* command : {"ls", "stats", "verify"}) {
    const Ended none = run_tool({command, "--match", "nothing*", dir.path()});
    EXPECT_EQ(none.status, 1);
    EXPECT_THAT(none.out, HasSubstr("1 problem:\n  no tensor has a name that matches nothing*\n"));
    const Ended none_json = run_tool({command, "--json", "--match", "nothing*", dir.path()});
    EXPECT_EQ(none_json.status, 1);
    EXPECT_EQ(none_json.json()["tensors"], json::array());
    EXPECT_EQ(none_json.json()["summary"]["problems"][0]["message"],
              "no tensor has a name that matches nothing*");
  }
}

TEST(Stats, npy_of_both_byte_orders) {
  const Directory dir;
  const auto write_npy = [&](const char* name, const char* order, const std::string& bytes) {
    std::string header =
        "{'descr': '" + std::string(order) + "i4', 'fortran_order': True, 'shape': (2, 2), }\n";
    const auto nbytes = uint16_t(header.size());
    return dir.write(
        name, std::string("\x93NUMPY\x01\0", 8) + bytes_of<uint16_t>({nbytes}) + header + bytes);
  };
  const std::string little = write_npy("little.npy", "<", bytes_of<int32_t>({1, 2, 3, -4}));
  const std::string big =
      write_npy("big.npy", ">", std::string("\0\0\0\1\0\0\0\2\0\0\0\3\xff\xff\xff\xfc", 16));
  const Ended ended = run_tool({"stats", "--json", little, big});
  EXPECT_EQ(ended.status, 0);
  for (const char* name : {"little.npy", "big.npy"}) {
    const json got = tensor(ended.json(), name);
    expect_stats(got, {1, 2, 3, -4});
    EXPECT_EQ(got["shape"], (std::vector<int>{2, 2}));
  }
}

TEST(Stats, an_index_a_directory_and_several_paths) {
  const Directory dir;
  dir.write_safetensors("one.safetensors", {float_tensor("a", {1, 2})});
  dir.write_safetensors("two.safetensors", {float_tensor("b", {3})});
  const std::string index = dir.write_index({{"a", "one.safetensors"}, {"b", "two.safetensors"}});
  for (const Tool::Args& paths : {Tool::Args{index},
                                  {dir.path()},
                                  {dir.path("one.safetensors"), dir.path("two.safetensors")}}) {
    Tool::Args args{"stats", "--json"};
    args.insert(args.end(), paths.begin(), paths.end());
    const Ended ended = run_tool(args);
    EXPECT_EQ(ended.status, 0);
    expect_stats(tensor(ended.json(), "a"), {1, 2});
    expect_stats(tensor(ended.json(), "b"), {3});
  }
}

TEST(Stats, very_many_tensors) {
  constexpr int kCount = 20'000;
  std::vector<FileTensor> tensors;
  for (int i = 0; i < kCount; ++i) {
    tensors.push_back(float_tensor("t" + std::to_string(i), {float(i), float(i + 2)}));
  }
  const Directory dir;
  dir.write_safetensors("m.safetensors", tensors);
  const Ended ended = run_tool({"stats", "--json", dir.path()});
  EXPECT_EQ(ended.status, 0);
  const json report = ended.json();
  ASSERT_EQ(report["tensors"].size(), size_t(kCount));
  for (int i = 0; i < kCount; ++i) ASSERT_EQ(report["tensors"][i]["mean"], i + 1);
}

TEST(Stats, the_table) {
  const Directory dir;
  dir.write_safetensors("m.safetensors", {float_tensor("weights", {0, 0.5f, float(kNan), 1.5f})});
  const Ended ended = run_tool({"stats", dir.path()});
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.out, testing::StartsWith(
                             "tensor   dtype  shape  min  max    mean     std  zeros  NaN  Inf\n"
                             "weights  F32    (4)      0  1.5  0.6667  0.6236      1    1    0\n"
                             "\n1 tensor, 16 B in 1 file; read 16 B in "));
  EXPECT_EQ(ended.err, "");  // no progress bar: this is no terminal
}

TEST(Ls, tensors_and_metadata) {
  const Directory dir;
  const uint64_t begin = dir.write_safetensors(
      "m.safetensors", {{"w", "BF16", {2, 3}, std::string(12, '\0')}}, {{"format", "pt"}});
  const Ended text = run_tool({"ls", dir.path()});
  EXPECT_EQ(text.status, 0);
  EXPECT_THAT(text.out, HasSubstr("w       BF16   (2, 3)  12 B  " + dir.path("m.safetensors")));
  EXPECT_THAT(text.out, HasSubstr("format = pt"));
  const json report = run_tool({"ls", "--json", dir.path()}).json();
  EXPECT_EQ(report["tensors"], json::array({{{"name", "w"},
                                             {"dtype", "BF16"},
                                             {"shape", {2, 3}},
                                             {"file", dir.path("m.safetensors")},
                                             {"offset", begin},
                                             {"nbytes", 12}}}));
  EXPECT_EQ(report["summary"]["file_metadata"][dir.path("m.safetensors")]["format"], "pt");
}

// Names may hold what a terminal obeys: control characters of one and of two bytes, and marks that
// turn the direction of writing.
TEST(Ls, names_cannot_steer_a_terminal) {
  const std::string name =
      "a\x1b[31m\n\xc2\x9b"
      "1m\xe2\x80\xae"
      "b\xc3\xbc\xe6\xbc\xa2";
  const Directory dir;
  dir.write_safetensors("m.safetensors", {float_tensor(name, {1})}, {{"k\x1b", "v\x07"}});
  for (const char* command : {"ls", "stats", "verify"}) {
    for (const char* format : {"", "--json"}) {
      Tool::Args args{command, dir.path()};
      if (*format != '\0') args.push_back(format);
      const Ended ended = run_tool(args);
      EXPECT_EQ(ended.status, 0);
      for (const char* forbidden : {"\x1b", "\x07", "\xc2\x9b", "\xe2\x80\xae"}) {
        EXPECT_THAT(ended.out, Not(HasSubstr(forbidden))) << command << format;
      }
    }
  }
  EXPECT_THAT(run_tool({"ls", dir.path()}).out,
              HasSubstr("a\\x1b[31m\\x0a\\u009b1m\\u202eb\xc3\xbc\xe6\xbc\xa2"));
  EXPECT_EQ(run_tool({"ls", "--json", dir.path()}).json()["tensors"][0]["name"], name);
}

}  // namespace
}  // namespace tarn
