#include "tarn/base/shape.h"

#include <gtest/gtest.h>

#include <sstream>

#include "tarn/base/error.h"

namespace tarn {
namespace {

TEST(Shape, prints_as_in_messages) {
  EXPECT_EQ(to_string(Shape{}), "()");
  EXPECT_EQ(to_string(Shape{3}), "(3)");
  EXPECT_EQ(to_string(Shape{2, 3}), "(2,3)");
  std::ostringstream os;
  os << Strides{-1, 0};
  EXPECT_EQ(os.str(), "(-1,0)");
}

TEST(Shape, size_notices_overflow) {
  EXPECT_EQ(size_of_shape({}), 1);
  EXPECT_EQ(size_of_shape({2, 3, 4}), 24);
  constexpr int kBig = std::numeric_limits<int>::max();
  EXPECT_EQ(size_of_shape({kBig, kBig}), int64_t{kBig} * kBig);
  EXPECT_THROW(size_of_shape({kBig, kBig, kBig}), std::overflow_error);
  EXPECT_EQ(size_of_shape({kBig, kBig, kBig, 0}), 0);
}

TEST(Shape, safe_cast_names_the_value) {
  EXPECT_EQ(safe_cast(int64_t{1} << 30), 1 << 30);
  EXPECT_THROW(safe_cast(uint64_t{1} << 63), std::overflow_error);
  try {
    safe_cast(int64_t{1} << 31, "tile");
    FAIL();
  } catch (const std::overflow_error& e) {
    EXPECT_EQ(std::string(e.what()),
              "[tile] 2147483648 does not fit into a dimension, which is an int32.");
  }
}

TEST(Shape, normalize_axis) {
  EXPECT_EQ(normalize_axis_index(-1, 3), 2);
  EXPECT_EQ(normalize_axis_index(2, 3), 2);
  EXPECT_THROW(normalize_axis_index(3, 3), std::invalid_argument);
  EXPECT_THROW(normalize_axis_index(-4, 3), std::invalid_argument);
  EXPECT_THROW(normalize_axis_index(0, 0), std::invalid_argument);
}

TEST(Check, formats_shapes_and_dtypes) {
  EXPECT_NO_THROW(check(true, "inv", "never"));
  try {
    check(false, "inv", "wants a matrix, got shape {} of {}.", Shape{2, 3}, bfloat16);
    FAIL();
  } catch (const std::invalid_argument& e) {
    EXPECT_EQ(std::string(e.what()), "[inv] wants a matrix, got shape (2,3) of bfloat16.");
  }
  EXPECT_THROW(check<std::out_of_range>(false, "sum", "axis {}", 3), std::out_of_range);
}

}  // namespace
}  // namespace tarn
