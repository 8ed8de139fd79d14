// The kernels of every instruction set give the same bits as those of the widest, so that results
// do not depend on the machine. Of a NaN, only that it is one.
#include <gtest/gtest.h>

#include <cstring>

#include "tarn/kernels/cpu/kernel_table.h"
#include "tests/kernels/heap_scratch.h"
#include "tests/kernels/op_reference.h"
#include "tests/kernels/random_elements.h"

namespace tarn {
namespace {

using cpu::KernelTable;
using cpu::TileKernel;

// (vector<bool> has no elements to point to.)
template <class T>
using Elements = std::vector<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>;

const KernelTable& widest() { return *cpu::runnable_kernels().front(); }

template <class F>
void for_each_narrower(F f) {
  for (const KernelTable* table : cpu::runnable_kernels().subspan(1)) f(*table);
}

template <class T>
bool is_same(const T& x, const T& y) {
  if constexpr (!std::is_integral_v<T>) {
    if (x != x && y != y) return true;
  }
  return std::memcmp(&x, &y, sizeof(T)) == 0;
}

template <class T>
struct Pairs {
  Elements<T> x, y;
};

// Every special element with every other; every value of types of one and two bytes (and of one
// byte every pair); of others many at random.
template <class T>
Pairs<T> sample(std::mt19937& random, const Domain& domain) {
  Pairs<T> pairs;
  const std::vector<T> special = special_elements<T>();
  for (T x : special) {
    for (T y : special) {
      pairs.x.push_back(x);
      pairs.y.push_back(y);
    }
  }
  for (uint32_t i = 0; i < 1 << 16; ++i) {
    T x = random_element<T>(random, domain), y = random_element<T>(random, domain);
    if constexpr (std::is_same_v<T, bool>) {
    } else if constexpr (sizeof(T) == 1) {
      x = T(i);
      y = T(i >> 8);
    } else if constexpr (sizeof(T) == 2) {
      x = __builtin_bit_cast(T, uint16_t(i));
    }
    pairs.x.push_back(x);
    pairs.y.push_back(y);
  }
  return pairs;
}

template <class T, class R>
void compare(TileKernel kernel, TileKernel reference, const Pairs<T>& pairs, const char* name) {
  const size_t n = pairs.x.size();
  Elements<R> got(n), expected(n);
  kernel(got.data(), pairs.x.data(), pairs.y.data(), nullptr, n);
  reference(expected.data(), pairs.x.data(), pairs.y.data(), nullptr, n);
  for (size_t i = 0; i < n; ++i) {
    ASSERT_TRUE(is_same(got[i], expected[i]))
        << name << " of " << dtype_name(dtype_of<T>) << " " << pairs.x[i] << ", " << pairs.y[i]
        << ": " << got[i] << " and " << expected[i];
  }
}

class Isa : public testing::Test {
  void SetUp() override {
    if (cpu::runnable_kernels().size() < 2) GTEST_SKIP() << "this CPU runs " << widest().isa;
  }
};

// Complex kernels are the same for all instruction sets.
TEST_F(Isa, elementwise_operations_agree) {
  std::mt19937 random(1);
  for (int op = 1; op < kElementwiseOpCount; ++op) {
    const ElementwiseTraits& traits = kElementwiseTraits[op];
    if (traits.arity == 3) continue;
    for (Dtype dtype : kAllDtypes) {
      const int val = int(dtype.val());
      if (!widest().elementwise[op][val] || dtype == complex64) continue;
      visit(dtype, [&]<class T>(type_tag<T>) {
        const Pairs<T> pairs = sample<T>(random, traits.domain);
        for_each_narrower([&](const KernelTable& table) {
          const auto compare_results = [&]<class R>(type_tag<R>) {
            if constexpr (kGives<T, R>) {
              compare<T, R>(table.elementwise[op][val], widest().elementwise[op][val], pairs,
                            traits.info.name);
            } else {
              ADD_FAILURE() << traits.info.name << " of " << dtype_name(dtype)
                            << " gives what kGives leaves out";
            }
          };
          visit(result_dtype(traits.dtypes, dtype), compare_results);
        });
      });
    }
  }
}

template <class T>
void compare_multiply_add(const KernelTable& table, std::mt19937& random) {
  const Pairs<T> pairs = sample<T>(random, {-4, 4});
  const size_t n = pairs.x.size();
  Elements<T> c(pairs.x.rbegin(), pairs.x.rend()), product(n), sum(n), got(n);
  const int dtype = int(dtype_of<T>.val());
  const auto kernel = [&](ElementwiseOp op) { return widest().elementwise[int(op)][dtype]; };
  kernel(ElementwiseOp::multiply)(product.data(), pairs.x.data(), pairs.y.data(), nullptr, n);
  kernel(ElementwiseOp::add)(sum.data(), product.data(), c.data(), nullptr, n);
  table.multiply_add[dtype](got.data(), pairs.x.data(), pairs.y.data(), c.data(), n);
  for (size_t i = 0; i < n; ++i) {
    ASSERT_TRUE(is_same(got[i], sum[i])) << table.isa << " at " << i;
  }
}

TEST_F(Isa, ranges_agree) {
  constexpr int kMost = 2048;
  const auto range = [](const KernelTable& table, Dtype dtype, double start, double step,
                        int64_t begin, int32_t n) {
    std::vector<std::byte> bytes(size_t((kMost + 1) * dtype.size()), std::byte{0x55});
    table.arange[int(dtype.val())](bytes.data(), start, step, begin, n);
    return bytes;
  };
  for (Dtype dtype : kAllDtypes) {
    if (!widest().arange[int(dtype.val())]) continue;
    for (int32_t n : {0, 1, 7, 8, 33, kMost}) {
      for (int64_t begin : {int64_t{0}, int64_t{1}, (int64_t{1} << 31) + 5}) {
        for (auto [start, step] : {std::pair(3.5, -0.7), std::pair(100.0, 3.0)}) {
          const auto expected = range(widest(), dtype, start, step, begin, n);
          for (size_t i = size_t(n * dtype.size()); i < expected.size(); ++i) {
            ASSERT_EQ(expected[i], std::byte{0x55}) << dtype_name(dtype) << " " << n;
          }
          for_each_narrower([&](const KernelTable& table) {
            EXPECT_EQ(range(table, dtype, start, step, begin, n), expected)
                << dtype_name(dtype) << " " << n << " from " << begin;
          });
        }
      }
    }
  }
}

TEST(StreamCopy, writes_what_it_should_and_nothing_else) {
  constexpr size_t kMost = 300, kMargin = 64;
  std::vector<uint8_t> from(kMost);
  std::mt19937 random(7);
  for (uint8_t& byte : from) byte = uint8_t(1 + random() % 255);
  const void* const ahead[cpu::kMostAhead] = {from.data(), nullptr, &from[kMost / 2], from.data()};
  for (const KernelTable* table : cpu::runnable_kernels()) {
    for (size_t shift = 0; shift < 64; shift += 7) {
      for (size_t n : {0, 1, 63, 64, 65, 200}) {
        std::vector<uint8_t> to(kMargin + kMost + kMargin), expected(to.size());
        std::copy_n(&from[shift / 2], n, &expected[kMargin + shift]);
        table->stream_copy(&to[kMargin + shift], &from[shift / 2], n, ahead, int(shift) % 5);
        EXPECT_EQ(to, expected) << table->isa << ", " << n << " bytes, shifted by " << shift;
      }
    }
  }
}

template <class T>
void compare_streamed(TileKernel kernel, const Pairs<T>& pairs, size_t result_size,
                      const char* name) {
  constexpr size_t kMargin = cpu::kStreamAlignment;  // in bytes, before and after
  for (const size_t n : {size_t{1}, size_t{100}, pairs.x.size()}) {
    const size_t nbytes = n * result_size + 2 * kMargin;
    const auto run = [&](auto write) {
      const cpu::Scratch memory = heap_scratch(int64_t(nbytes));
      auto* const bytes = static_cast<unsigned char*>(memory.get());
      std::memset(bytes, 0x5a, nbytes);
      write(bytes + kMargin);
      return std::vector<unsigned char>(bytes, bytes + nbytes);
    };
    const auto* const x = pairs.x.data();
    const auto* const y = pairs.y.data();
    EXPECT_EQ(run([&](void* out) { kernel.stream(out, x, y, x, n); }),
              run([&](void* out) { kernel(out, x, y, x, n); }))
        << name << " of " << n << " " << dtype_name(dtype_of<T>);
  }
}

// However many elements there are, results are the same, and nothing is written past them.
template <class T>
void compare_lengths(TileKernel kernel, const Pairs<T>& pairs, size_t result_size,
                     const char* name) {
  constexpr size_t kMost = 140;             // more than two steps of any loop
  const size_t first = pairs.x.size() / 3;  // past the special ones
  const auto* const x = pairs.x.data() + first;
  const auto* const y = pairs.y.data() + first;
  const auto run = [&](size_t n) {
    std::vector<unsigned char> bytes(kMost * result_size, 0x5a);
    kernel(bytes.data(), x, y, x, n);
    return bytes;
  };
  const std::vector<unsigned char> all = run(kMost);
  for (size_t n = 1; n < kMost; ++n) {
    std::vector<unsigned char> expected(kMost * result_size, 0x5a);
    std::copy_n(all.begin(), n * result_size, expected.begin());
    ASSERT_EQ(run(n), expected) << name << " of " << n << " " << dtype_name(dtype_of<T>);
  }
}

TEST(TileKernel, gives_the_same_at_every_length_and_past_the_caches) {
  std::mt19937 random(8);
  int n_streaming = 0;
  for (int op = 1; op < kElementwiseOpCount; ++op) {
    const ElementwiseTraits& traits = kElementwiseTraits[op];
    if (traits.arity == 3) continue;
    for (Dtype dtype : kAllDtypes) {
      visit(dtype, [&]<class T>(type_tag<T>) {
        const Pairs<T> pairs = sample<T>(random, traits.domain);
        for (const KernelTable* table : cpu::runnable_kernels()) {
          const TileKernel kernel = table->elementwise[op][int(dtype.val())];
          if (!kernel) continue;
          const size_t result_size = size_t(result_dtype(traits.dtypes, dtype).size());
          compare_lengths<T>(kernel, pairs, result_size, traits.info.name);
          if (!kernel.can_stream) continue;
          ++n_streaming;
          compare_streamed<T>(kernel, pairs, result_size, traits.info.name);
        }
      });
    }
  }
  for (const KernelTable* table : cpu::runnable_kernels()) {
    const auto compare_fused = [&]<class T>(type_tag<T>) {
      const TileKernel kernel = table->multiply_add[int(dtype_of<T>.val())];
      const Pairs<T> pairs = sample<T>(random, {-4, 4});
      compare_lengths<T>(kernel, pairs, sizeof(T), "multiply_add");
      compare_streamed<T>(kernel, pairs, sizeof(T), "multiply_add");
    };
    compare_fused(type_tag<float>{});
    compare_fused(type_tag<double>{});
  }
  EXPECT_GT(n_streaming, 0);
}

TEST(MultiplyAdd, gives_the_bits_of_a_product_and_a_sum) {
  std::mt19937 random(6);
  for (const KernelTable* table : cpu::runnable_kernels()) {
    compare_multiply_add<float>(*table, random);
    compare_multiply_add<double>(*table, random);
  }
}

TEST_F(Isa, casts_agree) {
  std::mt19937 random(2);
  for (Dtype from : kAllDtypes) {
    if (from == complex64) continue;
    visit(from, [&]<class From>(type_tag<From>) {
      const Pairs<From> pairs = sample<From>(random, {-100'000, 100'000});
      for (Dtype to : kAllDtypes) {
        const TileKernel reference = widest().cast[int(from.val())][int(to.val())];
        if (!reference) continue;
        visit(to, [&]<class To>(type_tag<To>) {
          for_each_narrower([&](const KernelTable& table) {
            compare<From, To>(table.cast[int(from.val())][int(to.val())], reference, pairs,
                              dtype_name(to));
          });
        });
      }
    });
  }
}

constexpr size_t kLengths[] = {1, 5, 16, 63, 64, 65, 1000, 4096, 4097, 100'000};

// Sums depend on the order of additions: it is the same one.
template <class T, class A>
void compare_reducers(const KernelTable& table, std::mt19937& random) {
  const int dtype = int(dtype_of<T>.val());
  const struct {
    const char* name;
    cpu::RunReducer got, expected;
    bool has_wide_accumulator;
  } reducers[] = {{"sum", table.sum[dtype], widest().sum[dtype], true},
                  {"prod", table.prod[dtype], widest().prod[dtype], true},
                  {"max", table.max[dtype], widest().max[dtype], false},
                  {"min", table.min[dtype], widest().min[dtype], false}};
  for (const auto& [name, got, expected, has_wide_accumulator] : reducers) {
    ASSERT_EQ(got == nullptr, expected == nullptr) << name;
    if (got == nullptr) continue;
    for (size_t n : kLengths) {
      Elements<T> x(n);
      for (auto& element : x) element = T(std::uniform_real_distribution(0.5, 3.0)(random));
      const auto check = [&]<class Accumulator>(Accumulator first) {
        Accumulator a = first, b = first;
        got(&a, x.data(), n);
        expected(&b, x.data(), n);
        EXPECT_TRUE(is_same(a, b)) << name << " of " << n << " " << dtype_name(dtype_of<T>);
      };
      has_wide_accumulator ? check(A(1)) : check(T(1));
      if constexpr (std::is_floating_point_v<T>) {
        x[n / 2] = std::numeric_limits<T>::quiet_NaN();
        has_wide_accumulator ? check(A(1)) : check(T(1));
      }
    }
  }
}

TEST_F(Isa, reductions_agree) {
  std::mt19937 random(3);
  for_each_narrower([&](const KernelTable& table) {
    compare_reducers<float, double>(table, random);
    compare_reducers<double, double>(table, random);
    compare_reducers<int8_t, int8_t>(table, random);
    compare_reducers<int32_t, int32_t>(table, random);
    compare_reducers<uint64_t, uint64_t>(table, random);
  });
}

TEST_F(Isa, searches_agree) {
  std::mt19937 random(4);
  for (Dtype dtype : kAllDtypes) {
    const int val = int(dtype.val());
    if (widest().arg_max[val] == nullptr || dtype == complex64) continue;
    visit(dtype, [&]<class T>(type_tag<T>) {
      for (size_t n : kLengths) {
        Elements<T> x(n);
        for (auto& element : x) element = random_element<T>(random, {-4, 4});
        for_each_narrower([&](const KernelTable& table) {
          for (bool is_max : {true, false}) {
            cpu::ArgBest got{{}, 0}, expected{{}, 0};
            std::memcpy(got.value, x.data(), sizeof(T));
            std::memcpy(expected.value, x.data(), sizeof(T));
            (is_max ? table.arg_max : table.arg_min)[val](got, x.data(), n, 0);
            (is_max ? widest().arg_max : widest().arg_min)[val](expected, x.data(), n, 0);
            EXPECT_EQ(got.index, expected.index) << dtype_name(dtype) << " " << n;
          }
        });
      }
    });
  }
}

template <class T>
void compare_exponentials(const KernelTable& table, std::mt19937& random) {
  const int dtype = int(dtype_of<T>.val());
  for (size_t n : kLengths) {
    const size_t padded = (n + 63) / 64 * 64;
    std::vector<T> x = random_elements<T>(random, n, {-30, 3});
    for (T& element : x) element = element > 3 ? -element : element;
    const std::vector<T> max(padded, T(3));
    std::vector<T> got(n), expected(n), got_sums(padded), expected_sums(padded);
    EXPECT_TRUE(
        is_same(table.exp_run[dtype](got.data(), x.data(), max.data(), x.data(), n),
                widest().exp_run[dtype](expected.data(), x.data(), max.data(), x.data(), n)));
    for (size_t i = 0; i < n; ++i) EXPECT_TRUE(is_same(got[i], expected[i])) << x[i];
    table.add_exp_columns[dtype](got_sums.data(), x.data(), max.data(), x.data(), n);
    widest().add_exp_columns[dtype](expected_sums.data(), x.data(), max.data(), x.data(), n);
    const std::vector<T> factor = random_elements<T>(random, padded, {-30, 3});
    const cpu::Scratch streamed = heap_scratch(int64_t(n * sizeof(T)));
    const auto scaled = [&](const KernelTable& of, void* out, bool stream) {
      of.scaled_exp_columns[dtype](out, x.data(), max.data(), factor.data(), x.data(), n, stream);
    };
    scaled(table, got.data(), false);
    scaled(table, streamed.get(), true);
    scaled(widest(), expected.data(), false);
    for (size_t i = 0; i < n; ++i) {
      EXPECT_TRUE(is_same(got[i], expected[i]) && is_same(got_sums[i], expected_sums[i])) << x[i];
      EXPECT_TRUE(is_same(static_cast<const T*>(streamed.get())[i], expected[i])) << x[i];
    }
  }
}

TEST_F(Isa, exponentials_and_their_sums_agree) {
  std::mt19937 random(5);
  for_each_narrower([&](const KernelTable& table) {
    compare_exponentials<float>(table, random);
    compare_exponentials<double>(table, random);
  });
}

}  // namespace
}  // namespace tarn
