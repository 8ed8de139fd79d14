#include "tarn/kernels/cpu/matmul.h"

#include <gtest/gtest.h>

#include <cmath>
#include <complex>

#include "tarn/kernels/cpu/kernel_table.h"
#include "tarn/kernels/cpu/matmul_kernels.h"
#include "tarn/kernels/cpu/matmul_onednn.h"
#include "tests/kernels/heap_scratch.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

// What products of the type are compared in, and the largest error of a sum of products of numbers
// below one, relative to the number of terms (inputs are exact in every type).
template <class T>
struct Reference {
  using Wide = double;
  static constexpr double kRounding = sizeof(T) == 8 ? 0x1p-52 : 0x1p-23;
  // Of storing the result.
  static constexpr double kStored = std::is_same_v<T, float16_t>    ? 0x1p-11
                                    : std::is_same_v<T, bfloat16_t> ? 0x1p-8
                                                                    : 0;
};
template <>
struct Reference<complex64_t> {
  using Wide = std::complex<double>;
  static constexpr double kRounding = 0x1p-21;
  static constexpr double kStored = 0;
};

template <class T>
T random_value(std::mt19937& random) {
  // Sixty-fourths, so that bfloat16 holds them.
  const auto part = [&] { return float(pick(random, -64, 64)) / 64; };
  if constexpr (std::is_same_v<T, complex64_t>) {
    return {part(), part()};
  } else {
    return T(part());
  }
}

template <class T>
typename Reference<T>::Wide widen(T x) {
  if constexpr (std::is_same_v<T, complex64_t>) {
    return {x.real(), x.imag()};
  } else {
    return double(x);
  }
}

template <class T>
void fill_random(TestArray& array, std::mt19937& random) {
  array.for_each<T>([&](T& x, int64_t) { x = random_value<T>(random); });
}

template <class T>
void expect_product(TestArray& a, TestArray& b, const Shape& to_shape) {
  TestArray to(dtype_of<T>, to_shape);
  cpu::matmul(a.view(), b.view(), to.view(), heap_scratch);

  const int64_t m = to_shape[to_shape.size() - 2];
  const int64_t n = to_shape.back();
  const int64_t k = a.shape().back();
  const auto as = a.elements<T>();
  const auto bs = b.elements<T>();
  const auto got = to.elements<T>();
  std::vector<typename Reference<T>::Wide> row(n);
  for (int64_t i = 0; i < static_cast<int64_t>(got.size()) / std::max<int64_t>(n, 1); ++i) {
    std::fill(row.begin(), row.end(), 0.0);
    const int64_t batch = i / m;
    for (int64_t p = 0; p < k; ++p) {
      const auto x = widen(as[i * k + p]);
      for (int64_t j = 0; j < n; ++j) row[j] += x * widen(bs[(batch * k + p) * n + j]);
    }
    for (int64_t j = 0; j < n; ++j) {
      const double bound = k * Reference<T>::kRounding + std::abs(row[j]) * Reference<T>::kStored +
                           0x1p-24 * (k > 0);
      ASSERT_LE(std::abs(widen(got[i * n + j]) - row[j]), bound)
          << "row " << i << " column " << j << " of " << to_shape << ", depth " << k;
    }
  }
}

// Random layouts of the matrices and broadcast batch axes.
template <class T>
void expect_random_product(std::mt19937& random, Shape batch, int m, int n, int k) {
  const auto operand = [&](int rows, int cols) {
    Shape full = batch;
    full.insert(full.end(), {rows, cols});
    Shape own = full;
    for (size_t i = 0; i < batch.size(); ++i) own[i] = pick(random, 0, 2) == 0 ? 1 : own[i];
    auto array = pick(random, 0, 1) == 0 ? TestArray::random_layout(dtype_of<T>, own, random)
                                         : TestArray(dtype_of<T>, own);
    fill_random<T>(array, random);
    array.broadcast_to(full);
    return array;
  };
  TestArray a = operand(m, k);
  TestArray b = operand(k, n);
  Shape to = batch;
  to.insert(to.end(), {m, n});
  expect_product<T>(a, b, to);
}

template <class T>
class Matmul : public testing::Test {};
using Elements = testing::Types<float, double, float16_t, bfloat16_t, complex64_t>;
TYPED_TEST_SUITE(Matmul, Elements);

TYPED_TEST(Matmul, small_random) {
  std::mt19937 random(1);
  for (int i = 0; i < 250; ++i) {
    Shape batch(static_cast<size_t>(pick(random, 0, 3)));
    for (auto& dim : batch) dim = pick(random, 0, 20) == 0 ? 0 : pick(random, 1, 3);
    const auto dim = [&] { return pick(random, 0, 20) == 0 ? 0 : pick(random, 1, 20); };
    const int m = pick(random, 0, 4) == 0 ? 1 : dim();
    const int n = pick(random, 0, 4) == 0 ? 1 : dim();
    ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, batch, m, n, dim()));
  }
}

// Every count of rows and of vectors of columns in the innermost loops.
TYPED_TEST(Matmul, every_remainder) {
  std::mt19937 random(2);
  for (int m = 2; m <= 18; ++m) {
    for (int n : {2, 7, 8, 9, 16, 31, 33, 47, 48, 49, 64, 65, 96, 113}) {
      ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, m, n, 5));
    }
  }
}

TYPED_TEST(Matmul, tiles_and_blocks) {
  std::mt19937 random(3);
  ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, 197, 401, 270));
  ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, 200, 100, 515));
  ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {3}, 70, 200, 100));
  ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {50, 2}, 33, 30, 32));
  ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, 16, 900, 600));
}

// Whole, odd and broken blocks of the depth; rows and columns that are adjacent elements, of few
// rows and of many.
TYPED_TEST(Matmul, layouts_and_depths) {
  using T = TypeParam;
  std::mt19937 random(8);
  const auto operand = [&](int rows, int cols, bool transposed) {
    TestArray array(dtype_of<T>, transposed ? Shape{cols, rows} : Shape{rows, cols});
    fill_random<T>(array, random);
    if (transposed) array.transpose({1, 0});
    return array;
  };
  for (int k : {1, 2, 3, 256, 257, 511, 513, 1027}) {
    for (int m : {2, 32, 203}) {
      for (int layouts = 0; layouts < 4; ++layouts) {
        TestArray a = operand(m, k, layouts & 1);
        TestArray b = operand(k, 53, layouts & 2);
        ASSERT_NO_FATAL_FAILURE(expect_product<T>(a, b, {m, 53})) << "layouts " << layouts;
      }
    }
  }
}

View part_of(const View& matrix, int row, int col, const Shape& shape) {
  const int64_t offset = row * matrix.strides[0] + col * matrix.strides[1];
  return {matrix.as<char>() + offset * matrix.itemsize(),
          shape.data(),
          matrix.strides,
          2,
          matrix.dtype,
          size_of_shape(shape)};
}

// To the last bit: what threads there are, and so how a product is cut into tiles, must not show.
// The product is large enough to pack b once, its parts are not.
template <class T>
void expect_product_of_parts(bool b_transposed) {
  std::mt19937 random(9);
  constexpr int kM = 300, kN = 130, kK = 1027;
  TestArray a(dtype_of<T>, {kM, kK}), product(dtype_of<T>, {kM, kN});
  TestArray b(dtype_of<T>, b_transposed ? Shape{kN, kK} : Shape{kK, kN});
  fill_random<T>(a, random);
  fill_random<T>(b, random);
  if (b_transposed) b.transpose({1, 0});
  cpu::matmul(a.view(), b.view(), product.view(), heap_scratch);
  const auto want = product.elements<T>();
  struct Part {
    int row, n_rows, col, n_cols;
  };
  for (const Part& part : {Part{100, 40, 37, 53}, Part{5, 7, 0, 130}, Part{0, 300, 128, 2}}) {
    const Shape left{part.n_rows, kK}, right{kK, part.n_cols};
    TestArray to(dtype_of<T>, {part.n_rows, part.n_cols});
    cpu::matmul(part_of(a.view(), part.row, 0, left), part_of(b.view(), 0, part.col, right),
                to.view(), heap_scratch);
    const auto got = to.elements<T>();
    for (int i = 0; i < part.n_rows; ++i) {
      for (int j = 0; j < part.n_cols; ++j) {
        ASSERT_EQ(widen(got[i * part.n_cols + j]), widen(want[(part.row + i) * kN + part.col + j]))
            << "row " << i << " column " << j << " of rows from " << part.row;
      }
    }
  }
}

TYPED_TEST(Matmul, part_of_a_product_is_the_product_of_parts) {
  if (cpu::onednn_is_faster(dtype_of<TypeParam>))
    GTEST_SKIP() << "cut alike for any number of threads";
  for (const bool b_transposed : {false, true}) {
    ASSERT_NO_FATAL_FAILURE(expect_product_of_parts<TypeParam>(b_transposed)) << b_transposed;
  }
}

// A few rows of a times a b that is larger than the caches: the rows that they are of a product
// with many.
TYPED_TEST(Matmul, few_rows_with_a_large_matrix) {
  using T = TypeParam;
  std::mt19937 random(11);
  constexpr int kMany = 80, kDepth = 1045;
  for (const int n : {1021, 4128}) {
    TestArray b(dtype_of<T>, {kDepth, n}), a(dtype_of<T>, {kDepth, kMany});
    const auto fill = [&](TestArray& array) {
      std::uniform_real_distribution<float> number(-1, 1);
      array.for_each<T>([&](T& x, int64_t) { x = T(number(random)); });
    };
    fill(a);
    fill(b);
    a.transpose({1, 0});
    TestArray product(dtype_of<T>, {kMany, n});
    cpu::matmul(a.view(), b.view(), product.view(), heap_scratch);
    const auto all = product.elements<T>();
    const auto all_of_a = a.elements<T>();
    for (const int m : {2, 3, 4, 5, 16, 17, 32}) {
      TestArray rows(dtype_of<T>, {m, kDepth}), to(dtype_of<T>, {m, n});
      rows.for_each<T>([&](T& x, int64_t i) { x = all_of_a[size_t(i)]; });
      cpu::matmul(rows.view(), b.view(), to.view(), heap_scratch);
      if (cpu::onednn_is_faster(dtype_of<T>)) {
        ASSERT_NO_FATAL_FAILURE(expect_product<T>(rows, b, {m, n}));
      } else {
        const auto got = to.elements<T>();
        ASSERT_TRUE(std::equal(got.begin(), got.end(), all.begin())) << m << " rows";
      }
    }
  }
  if (sizeof(T) >= 4) {
    TestArray a(dtype_of<T>, {3, 4, 520}), b(dtype_of<T>, {3, 520, 2050});
    fill_random<T>(a, random);
    fill_random<T>(b, random);
    ASSERT_NO_FATAL_FAILURE(expect_product<T>(a, b, {3, 4, 2050}));
  }
}

TYPED_TEST(Matmul, goes_on_without_memory_for_what_tiles_share) {
  using T = TypeParam;
  std::mt19937 random(10);
  constexpr int kN = 400;
  TestArray a(dtype_of<T>, {kN, kN}), b(dtype_of<T>, {kN, kN});
  fill_random<T>(a, random);
  fill_random<T>(b, random);
  const auto multiply = [&](const cpu::AllocateScratch& allocate) {
    TestArray to(dtype_of<T>, {kN, kN});
    cpu::matmul(a.view(), b.view(), to.view(), allocate);
    return to.elements<T>();
  };
  const auto want = multiply(heap_scratch);
  int n_refused = 0;
  const auto got = multiply([&](int64_t) -> cpu::Scratch {
    ++n_refused;
    throw std::bad_alloc();
  });
  const bool shares = cpu::matmul_kernels().pack_b[cpu::index_of(dtype_of<T>)] != nullptr &&
                      !cpu::onednn_is_faster(dtype_of<T>);
  EXPECT_EQ(n_refused, shares ? 1 : 0);
  for (size_t i = 0; i < want.size(); ++i) ASSERT_EQ(widen(got[i]), widen(want[i])) << i;
}

TYPED_TEST(Matmul, vectors) {
  std::mt19937 random(4);
  for (int i = 0; i < 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, 1, 1, 100'001));
    ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, 1, 1021, 1025));
    ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, 1025, 1, 1021));
    ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {}, 1, 7, 30'003));
    ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {3, 4}, 1, 130, 260));
    ASSERT_NO_FATAL_FAILURE(expect_random_product<TypeParam>(random, {3, 4}, 130, 1, 260));
  }
}

TYPED_TEST(Matmul, batch_with_one_right_side_is_a_taller_left_side) {
  std::mt19937 random(5);
  TestArray a(dtype_of<TypeParam>, {3, 5, 7, 11});
  fill_random<TypeParam>(a, random);
  TestArray b(dtype_of<TypeParam>, {1, 1, 11, 13});
  fill_random<TypeParam>(b, random);
  b.broadcast_to({3, 5, 11, 13});
  ASSERT_NO_FATAL_FAILURE(expect_product<TypeParam>(a, b, {3, 5, 7, 13}));
}

TYPED_TEST(Matmul, no_depth_gives_zeros) {
  TestArray a(dtype_of<TypeParam>, {2, 3, 0});
  TestArray b(dtype_of<TypeParam>, {2, 0, 4});
  ASSERT_NO_FATAL_FAILURE(expect_product<TypeParam>(a, b, {2, 3, 4}));
}

TYPED_TEST(Matmul, nan_and_infinity_pass_through) {
  using T = TypeParam;
  TestArray a(dtype_of<T>, {9, 40});
  TestArray b(dtype_of<T>, {40, 50});
  a.for_each<T>([](T& x, int64_t i) { x = i == 45 ? T(float(NAN)) : T(1.0f); });
  b.for_each<T>([](T& x, int64_t i) { x = i == 3 ? T(float(INFINITY)) : T(1.0f); });
  TestArray to(dtype_of<T>, {9, 50});
  cpu::matmul(a.view(), b.view(), to.view(), heap_scratch);
  const auto got = to.elements<T>();
  EXPECT_TRUE(std::isnan(std::abs(widen(got[50]))));
  EXPECT_FALSE(std::isfinite(std::abs(widen(got[3]))));
  EXPECT_EQ(std::abs(widen(got[4])), 40.0);
}

// The same tile by the loops of each instruction set: packed, and small enough to be read in place.
TYPED_TEST(Matmul, instruction_sets_agree) {
  using T = TypeParam;
  struct Size {
    int m, n, k;
  };
  std::mt19937 random(7);
  for (const auto& [m, n, k] : {Size{21, 70, 1100}, Size{11, 37, 20}, Size{3, 64, 9}}) {
    TestArray a(dtype_of<T>, {m, k});
    const bool transposed = k == 1100;  // several blocks of the depth
    TestArray b(dtype_of<T>, transposed ? Shape{n, k} : Shape{k, n});
    fill_random<T>(a, random);
    fill_random<T>(b, random);
    struct alignas(64) Line {
      std::byte bytes[64];
    };
    std::vector<Line> scratch(cpu::matmul_scratch_bytes(dtype_of<T>, m, n, k) / 64 + 1);
    std::vector<Line> packed_b(cpu::packed_b_bytes(dtype_of<T>, n, k) / 64);
    const auto multiply = [&](const cpu::MatmulKernels& kernels, bool shares = false) {
      const int dtype = cpu::index_of(dtype_of<T>);
      TestArray to(dtype_of<T>, {m, n});
      cpu::MatmulTile tile{a.view().data,
                           k,
                           1,
                           b.view().data,
                           transposed ? 1 : n,
                           transposed ? k : 1,
                           to.view().data,
                           n,
                           m,
                           n,
                           k};
      if (shares && kernels.pack_b[dtype]) {
        kernels.pack_b[dtype](tile, 0, k, packed_b.data());
        tile.packed_b = packed_b.data();
      }
      kernels.tile[dtype](tile, scratch.data());
      return to.template elements<T>();
    };
    const auto want = multiply(cpu::runnable_matmul_kernels()[0]);
    for (const cpu::MatmulKernels& kernels : cpu::runnable_matmul_kernels()) {
      const auto got = multiply(kernels), shared = multiply(kernels, true);
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_EQ(widen(shared[i]), widen(got[i])) << i;
        const double bound = k * Reference<T>::kRounding +
                             2 * std::abs(widen(want[i])) * Reference<T>::kStored + 0x1p-24;
        ASSERT_LE(std::abs(widen(got[i]) - widen(want[i])), bound) << i;
      }
    }
  }
}

TEST(MatmulOnednn, bfloat16_tiles) {
  if (std::string_view(cpu::kernels().isa) != "avx512") GTEST_SKIP() << "needs AVX-512";
  std::mt19937 random(6);
  for (const bool b_transposed : {false, true}) {
    TestArray a(bfloat16, {30, 70});
    TestArray b(bfloat16, b_transposed ? Shape{50, 70} : Shape{70, 50});
    fill_random<bfloat16_t>(a, random);
    fill_random<bfloat16_t>(b, random);
    if (b_transposed) b.transpose({1, 0});
    TestArray by_onednn(bfloat16, {30, 50});
    TestArray by_us(bfloat16, {30, 50});
    const View bv = b.view();
    const cpu::MatmulTile tile{a.view().data,
                               70,
                               1,
                               bv.data,
                               bv.strides[0],
                               bv.strides[1],
                               by_onednn.view().data,
                               50,
                               30,
                               50,
                               70};
    ASSERT_TRUE(cpu::onednn_takes(tile));
    cpu::onednn_multiply_bfloat16(tile);
    cpu::matmul(a.view(), bv, by_us.view(), heap_scratch);
    const auto got = by_onednn.elements<bfloat16_t>();
    const auto want = by_us.elements<bfloat16_t>();
    for (size_t i = 0; i < got.size(); ++i) {
      ASSERT_NEAR(float(got[i]), float(want[i]), std::abs(float(want[i])) * 0x1p-7 + 0x1p-10);
    }
  }
}

}  // namespace
}  // namespace tarn
