#include "tarn/base/dtype.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "tarn/base/complex.h"
#include "tarn/base/half.h"

namespace tarn {
namespace {

// The upper triangle of the promotion matrix as the interface documents it.
constexpr const char* kMatrix = R"(
b   u8  u16 u32 u64 i8  i16 i32 i64 f16 f32 f64 bf16 c64
    u8  u16 u32 u64 i16 i16 i32 i64 f16 f32 f64 bf16 c64
        u16 u32 u64 i32 i32 i32 i64 f16 f32 f64 bf16 c64
            u32 u64 i64 i64 i64 i64 f16 f32 f64 bf16 c64
                u64 f32 f32 f32 f32 f16 f32 f64 bf16 c64
                    i8  i16 i32 i64 f16 f32 f64 bf16 c64
                        i16 i32 i64 f16 f32 f64 bf16 c64
                            i32 i64 f16 f32 f64 bf16 c64
                                i64 f16 f32 f64 bf16 c64
                                    f16 f32 f64 f32  c64
                                        f32 f64 f32  c64
                                            f64 f64  c64
                                                bf16 c64
                                                     c64
)";

Dtype from_short_name(const std::string& name) {
  static const std::vector<std::string> kNames = {"b",   "u8",  "u16", "u32", "u64", "i8",   "i16",
                                                  "i32", "i64", "f16", "f32", "f64", "bf16", "c64"};
  const auto at = std::find(kNames.begin(), kNames.end(), name);
  return kAllDtypes[at - kNames.begin()];
}

TEST(Dtype, promotion_matrix) {
  std::istringstream matrix(kMatrix);
  for (int a = 0; a < kDtypeCount; ++a) {
    for (int b = a; b < kDtypeCount; ++b) {
      std::string name;
      matrix >> name;
      const Dtype want = from_short_name(name);
      EXPECT_EQ(promote_types(kAllDtypes[a], kAllDtypes[b]), want)
          << kAllDtypes[a] << kAllDtypes[b];
      EXPECT_EQ(promote_types(kAllDtypes[b], kAllDtypes[a]), want)
          << kAllDtypes[b] << kAllDtypes[a];
    }
  }
  std::string rest;
  EXPECT_FALSE(matrix >> rest);
}

TEST(Dtype, index_order_is_fixed) {
  const Dtype order[] = {bool_, uint8, uint16,  uint32,  uint64,  int8,     int16,
                         int32, int64, float16, float32, float64, bfloat16, complex64};
  ASSERT_EQ(std::size(order), size_t{kDtypeCount});
  for (int i = 0; i < kDtypeCount; ++i) EXPECT_EQ(static_cast<int>(order[i].val()), i);
}

TEST(Dtype, names_kinds_and_sizes) {
  std::ostringstream text;
  for (Dtype t : kAllDtypes) text << t << ' ' << kindof(t) << int(size_of(t)) << '\n';
  EXPECT_EQ(text.str(),
            "bool b1\nuint8 u1\nuint16 u2\nuint32 u4\nuint64 u8\nint8 i1\nint16 i2\nint32 i4\n"
            "int64 i8\nfloat16 f2\nfloat32 f4\nfloat64 f8\nbfloat16 V2\ncomplex64 c8\n");
}

TEST(Dtype, subtypes_follow_the_tree) {
  EXPECT_TRUE(issubdtype(float32, float32));
  EXPECT_FALSE(issubdtype(float32, float64));
  EXPECT_FALSE(issubdtype(floating, float32));
  const Dtype::Category categories[] = {complexfloating, floating, inexact, signedinteger,
                                        unsignedinteger, integer,  number,  generic};
  const auto within = [&](auto what) {
    std::string members;
    for (auto category : categories) members += issubdtype(what, category) ? '1' : '0';
    return members;
  };
  EXPECT_EQ(within(bool_), "00000001");
  EXPECT_EQ(within(uint16), "00001111");
  EXPECT_EQ(within(int64), "00010111");
  for (Dtype t : {float16, bfloat16, float32, float64}) EXPECT_EQ(within(t), "01100011");
  EXPECT_EQ(within(complex64), "10100011");
  EXPECT_EQ(within(integer), "00000111");
  EXPECT_EQ(within(generic), "00000001");
}

TEST(Dtype, cpp_types) {
  for (Dtype t : kAllDtypes) {
    const Dtype back = visit(t, [](auto tag) { return dtype_of<typename decltype(tag)::type>; });
    EXPECT_EQ(back, t);
  }
  EXPECT_EQ(Dtype(TypeToDtype<double>()), float32);
  EXPECT_EQ(Dtype(TypeToDtype<float>()), float32);
  EXPECT_EQ(Dtype(TypeToDtype<int>()), int32);
  EXPECT_EQ(Dtype(TypeToDtype<bool>()), bool_);
  EXPECT_EQ(Dtype(TypeToDtype<complex64_t>()), complex64);
}

TEST(Dtype, finfo_limits) {
  const finfo half(float16);
  EXPECT_EQ(half.min, -65504.0);
  EXPECT_EQ(half.max, 65504.0);
  EXPECT_EQ(half.eps, 0x1p-10);
  EXPECT_EQ(half.smallest_normal, 0x1p-14);
  EXPECT_EQ(half.bits, 16);
  const finfo brain(bfloat16);
  EXPECT_EQ(brain.max, 0x1.fep127);
  EXPECT_EQ(brain.eps, 0x1p-7);
  EXPECT_EQ(brain.smallest_normal, 0x1p-126);
  EXPECT_EQ(finfo(complex64).dtype, float32);
  EXPECT_EQ(finfo(complex64).max, std::numeric_limits<float>::max());
  EXPECT_EQ(finfo(float64).max, std::numeric_limits<double>::max());
  EXPECT_THROW(finfo{int32}, std::invalid_argument);
  EXPECT_THROW(finfo{bool_}, std::invalid_argument);
}

TEST(Dtype, iinfo_limits) {
  EXPECT_EQ(iinfo(int8).min, -128);
  EXPECT_EQ(iinfo(int8).max, 127u);
  EXPECT_EQ(iinfo(uint64).min, 0);
  EXPECT_EQ(iinfo(uint64).max, UINT64_MAX);
  EXPECT_EQ(iinfo(int64).min, INT64_MIN);
  EXPECT_THROW(iinfo{float32}, std::invalid_argument);
  EXPECT_THROW(iinfo{bool_}, std::invalid_argument);
}

}  // namespace
}  // namespace tarn
