#include "tarn/io/safetensors_header.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>

#include "tarn/base/failure.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::io {
namespace {

// The first bytes of a file whose header is `json`.
std::string with_length(const std::string& json) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return bytes + json;
}

SafetensorsHeader parse(const std::string& json, uint64_t data_nbytes,
                        CutFile cut_file = CutFile::refuse) {
  const std::string bytes = with_length(json);
  return parse_safetensors_header(bytes, bytes.size() + data_nbytes, cut_file, "m.safetensors");
}

// Parses, expecting a refusal.
OperationError refusal(const std::string& bytes, std::optional<uint64_t> file_nbytes,
                       CutFile cut_file = CutFile::accept) {
  try {
    parse_safetensors_header(bytes, file_nbytes, cut_file, "m.safetensors");
  } catch (const OperationError& error) {
    EXPECT_EQ(error.kind(), FailureKind::io);
    EXPECT_EQ(error.io().path, "m.safetensors");
    EXPECT_GE(error.io().offset, 0);
    EXPECT_EQ(std::string(error.what()).rfind("[load_safetensors] m.safetensors: ", 0), 0u);
    return error;
  }
  ADD_FAILURE() << "accepted: " << bytes.substr(8);
  return OperationError(FailureKind::operation, "");
}

TEST(SafetensorsHeader, parses_tensors_by_offset_and_metadata) {
  const std::string json = R"({"b":{"dtype":"F32","shape":[2,3],"data_offsets":[2,26]},)"
                           R"("__metadata__":{"format":"pt","ключ":"значение"},)"
                           R"("a":{"data_offsets":[0,2],"shape":[],"dtype":"BF16"},)"
                           R"("none":{"dtype":"I64","shape":[0,7],"data_offsets":[2,2]}}   )";
  const SafetensorsHeader header = parse(json, 26);
  const uint64_t begin = 8 + json.size();
  EXPECT_EQ(header.data_begin, begin);
  EXPECT_EQ(header.data_end, begin + 26);
  EXPECT_EQ(header.missing_nbytes, 0u);
  EXPECT_EQ(header.metadata,
            (std::map<std::string, std::string>{{"format", "pt"}, {"ключ", "значение"}}));
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_EQ(header.tensors[0].dtype, tarn::bfloat16);
  EXPECT_EQ(header.tensors[0].dtype_name, "BF16");
  EXPECT_TRUE(header.tensors[0].shape.empty());
  EXPECT_EQ(header.tensors[0].begin, begin);
  EXPECT_EQ(header.tensors[0].nbytes(), 2u);
  EXPECT_EQ(header.tensors[1].name, "none");
  EXPECT_EQ(header.tensors[1].nbytes(), 0u);
  EXPECT_EQ(header.tensors[2].name, "b");
  EXPECT_EQ(header.tensors[2].shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(header.tensors[2].begin, begin + 2);
  EXPECT_EQ(header.tensors[2].end, begin + 26);
}

TEST(SafetensorsHeader, without_tensors) {
  EXPECT_TRUE(parse("{}", 0).tensors.empty());
  EXPECT_TRUE(parse(R"({"__metadata__":null})", 0).metadata.empty());
  EXPECT_TRUE(parse(R"({"__metadata__":{}})", 0).metadata.empty());
}

TEST(SafetensorsHeader, every_dtype_of_the_format) {
  struct Row {
    const char* name;
    Dtype dtype;
    int n_bits;
  } const rows[] = {
      {"BOOL", tarn::bool_, 8},        {"U8", tarn::uint8, 8},
      {"I8", tarn::int8, 8},           {"F4", tarn::uint8, 4},
      {"F6_E2M3", tarn::uint8, 6},     {"F6_E3M2", tarn::uint8, 6},
      {"F8_E5M2", tarn::uint8, 8},     {"F8_E4M3", tarn::uint8, 8},
      {"F8_E8M0", tarn::uint8, 8},     {"F8_E4M3FNUZ", tarn::uint8, 8},
      {"F8_E5M2FNUZ", tarn::uint8, 8}, {"I16", tarn::int16, 16},
      {"U16", tarn::uint16, 16},       {"F16", tarn::float16, 16},
      {"BF16", tarn::bfloat16, 16},    {"I32", tarn::int32, 32},
      {"U32", tarn::uint32, 32},       {"F32", tarn::float32, 32},
      {"I64", tarn::int64, 64},        {"U64", tarn::uint64, 64},
      {"F64", tarn::float64, 64},      {"C64", tarn::complex64, 64},
  };
  for (const Row& row : rows) {
    const int nbytes = 4 * row.n_bits / 8;
    const auto header =
        parse(std::string(R"({"t":{"dtype":")") + row.name + R"(","shape":[4],"data_offsets":[0,)" +
                  std::to_string(nbytes) + "]}}",
              uint64_t(nbytes));
    EXPECT_EQ(header.tensors[0].dtype, row.dtype);
    EXPECT_EQ(header.tensors[0].dtype_name, row.name);
    EXPECT_EQ(header.tensors[0].n_bits, row.n_bits);
    EXPECT_FALSE(header.tensors[0].failure);
  }
  for (const Dtype dtype : kAllDtypes) {
    const auto* row =
        std::ranges::find(rows, std::string_view(safetensors_dtype_name(dtype)), &Row::name);
    ASSERT_NE(row, std::end(rows)) << dtype_name(dtype);
    EXPECT_EQ(row->dtype, dtype);
  }
}

TEST(SafetensorsHeader, an_unknown_dtype_fails_its_tensor_alone) {
  for (const char* dtype : {"Q3", "f32", ""}) {
    const SafetensorsHeader header =
        parse(R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"odd":{"dtype":")" +
                  std::string(dtype) + R"(","shape":[2,5],"data_offsets":[2,7]}})",
              7);
    ASSERT_EQ(header.tensors.size(), 2u);
    EXPECT_FALSE(header.tensors[0].failure);
    const SafetensorsEntry& odd = header.tensors[1];
    EXPECT_EQ(odd.dtype_name, dtype);
    EXPECT_EQ(odd.shape, (std::vector<int64_t>{2, 5}));
    EXPECT_EQ(odd.nbytes(), 5u);
    try {
      std::rethrow_exception(odd.failure);
    } catch (const OperationError& error) {
      EXPECT_EQ(std::string(error.what()),
                "[load_safetensors] m.safetensors: tensor \"odd\": has the unknown dtype \"" +
                    std::string(dtype) + '"');
      EXPECT_EQ(error.io().tensor, "odd");
    }
  }
}

// Each row breaks one rule and no other.
struct BadHeader {
  const char* rule;
  std::string json;
  const char* message;  // part of it
  const char* tensor = "";
  uint64_t data_nbytes = 8;
};

std::string tensor(const std::string& fields) { return R"({"t":{)" + fields + "}}"; }

const std::string kDtype = R"("dtype":"F32")";
const std::string kShape = R"("shape":[2])";
const std::string kOffsets = R"("data_offsets":[0,8])";

std::string entry(const std::string& name, const std::string& offsets) {
  return '"' + name + R"(":{"dtype":"F32","shape":[2],"data_offsets":)" + offsets + '}';
}

const BadHeader kBadHeaders[] = {
    {"begins_with_a_brace", " {}", "does not begin", "", 0},
    {"is_an_object", "[]", "does not begin", "", 0},
    {"is_json", "{", "not valid JSON", "", 0},
    {"is_one_value", "{} {}", "not valid JSON", "", 0},
    {"has_no_zero_bytes", std::string("{}\0", 3), "zero byte", "", 0},
    {"has_no_trailing_comma", R"({"__metadata__":{},})", "not valid JSON", "", 0},
    {"has_no_comments", "{/**/}", "not valid JSON", "", 0},
    {"is_utf8", "{\"__metadata__\":{\"k\":\"\xff\"}}", "not valid JSON", "", 0},
    {"has_no_overlong_utf8", "{\"__metadata__\":{\"k\":\"\xc0\xaf\"}}", "not valid JSON", "", 0},
    {"has_no_surrogate_halves", R"({"__metadata__":{"k":"\ud800"}})", "not valid JSON", "", 0},
    {"has_no_huge_numbers", tensor(kDtype + R"(,"shape":[1e999],)" + kOffsets), "number"},
    {"is_not_deep", R"({"t":[[[0]]]})", "nested", "", 0},
    {"repeats_no_tensor", "{" + entry("t", "[0,8]") + "," + entry("t", "[0,8]") + "}", "twice"},
    {"repeats_no_field", tensor(kDtype + "," + kDtype + "," + kShape + "," + kOffsets), "twice"},
    {"repeats_no_metadata", R"({"__metadata__":{"a":"1","a":"1"}})", "twice", "", 0},
    {"metadata_is_an_object", R"({"__metadata__":["a"]})", "neither", "__metadata__", 0},
    {"metadata_is_text", R"({"__metadata__":{"a":1}})", "not a string", "__metadata__", 0},
    {"metadata_is_flat", R"({"__metadata__":{"a":{}}})", "not a string", "__metadata__", 0},
    {"tensor_is_an_object", R"({"t":7})", "not an object", "t", 0},
    {"has_a_dtype", tensor(kShape + "," + kOffsets), "no dtype", "t"},
    {"dtype_is_text", tensor(R"("dtype":1,)" + kShape + "," + kOffsets), "no dtype", "t"},
    {"has_a_shape", tensor(kDtype + "," + kOffsets), "shape", "t"},
    {"shape_is_an_array", tensor(kDtype + R"(,"shape":2,)" + kOffsets), "shape", "t"},
    {"dimension_is_integer", tensor(kDtype + R"(,"shape":[2.0],)" + kOffsets), "shape", "t"},
    {"dimension_is_a_number", tensor(kDtype + R"(,"shape":["2"],)" + kOffsets), "shape", "t"},
    {"dimension_is_not_negative", tensor(kDtype + R"(,"shape":[-2],)" + kOffsets), "shape", "t"},
    {"dimension_is_not_minus_zero", tensor(kDtype + R"(,"shape":[-0],"data_offsets":[0,0])"),
     "shape", "t", 0},
    {"dimension_fits_int64",
     tensor(kDtype + R"(,"shape":[9223372036854775808,0],"data_offsets":[0,0])"), "shape", "t", 0},
    {"size_does_not_wrap",
     tensor(kDtype + R"(,"shape":[4294967296,4294967296],"data_offsets":[0,0])"), "too large", "t",
     0},
    {"bytes_do_not_wrap", tensor(kDtype + R"(,"shape":[4611686018427387904],"data_offsets":[0,0])"),
     "too large", "t", 0},
    {"empty_shape_does_not_wrap",
     tensor(kDtype + R"(,"shape":[4294967296,0,4294967296],"data_offsets":[0,0])"), "too large",
     "t", 0},
    {"has_offsets", tensor(kDtype + "," + kShape), "data_offsets", "t"},
    {"offsets_are_an_array", tensor(kDtype + "," + kShape + R"(,"data_offsets":8)"), "data_offsets",
     "t"},
    {"offsets_are_two", tensor(kDtype + "," + kShape + R"(,"data_offsets":[0,8,8])"),
     "data_offsets", "t"},
    {"offset_is_integer", tensor(kDtype + "," + kShape + R"(,"data_offsets":[0,8.0])"),
     "data_offsets", "t"},
    {"offset_is_not_negative", tensor(kDtype + "," + kShape + R"(,"data_offsets":[-8,0])"),
     "data_offsets", "t"},
    {"offsets_run_forward", tensor(kDtype + "," + kShape + R"(,"data_offsets":[8,0])"), "backwards",
     "t"},
    {"offset_does_not_wrap",
     tensor(kDtype + "," + kShape +
            R"(,"data_offsets":[18446744073709551608,18446744073709551616])"),
     "data_offsets", "t"},
    {"offset_is_inside_a_file",
     tensor(kDtype + "," + kShape + R"(,"data_offsets":[9223372036854775799,9223372036854775807])"),
     "past any file", "t"},
    {"offsets_span_the_shape", tensor(kDtype + "," + kShape + R"(,"data_offsets":[0,12])"), "span",
     "t", 12},
    {"offsets_span_all_of_the_shape", tensor(kDtype + "," + kShape + R"(,"data_offsets":[0,4])"),
     "span", "t", 4},
    {"packed_elements_fill_bytes", tensor(R"("dtype":"F4","shape":[3],"data_offsets":[0,2])"),
     "12 bits, which are no whole bytes", "t", 2},
    {"offsets_span_packed_elements",
     tensor(R"("dtype":"F6_E2M3","shape":[2,4],"data_offsets":[0,8])"), "are 6", "t", 8},
    {"packed_bits_do_not_wrap",
     tensor(R"("dtype":"F4","shape":[4611686018427387904],"data_offsets":[0,0])"), "too large", "t",
     0},
    {"unknown_shape_does_not_wrap",
     tensor(R"("dtype":"Q3","shape":[4294967296,4294967296],"data_offsets":[0,0])"), "too large",
     "t", 0},
    {"has_no_other_field", tensor(kDtype + "," + kShape + "," + kOffsets + R"(,"strides":[1])"),
     "strides", "t"},
    {"first_tensor_begins_the_data", "{" + entry("t", "[4,12]") + "}", "hole", "t", 12},
    {"tensors_leave_no_hole", "{" + entry("t", "[0,8]") + "," + entry("u", "[9,17]") + "}", "hole",
     "u", 17},
    {"tensors_do_not_overlap", "{" + entry("t", "[0,8]") + "," + entry("u", "[4,12]") + "}",
     "inside the tensor before", "u", 12},
    {"tensors_do_not_share", "{" + entry("t", "[0,8]") + "," + entry("u", "[0,8]") + "}",
     "inside the tensor before", "u", 8},
    {"nothing_follows_the_last_tensor", "{" + entry("t", "[0,8]") + "}", "after the last", "", 9},
    {"nothing_follows_no_tensor", "{}", "after the last", "", 1},
};

class BadHeaders : public testing::TestWithParam<BadHeader> {};

TEST_P(BadHeaders, are_refused) {
  const BadHeader& bad = GetParam();
  const std::string bytes = with_length(bad.json);
  const OperationError error = refusal(bytes, bytes.size() + bad.data_nbytes);
  EXPECT_NE(std::string(error.what()).find(bad.message), std::string::npos) << error.what();
  EXPECT_EQ(error.io().tensor, bad.tensor) << error.what();
}

INSTANTIATE_TEST_SUITE_P(Safetensors, BadHeaders, testing::ValuesIn(kBadHeaders),
                         [](const auto& info) { return std::string(info.param.rule); });

TEST(SafetensorsHeader, the_file_ends_inside_the_header) {
  const std::string bytes = with_length("{" + entry("t", "[0,8]") + "}");
  for (size_t n = 0; n < bytes.size(); ++n) {
    const OperationError error = refusal(bytes.substr(0, n), n);
    EXPECT_EQ(error.io().offset, n < 8 ? 0 : 8);
    EXPECT_EQ(error.io().got, static_cast<int64_t>(n < 8 ? n : n - 8));
    EXPECT_EQ(error.io().wanted, static_cast<int64_t>(n < 8 ? 8 : bytes.size() - 8));
    refusal(bytes.substr(0, n), std::nullopt);
  }
}

TEST(SafetensorsHeader, a_length_that_lies) {
  for (const uint64_t length : {uint64_t{100'000'001}, uint64_t{1} << 62, ~uint64_t{0}}) {
    std::string bytes = with_length("{}");
    std::memcpy(bytes.data(), &length, 8);
    EXPECT_NE(std::string(refusal(bytes, 1'000'000'000).what()).find("header length"),
              std::string::npos);
    refusal(bytes, std::nullopt);
  }
  std::string bytes = with_length("{}");
  bytes[0] = 0;
  refusal(bytes, bytes.size());
}

TEST(SafetensorsHeader, deep_nesting_does_not_recurse) {
  const std::string deep(1'000'000, '[');
  refusal(with_length(R"({"t":)" + deep), std::nullopt);
  std::string objects = "{";
  for (int i = 0; i < 100'000; ++i) objects += R"("a":{)";
  refusal(with_length(objects), std::nullopt);
}

TEST(SafetensorsHeader, a_cut_file) {
  const std::string json = "{" + entry("t", "[0,8]") + "," + entry("u", "[8,16]") + "," +
                           R"("v":{"dtype":"U8","shape":[0],"data_offsets":[16,16]}})";
  const std::string bytes = with_length(json);
  for (uint64_t n = 0; n < 16; ++n) {
    const SafetensorsHeader header =
        parse_safetensors_header(bytes, bytes.size() + n, CutFile::accept, "m.safetensors");
    EXPECT_EQ(header.missing_nbytes, 16 - n);
    EXPECT_EQ(header.tensors.size(), 3u);

    const OperationError error = refusal(bytes, bytes.size() + n, CutFile::refuse);
    const uint64_t begin = n < 8 ? 0 : 8;
    EXPECT_EQ(error.io().tensor, n < 8 ? "t" : "u");
    EXPECT_EQ(error.io().offset, static_cast<int64_t>(bytes.size() + begin));
    EXPECT_EQ(error.io().wanted, 8);
    EXPECT_EQ(error.io().got, static_cast<int64_t>(n - begin));
  }
  EXPECT_EQ(parse(json, 16).missing_nbytes, 0u);
}

TEST(SafetensorsHeader, a_file_of_unknown_size) {
  const std::string bytes = with_length("{" + entry("t", "[0,8]") + "}");
  const SafetensorsHeader header =
      parse_safetensors_header(bytes, std::nullopt, CutFile::refuse, "stream");
  EXPECT_EQ(header.data_end, bytes.size() + 8);
  EXPECT_EQ(header.missing_nbytes, 0u);
}

TEST(SafetensorsHeader, dimensions_past_int32_are_for_the_loader_to_judge) {
  const auto header = parse(
      R"({"t":{"dtype":"U8","shape":[3000000000],"data_offsets":[0,3000000000]}})", 3000000000);
  EXPECT_EQ(header.tensors[0].shape[0], 3000000000);
}

TEST(SafetensorsHeader, is_read_at_the_cursor) {
  TemporaryDirectory directory;
  const std::string bytes = with_length("{" + entry("t", "[0,8]") + "}");
  write_file(directory / "m", "prefix" + bytes + "8 bytes!");
  ParallelFileReader reader(directory / "m");
  reader.seek(6);
  const SafetensorsHeader header = read_safetensors_header(reader, CutFile::refuse);
  EXPECT_EQ(header.data_begin, 6 + bytes.size());
  EXPECT_EQ(header.tensors[0].begin, 6 + bytes.size());
  std::string data(8, '\0');
  reader.read(data.data(), 8, header.tensors[0].begin);
  EXPECT_EQ(data, "8 bytes!");
}

TEST(SafetensorsHeader, every_read_that_fails_is_reported) {
  TemporaryDirectory directory;
  const std::string path = directory / "m";
  write_file(path, with_length("{" + entry("t", "[0,8]") + "}") + "8 bytes!");
  for (size_t i = 0;; ++i) {
    FaultySystemCalls calls;
    calls.only = "pread";
    calls.fail_at = i;
    ParallelFileReader reader(path, calls);
    try {
      read_safetensors_header(reader, CutFile::refuse);
      EXPECT_EQ(calls.failed_call(), "");
      break;
    } catch (const OperationError& error) {
      EXPECT_EQ(error.io().path, path);
      EXPECT_EQ(error.io().error_number, EIO);
    }
  }
  for (const size_t n : {20, 8, 5, 0}) {
    std::filesystem::resize_file(path, n);
    ParallelFileReader reader(path);
    try {
      read_safetensors_header(reader, CutFile::accept);
      FAIL();
    } catch (const OperationError& error) {
      EXPECT_EQ(error.io().got, static_cast<int64_t>(n < 8 ? n : n - 8));
    }
  }
}

TEST(ComposeSafetensors, writes_what_is_expected_to_the_byte) {
  const std::vector<SafetensorsSpec> tensors = {{"b", tarn::float32, {2, 3}},
                                                {"a\"", tarn::bool_, {}}};
  EXPECT_EQ(compose_safetensors_header(tensors, {}),
            with_length(R"({"__metadata__":null,)"
                        R"("b":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
                        R"("a\"":{"dtype":"BOOL","shape":[],"data_offsets":[24,25]}})"));
  EXPECT_EQ(compose_safetensors_header({}, {{"k", "v"}, {"a", "\n"}}),
            with_length(R"({"__metadata__":{"a":"\n","k":"v"}})"));
}

TEST(ComposeSafetensors, refuses_what_it_could_not_read_back) {
  using Specs = std::vector<SafetensorsSpec>;
  const auto compose = [](const Specs& specs, std::map<std::string, std::string> metadata = {}) {
    return compose_safetensors_header(specs, metadata);
  };
  EXPECT_THROW(compose({{"a", tarn::int8, {}}, {"a", tarn::int8, {}}}), std::invalid_argument);
  EXPECT_THROW(compose({{"__metadata__", tarn::int8, {}}}), std::invalid_argument);
  EXPECT_THROW(compose({{"\xff", tarn::int8, {}}}), std::invalid_argument);
  EXPECT_THROW(compose({}, {{"\xff", ""}}), std::invalid_argument);
  EXPECT_THROW(compose({}, {{"", "\xff"}}), std::invalid_argument);
  constexpr int64_t kBig = std::numeric_limits<int64_t>::max();
  EXPECT_THROW(compose({{"a", tarn::int16, {kBig}}}), std::overflow_error);
  EXPECT_THROW(compose({{"a", tarn::int8, {kBig}}, {"b", tarn::int8, {1}}}), std::overflow_error);
  EXPECT_THROW(compose({{std::string(100'000'001, 'a'), tarn::int8, {}}}), std::overflow_error);
}

// With anything quadratic in it this takes minutes.
TEST(ComposeSafetensors, very_many_tensors) {
  std::vector<SafetensorsSpec> specs;
  for (int i = 0; i < 50'000; ++i) specs.push_back({std::to_string(i), tarn::int8, {1}});
  const std::string bytes = compose_safetensors_header(specs, {});
  const SafetensorsHeader header =
      parse_safetensors_header(bytes, bytes.size() + specs.size(), CutFile::refuse, "m");
  EXPECT_EQ(header.tensors.size(), specs.size());
}

TEST(ComposeSafetensors, random_headers_survive_the_round_trip) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<SafetensorsSpec> specs;
    for (size_t i = random() % 12; i > 0; --i) {
      SafetensorsSpec spec{"t" + std::to_string(i), kAllDtypes[random() % kDtypeCount], {}};
      for (size_t c = random() % 4; c > 0; --c) {
        constexpr const char* kPieces[] = {"\"", "\\", "\n", "é", "🙂", "/", std::data("\x7f"),
                                           "."};
        spec.name += kPieces[random() % std::size(kPieces)];
      }
      for (size_t d = random() % 5; d > 0; --d) {
        spec.shape.push_back(static_cast<int64_t>(random() % 9));
      }
      specs.push_back(std::move(spec));
    }
    std::map<std::string, std::string> metadata;
    for (size_t i = random() % 3; i > 0; --i) metadata["k\t" + std::to_string(i)] = "v\"é";

    const std::string bytes = compose_safetensors_header(specs, metadata);
    uint64_t end = bytes.size();
    for (const SafetensorsSpec& spec : specs) {
      uint64_t nbytes = spec.dtype.size();
      for (const int64_t dim : spec.shape) nbytes *= dim;
      end += nbytes;
    }
    const SafetensorsHeader header =
        parse_safetensors_header(bytes, end, CutFile::refuse, "m.safetensors");
    EXPECT_EQ(header.metadata, metadata);
    ASSERT_EQ(header.tensors.size(), specs.size());
    for (const SafetensorsSpec& spec : specs) {
      const auto it = std::ranges::find(header.tensors, spec.name, &SafetensorsEntry::name);
      ASSERT_NE(it, header.tensors.end());
      EXPECT_EQ(it->dtype, spec.dtype);
      EXPECT_EQ(it->shape, spec.shape);
    }
    EXPECT_EQ(header.data_end, end);
  }
}

}  // namespace
}  // namespace tarn::io
