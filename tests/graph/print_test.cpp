// Arrays, devices and graphs as text.
#include <gtest/gtest.h>

#include <sstream>
#include <thread>

#include "tests/contract/programs.h"

namespace tarn {
namespace {

template <class T>
std::string text_of(const T& value) {
  std::ostringstream text;
  text << value;
  return text.str();
}

TEST(Print, every_dtype) {
  EXPECT_EQ(text_of(array({true, false})), "array([true, false], dtype=bool)");
  for (Dtype dtype : {uint8, uint16, uint32, uint64, int8, int16, int32, int64}) {
    EXPECT_EQ(text_of(array({1, 100}, dtype)),
              std::string("array([1, 100], dtype=") + dtype_name(dtype) + ")");
  }
  for (Dtype dtype : {float16, float32, float64, bfloat16}) {
    EXPECT_EQ(text_of(array({1.0f, -0.5f}, dtype)),
              std::string("array([1, -0.5], dtype=") + dtype_name(dtype) + ")");
  }
  EXPECT_EQ(text_of(array(std::complex<float>(1, 1))), "array(1+1j, dtype=complex64)");
  EXPECT_EQ(text_of(array(std::complex<float>(1, -1))), "array(1-1j, dtype=complex64)");
}

TEST(Print, bytes_are_numbers_and_extremes_are_whole) {
  EXPECT_EQ(text_of(array(65, uint8)), "array(65, dtype=uint8)");
  EXPECT_EQ(text_of(array(-1, int8)), "array(-1, dtype=int8)");
  EXPECT_EQ(text_of(array(std::numeric_limits<int64_t>::min())),
            "array(-9223372036854775808, dtype=int64)");
  EXPECT_EQ(text_of(array(std::numeric_limits<uint64_t>::max())),
            "array(18446744073709551615, dtype=uint64)");
}

TEST(Print, floats_have_six_significant_digits) {
  EXPECT_EQ(text_of(array(1.0f)), "array(1, dtype=float32)");
  EXPECT_EQ(text_of(array(1.123456789f)), "array(1.12346, dtype=float32)");
  EXPECT_EQ(text_of(array(1.2f, float16)), "array(1.2002, dtype=float16)");
  EXPECT_EQ(text_of(array(1e-9f)), "array(1e-09, dtype=float32)");
  EXPECT_EQ(text_of(array(-std::numeric_limits<float>::infinity())), "array(-inf, dtype=float32)");
  EXPECT_EQ(text_of(array(std::numeric_limits<float>::quiet_NaN())), "array(nan, dtype=float32)");
}

TEST(Print, scalars_that_the_standard_library_does_not_know) {
  std::ostringstream text;
  text << float16_t(1.5f) << ' ' << bfloat16_t(-2.0f) << ' ' << complex64_t(1, -2);
  EXPECT_EQ(text.str(), "1.5 -2 1-2j");
}

TEST(Print, decimals_can_be_asked_for) {
  set_printoptions({.precision = 2});
  EXPECT_EQ(get_printoptions().precision, 2);
  EXPECT_EQ(text_of(array({0.9f, 1.005f})), "array([0.90, 1.00], dtype=float32)");
  EXPECT_EQ(text_of(array(3)), "array(3, dtype=int32)");
  set_printoptions({});
  EXPECT_EQ(text_of(array(0.9f)), "array(0.9, dtype=float32)");
}

TEST(Print, empty_and_0_d) {
  EXPECT_EQ(text_of(array(7)), "array(7, dtype=int32)");
  EXPECT_EQ(text_of(array({})), "array([], dtype=float32)");
  EXPECT_EQ(text_of(zeros({0, 3})), "array([], dtype=float32)");
  EXPECT_EQ(text_of(zeros({2, 0})), "array([[],\n       []], dtype=float32)");
}

TEST(Print, rows_are_indented_and_long_axes_cut) {
  EXPECT_EQ(text_of(array({1, 2, 3, 4}, {2, 2})), "array([[1, 2],\n       [3, 4]], dtype=int32)");
  EXPECT_EQ(text_of(reshape(arange(4), {2, 1, 2})),
            "array([[[0, 1]],\n       [[2, 3]]], dtype=int32)");
  EXPECT_EQ(text_of(reshape(arange(4), {1, 2, 2})),
            "array([[[0, 1],\n        [2, 3]]], dtype=int32)");
  EXPECT_EQ(text_of(arange(6)), "array([0, 1, 2, 3, 4, 5], dtype=int32)");
  EXPECT_EQ(text_of(arange(7)), "array([0, 1, 2, ..., 4, 5, 6], dtype=int32)");
  EXPECT_EQ(text_of(arange(1000000)), "array([0, 1, 2, ..., 999997, 999998, 999999], dtype=int32)");
  EXPECT_EQ(text_of(reshape(arange(8), {8, 1})),
            "array([[0],\n       [1],\n       [2],\n       ...,\n       [5],\n       [6],\n"
            "       [7]], dtype=int32)");
}

TEST(Print, views_are_read_by_their_strides) {
  array a = reshape(arange(6), {2, 3});
  EXPECT_EQ(text_of(transpose(a)), "array([[0, 3],\n       [1, 4],\n       [2, 5]], dtype=int32)");
  EXPECT_EQ(text_of(slice(a, {0, 2}, {2, -4}, {1, -1})),
            "array([[2, 1, 0],\n       [5, 4, 3]], dtype=int32)");
  EXPECT_EQ(text_of(broadcast_to(array(1), {2})), "array([1, 1], dtype=int32)");
}

TEST(Print, devices_and_streams) {
  EXPECT_EQ(text_of(Device(Device::cpu)), "Device(cpu, 0)");
  EXPECT_EQ(text_of(Stream(3, Device::cpu)), "Stream(Device(cpu, 0), 3)");
}

TEST(Print, a_failure_is_thrown_and_nothing_written) {
  std::ostringstream text;
  EXPECT_THROW(text << contract::fail("A", contract::cpu_stream()), EvalError);
  EXPECT_EQ(text.str(), "");
}

TEST(Print, graphs) {
  array x = array({1.0f, 2.0f});
  array y = abs(x) + x;
  NodeNamer names;
  names.set_name(x, "x");
  std::ostringstream text, dot;
  print_graph(text, names, {y});
  EXPECT_NE(text.str().find("x(2) float32"), std::string::npos) << text.str();
  EXPECT_LT(text.str().find("abs"), text.str().find("add")) << text.str();
  export_to_dot(dot, names, {y});
  EXPECT_EQ(dot.str().rfind("digraph", 0), 0u);
  EXPECT_FALSE(y.is_available());
}

}  // namespace
}  // namespace tarn
