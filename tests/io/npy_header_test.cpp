#include "tarn/io/npy_header.h"

#include <gtest/gtest.h>

#include <random>

#include "tarn/base/failure.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn::io {
namespace {

std::string file_of(const std::string& dict, int major = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(major);
  bytes += '\0';
  for (int i = 0; i < (major == 1 ? 2 : 4); ++i) {
    bytes += static_cast<char>(dict.size() >> (8 * i) & 0xff);
  }
  return bytes + dict;
}

NpyHeader parse(const std::string& dict, int major = 1) {
  return parse_npy_header(file_of(dict, major), std::nullopt, "a.npy");
}

OperationError refusal(const std::string& bytes,
                       std::optional<uint64_t> file_nbytes = std::nullopt) {
  try {
    parse_npy_header(bytes, file_nbytes, "a.npy");
  } catch (const OperationError& error) {
    EXPECT_EQ(error.kind(), FailureKind::io);
    EXPECT_EQ(error.io().path, "a.npy");
    EXPECT_GE(error.io().offset, 0);
    EXPECT_EQ(std::string(error.what()).rfind("[load] a.npy: ", 0), 0u);
    return error;
  }
  ADD_FAILURE() << "accepted: " << bytes;
  return OperationError(FailureKind::operation, "");
}

TEST(NpyHeader, as_numpy_writes_it) {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n";
  for (const int major : {1, 2, 3}) {
    const NpyHeader header = parse(dict, major);
    EXPECT_EQ(header.dtype, tarn::float32);
    EXPECT_FALSE(header.fortran_order);
    EXPECT_FALSE(header.swap_bytes);
    EXPECT_EQ(header.shape, (std::vector<int64_t>{2, 3}));
    EXPECT_EQ(header.data_begin, (major == 1 ? 10 : 12) + dict.size());
    EXPECT_EQ(header.nbytes, 24u);
    EXPECT_EQ(header.missing_nbytes, 0u);
  }
}

TEST(NpyHeader, other_spellings) {
  const NpyHeader header =
      parse("\t{ \"shape\" :( 5L , ),\n 'fortran_order':True,'descr' : \">c8\" } ");
  EXPECT_EQ(header.dtype, tarn::complex64);
  EXPECT_TRUE(header.fortran_order);
  EXPECT_TRUE(header.swap_bytes);
  EXPECT_EQ(header.number_nbytes(), 4u);
  EXPECT_EQ(header.shape, (std::vector<int64_t>{5}));
  const auto shape_of = [](const std::string& text) {
    return parse("{'descr':'|u1','fortran_order':False,'shape':" + text + "}").shape;
  };
  EXPECT_EQ(shape_of("()"), (std::vector<int64_t>{}));
  EXPECT_EQ(shape_of("(0,)"), (std::vector<int64_t>{0}));
  EXPECT_EQ(shape_of("(1,2,)"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(shape_of("(1,2)"), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(shape_of("(3000000000,)"), (std::vector<int64_t>{3000000000}));
}

TEST(NpyHeader, element_types) {
  struct Row {
    const char* descr;
    Dtype dtype;
    bool swap_bytes;
  } const rows[] = {
      {"|b1", tarn::bool_, false},     {"|u1", tarn::uint8, false},
      {"<u2", tarn::uint16, false},    {"<u4", tarn::uint32, false},
      {"<u8", tarn::uint64, false},    {"|i1", tarn::int8, false},
      {"<i2", tarn::int16, false},     {"<i4", tarn::int32, false},
      {"<i8", tarn::int64, false},     {"<f2", tarn::float16, false},
      {"<f4", tarn::float32, false},   {"<f8", tarn::float64, false},
      {"<c8", tarn::complex64, false}, {"|V2", tarn::bfloat16, false},
      {"<V2", tarn::bfloat16, false},  {">V2", tarn::bfloat16, true},
      {">u2", tarn::uint16, true},     {">f8", tarn::float64, true},
      {">i1", tarn::int8, false},      {">b1", tarn::bool_, false},
      {"=f4", tarn::float32, false},   {"f4", tarn::float32, false},
  };
  for (const Row& row : rows) {
    const NpyHeader header =
        parse(std::string("{'descr':'") + row.descr + "','fortran_order':False,'shape':(3,)}");
    EXPECT_EQ(header.dtype, row.dtype) << row.descr;
    EXPECT_EQ(header.swap_bytes, row.swap_bytes) << row.descr;
    EXPECT_EQ(header.nbytes, 3u * row.dtype.size());
  }
  for (const char* descr :
       {"<c16", "<f16", "|O", "<U5", "|S3", "<M8[ns]", "|V3", "<f3", "<", "", "<<f4", "f", "4f"}) {
    const OperationError error =
        refusal(file_of(std::string("{'descr':'") + descr + "','fortran_order':False,'shape':()}"));
    EXPECT_NE(std::string(error.what()).find(std::string("type '") + descr + "' are not supported"),
              std::string::npos)
        << error.what();
  }
}

// Each row breaks one rule and no other.
struct BadDict {
  const char* rule;
  std::string dict;
};

const std::string kDescr = "'descr':'<f4'";
const std::string kOrder = "'fortran_order':False";
const std::string kShape = "'shape':(2,)";

std::string with_shape(const std::string& shape) {
  return "{" + kDescr + "," + kOrder + ",'shape':" + shape + "}";
}

const BadDict kBadDicts[] = {
    {"is_not_empty", ""},
    {"begins_with_a_brace", "(" + kDescr + "," + kOrder + "," + kShape + "}"},
    {"ends_with_a_brace", "{" + kDescr + "," + kOrder + "," + kShape},
    {"ends_with_that_brace", "{" + kDescr + "," + kOrder + "," + kShape + ")"},
    {"is_followed_by_nothing", "{" + kDescr + "," + kOrder + "," + kShape + "} x"},
    {"is_followed_by_no_zero", "{" + kDescr + "," + kOrder + "," + kShape + std::string("}\0", 2)},
    {"has_commas", "{" + kDescr + " " + kOrder + "," + kShape + "}"},
    {"has_one_comma_at_a_time", "{" + kDescr + ",," + kOrder + "," + kShape + "}"},
    {"has_colons", "{'descr' '<f4'," + kOrder + "," + kShape + "}"},
    {"has_a_descr", "{" + kOrder + "," + kShape + "}"},
    {"has_an_order", "{" + kDescr + "," + kShape + "}"},
    {"has_a_shape", "{" + kDescr + "," + kOrder + "}"},
    {"repeats_no_descr", "{" + kDescr + "," + kDescr + "," + kOrder + "," + kShape + "}"},
    {"repeats_no_order", "{" + kDescr + "," + kOrder + "," + kOrder + "," + kShape + "}"},
    {"repeats_no_shape", "{" + kDescr + "," + kOrder + "," + kShape + "," + kShape + "}"},
    {"has_no_other_key", "{" + kDescr + "," + kOrder + "," + kShape + ",'more':1}"},
    {"key_is_text", "{descr:'<f4'," + kOrder + "," + kShape + "}"},
    {"text_ends", "{'descr':'<f4," + kOrder.substr(0, 5)},
    {"text_has_matching_quotes", "{'descr\":'<f4'," + kOrder + "," + kShape + "}"},
    {"text_has_no_escapes", "{'descr':'<\\x664'," + kOrder + "," + kShape + "}"},
    {"text_is_ascii", "{'descr':'\xff'," + kOrder + "," + kShape + "}"},
    {"text_is_printable", "{'descr':'<f\n4'," + kOrder + "," + kShape + "}"},
    {"is_not_structured", "{'descr':[('x','<f4')]," + kOrder + "," + kShape + "}"},
    {"order_is_a_word", "{" + kDescr + ",'fortran_order':0," + kShape + "}"},
    {"order_case_counts", "{" + kDescr + ",'fortran_order':true," + kShape + "}"},
    {"order_is_only_that_word", "{" + kDescr + ",'fortran_order':Falsely," + kShape + "}"},
    {"shape_is_a_tuple", with_shape("[2]")},
    {"shape_is_no_number", with_shape("(2)")},
    {"shape_ends", "{" + kDescr + "," + kOrder + ",'shape':(2,"},
    {"shape_has_commas", with_shape("(2 3)")},
    {"shape_has_a_number_per_comma", with_shape("(,)")},
    {"shape_has_one_comma_at_a_time", with_shape("(2,,3)")},
    {"dimension_is_not_negative", with_shape("(-2,)")},
    {"dimension_has_no_sign", with_shape("(+2,)")},
    {"dimension_is_integer", with_shape("(2.0,)")},
    {"dimension_is_decimal", with_shape("(0x2,)")},
    {"dimension_has_no_leading_zero", with_shape("(02,)")},
    {"dimension_is_no_word", with_shape("(True,)")},
    {"dimension_fits_int64", with_shape("(9223372036854775808,0)")},
    {"size_does_not_wrap", with_shape("(4294967296,4294967296)")},
    {"bytes_do_not_wrap", with_shape("(4611686018427387904,)")},
    {"end_does_not_wrap", with_shape("(2305843009213693950,)")},
    {"empty_shape_does_not_wrap", with_shape("(4294967296,0,4294967296)")},
};

class BadDicts : public testing::TestWithParam<BadDict> {};

TEST_P(BadDicts, are_refused) { refusal(file_of(GetParam().dict)); }

INSTANTIATE_TEST_SUITE_P(Npy, BadDicts, testing::ValuesIn(kBadDicts),
                         [](const auto& info) { return std::string(info.param.rule); });

TEST(NpyHeader, the_part_before_the_dictionary) {
  const std::string good = file_of("{" + kDescr + "," + kOrder + "," + kShape + "}");
  for (const size_t i : {0, 1, 5}) {
    std::string bytes = good;
    bytes[i] ^= 1;
    EXPECT_NE(std::string(refusal(bytes).what()).find("not an npy file"), std::string::npos);
  }
  for (const auto& [major, minor] : {std::pair{0, 0}, {4, 0}, {255, 0}, {1, 1}}) {
    std::string bytes = good;
    bytes[6] = static_cast<char>(major);
    bytes[7] = static_cast<char>(minor);
    EXPECT_NE(std::string(refusal(bytes).what()).find("version"), std::string::npos);
  }
  std::string bytes = file_of("{}", 2);
  bytes[11] = '\x7f';
  EXPECT_NE(std::string(refusal(bytes).what()).find("header length"), std::string::npos);
}

TEST(NpyHeader, a_file_that_ends_early) {
  const std::string good = file_of("{" + kDescr + "," + kOrder + "," + kShape + "}");
  for (size_t n = 0; n < good.size(); ++n) {
    refusal(good.substr(0, n));
    refusal(good, n);
  }
  const NpyHeader whole = parse_npy_header(good, good.size() + 8, "a.npy");
  EXPECT_EQ(whole.missing_nbytes, 0u);
  EXPECT_EQ(parse_npy_header(good, good.size() + 9, "a.npy").missing_nbytes, 0u);
  EXPECT_EQ(parse_npy_header(good, good.size() + 3, "a.npy").missing_nbytes, 5u);
}

TEST(NpyHeader, is_read_at_the_cursor_and_leaves_it_at_the_data) {
  TemporaryDirectory directory;
  const std::vector<int64_t> shape = {2};
  const std::string one = compose_npy_header(tarn::float32, shape, true) + "8 bytes!";
  write_file(directory / "two.npy", one + one.substr(0, one.size() - 1));
  ParallelFileReader reader(directory / "two.npy");
  EXPECT_EQ(read_npy_header(reader).data_begin, one.size() - 8);
  EXPECT_EQ(reader.tell(), one.size() - 8);
  reader.seek(8, std::ios_base::cur);
  const NpyHeader second = read_npy_header(reader);
  EXPECT_EQ(second.data_begin, 2 * one.size() - 8);
  EXPECT_EQ(second.missing_nbytes, 1u);

  for (size_t n = one.size() - 9;; --n) {
    std::filesystem::resize_file(directory / "two.npy", n);
    ParallelFileReader cut(directory / "two.npy");
    EXPECT_THROW(read_npy_header(cut), OperationError);
    if (n == 0) break;
  }
}

TEST(NpyHeader, every_read_that_fails_is_reported) {
  TemporaryDirectory directory;
  write_file(directory / "a.npy", compose_npy_header(tarn::int8, {}, false) + "x");
  for (size_t i = 0;; ++i) {
    FaultySystemCalls calls;
    calls.only = "pread";
    calls.fail_at = i;
    ParallelFileReader reader(directory / "a.npy", calls);
    try {
      read_npy_header(reader);
      EXPECT_EQ(i, 3u);
      break;
    } catch (const OperationError& error) {
      EXPECT_EQ(error.io().error_number, EIO);
    }
  }
}

TEST(ComposeNpy, writes_what_is_expected_to_the_byte) {
  const std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
  EXPECT_EQ(
      compose_npy_header(tarn::float32, std::vector<int64_t>{2, 3}, false),
      std::string("\x93NUMPY\1\0\x76\0", 10) + text + std::string(117 - text.size(), ' ') + '\n');
  EXPECT_NE(compose_npy_header(tarn::bfloat16, {}, true)
                .find("'<V2', 'fortran_order': True, "
                      "'shape': (), }"),
            std::string::npos);
  EXPECT_NE(compose_npy_header(tarn::bool_, std::vector<int64_t>{7}, true).find("'|b1'"),
            std::string::npos);
}

TEST(ComposeNpy, random_headers_survive_the_round_trip) {
  std::mt19937 random(11);
  for (int round = 0; round < 1000; ++round) {
    const Dtype dtype = kAllDtypes[random() % kDtypeCount];
    std::vector<int64_t> shape(random() % 6);
    for (int64_t& dim : shape) dim = static_cast<int64_t>(random() % (round % 2 ? 10 : 1000));
    const bool fortran_order = random() % 2;
    const std::string bytes = compose_npy_header(dtype, shape, fortran_order);
    EXPECT_EQ(bytes.size() % 64, 0u);
    const NpyHeader header = parse_npy_header(bytes, std::nullopt, "a.npy");
    EXPECT_EQ(header.dtype, dtype);
    EXPECT_EQ(header.shape, shape);
    EXPECT_EQ(header.fortran_order, fortran_order);
    EXPECT_FALSE(header.swap_bytes);
    EXPECT_EQ(header.data_begin, bytes.size());
  }
}

TEST(ComposeNpy, a_header_too_long_for_version_1) {
  for (const size_t ndim : {21'800, 21'822, 21'823, 21'824, 30'000}) {
    const std::vector<int64_t> shape(ndim, 1);
    const std::string bytes = compose_npy_header(tarn::int8, shape, false);
    EXPECT_EQ(bytes.size() % 64, 0u);
    EXPECT_EQ(bytes[6], bytes.size() <= 10 + 0xffff ? 1 : 2) << ndim;
    EXPECT_EQ(parse_npy_header(bytes, std::nullopt, "a.npy").shape, shape);
  }
}

}  // namespace
}  // namespace tarn::io
