// Sorting against std::stable_sort, searching against counting.
#include "tarn/kernels/cpu/sort.h"

#include <gtest/gtest.h>
#include <hwy/base.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "tarn/kernels/cpu/search_sorted.h"
#include "tarn/kernels/cpu/sort_kernels.h"
#include "tarn/tarn.h"
#include "tests/kernels/element_groups.h"
#include "tests/kernels/random_elements.h"

namespace tarn {
namespace {

template <class T>
bool is_nan(T x) {
  if constexpr (is_complex<T>) {
    return std::isnan(x.real()) || std::isnan(x.imag());
  } else {
    return x != x;
  }
}

template <class T>
bool is_before(T x, T y) {
  return !is_nan(x) && (is_nan(y) || x < y);
}

template <class T>
bool same_bits(const T& x, const T& y) {
  return std::memcmp(&x, &y, sizeof(T)) == 0;
}

template <class T>
std::vector<uint32_t> stable_order(const std::vector<T>& line) {
  std::vector<uint32_t> order(line.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t i, uint32_t j) { return is_before<T>(line[i], line[j]); });
  return order;
}

// Few different values in one array of two; NaNs with payloads and signs, both zeros.
template <class T>
void fill_elements(TestArray& array, std::mt19937& random) {
  const bool has_few_values = random() % 2 == 0;
  array.for_each<T>([&](T& x, int64_t) {
    if constexpr (std::is_same_v<T, bool>) {
      x = random() % 2 != 0;
    } else if (has_few_values) {
      if constexpr (is_complex<T>) {
        constexpr float kParts[] = {0, -0.0f, 1, NAN, -INFINITY};
        const float real = kParts[random() % 5];
        x = T(real, kParts[random() % 5]);
      } else {
        x = random() % 4 == 0 ? random_special<T>(random) : T(int(random() % 3));
      }
    } else {
      x = random_bits<T>(random);
    }
  });
}

template <class T>
void expect_sorted(const std::vector<T>& line, const std::vector<T>& got, const std::string& what) {
  const std::vector<uint32_t> order = stable_order(line);
  for (size_t i = 0; i < line.size(); ++i) {
    const T& want = line[order[i]];
    ASSERT_TRUE(is_nan<T>(want) ? is_nan<T>(got[i]) : same_bits(got[i], want))
        << what << " element " << i;
  }
}

class Scratch {
 public:
  explicit Scratch(int64_t nbytes) : bytes_(size_t(nbytes) / 16 + 1) {}
  void* data() { return bytes_.data(); }

 private:
  struct alignas(16) Piece {
    char bytes[16];
  };
  std::vector<Piece> bytes_;
};

template <class T>
void check_sort(TestArray& in) {
  const int axis = int(in.shape().size()) - 1;
  const std::string what = dtype_name(dtype_of<T>) + std::string(" ") + to_string(in.shape());
  const Groups<T> lines = group_elements<T>(in, {axis});

  TestArray sorted(dtype_of<T>, in.shape());
  Scratch sort_scratch(cpu::sort_scratch_bytes(in.view()));
  cpu::sort(in.view(), sorted.view(), sort_scratch.data());
  const Groups<T> sorted_lines = group_elements<T>(sorted, {axis});

  TestArray order(uint32, in.shape());
  Scratch argsort_scratch(cpu::argsort_scratch_bytes(in.view()));
  cpu::argsort(in.view(), order.view(), argsort_scratch.data());
  const Groups<uint32_t> orders = group_elements<uint32_t>(order, {axis});

  for (size_t i = 0; i < lines.elements.size(); ++i) {
    ASSERT_NO_FATAL_FAILURE(expect_sorted(lines.elements[i], sorted_lines.elements[i], what));
    ASSERT_EQ(orders.elements[i], stable_order(lines.elements[i])) << what;
  }
}

template <class F>
void for_each_dtype(F f) {
  for (Dtype dtype : kAllDtypes) visit(dtype, f);
}

TEST(Sort, any_layout) {
  std::mt19937 random(1);
  for_each_dtype([&]<class T>(type_tag<T>) {
    for (int i = 0; i < 40; ++i) {
      Shape shape = random_shape(random, 3, i % 4 == 0 ? 50 : 12);
      if (shape.empty()) shape = {pick(random, 0, 3000)};
      TestArray in = TestArray::random_layout(dtype_of<T>, shape, random);
      fill_elements<T>(in, random);
      ASSERT_NO_FATAL_FAILURE(check_sort<T>(in));
    }
  });
}

// Sorted by all threads together: every value different, few values, and one.
TEST(Sort, long_lines) {
  std::mt19937 random(2);
  constexpr int kLength = (256 << 10) + 77;
  const auto check = [&]<class T>(type_tag<T>) {
    for (int n_values : {0, 5, 1}) {
      const Layout layout =
          n_values == 5 ? Layout{{kLength}, {-2}, 2 * kLength - 2} : row_major({kLength});
      TestArray in(dtype_of<T>, layout, 2 * kLength);
      in.for_each<T>([&](T& x, int64_t) {
        x = n_values == 0 ? random_bits<T>(random) : T(int(random() % n_values));
        if constexpr (!std::is_integral_v<T> && !is_complex<T>) {
          if (n_values == 5 && random() % 3 == 0) x = random() % 2 == 0 ? T(-0.0f) : T(NAN);
        }
      });
      ASSERT_NO_FATAL_FAILURE(check_sort<T>(in));
    }
  };
  check(type_tag<float>());
  check(type_tag<double>());
  check(type_tag<bfloat16_t>());
  check(type_tag<uint32_t>());
  check(type_tag<uint64_t>());
  check(type_tag<complex64_t>());
  check(type_tag<int8_t>());
}

template <class T>
void check_top_k(TestArray& in, int k) {
  const int axis = int(in.shape().size()) - 1;
  Shape shape = in.shape();
  shape.back() = k;
  TestArray out(dtype_of<T>, shape);
  cpu::top_k(in.view(), out.view());
  Groups<T> lines = group_elements<T>(in, {axis});
  Groups<T> got = group_elements<T>(out, {axis});
  for (size_t i = 0; i < got.elements.size(); ++i) {
    std::vector<T>& line = lines.elements[i];
    std::vector<T>& largest = got.elements[i];
    std::sort(line.begin(), line.end(), is_before<T>);
    std::sort(largest.begin(), largest.end(), is_before<T>);
    for (int j = 0; j < k; ++j) {
      const T want = line[line.size() - size_t(k - j)];
      ASSERT_TRUE(is_nan<T>(want) ? is_nan<T>(largest[size_t(j)]) : largest[size_t(j)] == want)
          << dtype_name(dtype_of<T>) << " " << in.shape() << " k " << k << " element " << j;
    }
  }
}

TEST(TopK, any_layout) {
  std::mt19937 random(3);
  for_each_dtype([&]<class T>(type_tag<T>) {
    if constexpr (!is_complex<T>) {
      for (int i = 0; i < 40; ++i) {
        Shape shape = random_shape(random, 2, 9);
        shape.push_back(pick(random, 1, i % 4 == 0 ? 6000 : 300));
        TestArray in = TestArray::random_layout(dtype_of<T>, shape, random);
        fill_elements<T>(in, random);
        const int k = pick(random, 1, i % 2 == 0 ? shape.back() : 1 + shape.back() / 8);
        ASSERT_NO_FATAL_FAILURE(check_top_k<T>(in, k));
      }
    }
  });
}

// Every element is larger than all before it, or none but the first is.
TEST(TopK, sorted_lines) {
  for (const bool ascending : {false, true}) {
    TestArray in(int32, {20'000});
    in.for_each<int32_t>([&](int32_t& x, int64_t i) { x = int32_t(ascending ? i : -i); });
    for (int k : {1, 10, 4000}) ASSERT_NO_FATAL_FAILURE(check_top_k<int32_t>(in, k));
  }
}

template <size_t kBytes>
using KeyOf = std::conditional_t<
    kBytes == 1, int8_t,
    std::conditional_t<kBytes == 2, int16_t, std::conditional_t<kBytes == 4, int32_t, int64_t>>>;

TEST(Sort, every_instruction_set_finds_the_same_keys) {
  std::mt19937 random(4);
  const auto tables = cpu::runnable_sort_kernels();
  for_each_dtype([&]<class T>(type_tag<T>) {
    if constexpr (!is_complex<T> && !std::is_same_v<T, bool>) {
      for (size_t n : {1, 15, 64, 301}) {
        std::vector<T> x(n), back(n);
        for (T& element : x) {
          element = random() % 3 == 0 ? random_special<T>(random) : random_bits<T>(random);
        }
        const int dtype = int(dtype_of<T>.val());
        using K = KeyOf<sizeof(T)>;
        std::vector<K> widest(n), keys(n);
        for (const cpu::SortKernels& table : tables) {
          for (auto converter : {table.to_ranks[dtype], table.to_keys[dtype]}) {
            const bool is_key = converter == table.to_keys[dtype];
            converter(x.data(), keys.data(), n);
            (is_key ? tables[0].to_keys : tables[0].to_ranks)[dtype](x.data(), widest.data(), n);
            ASSERT_EQ(keys, widest);
          }
          table.from_keys[dtype](keys.data(), back.data(), n);
          ASSERT_EQ(std::memcmp(back.data(), x.data(), n * sizeof(T)), 0);
        }
      }
    }
  });
}

template <class K>
void check_loops(std::mt19937& random) {
  constexpr int kWidth = cpu::kKeyWidth<K>;
  for (const cpu::SortKernels& table : cpu::runnable_sort_kernels()) {
    for (size_t n : {0, 1, 33, 400}) {
      std::vector<K> keys(n), splitters(random() % 256);
      for (K& key : keys) key = K(pick(random, -300, 300));
      for (K& key : splitters) key = K(pick(random, -300, 300));
      std::sort(splitters.begin(), splitters.end());
      std::vector<uint8_t> buckets(n);
      table.classify[kWidth](keys.data(), n, splitters.data(), splitters.size(), buckets.data());
      for (size_t i = 0; i < n; ++i) {
        const auto first_above = std::upper_bound(splitters.begin(), splitters.end(), keys[i]);
        ASSERT_EQ(buckets[i], first_above - splitters.begin());
      }
      std::vector<int64_t> reached(splitters.size());
      table.count_reached[kWidth](keys.data(), n, splitters.data(), splitters.size(),
                                  reached.data());
      for (size_t i = 0; i < splitters.size(); ++i) {
        ASSERT_EQ(reached[i], std::count_if(keys.begin(), keys.end(),
                                            [&](K key) { return key >= splitters[i]; }));
      }
      const K threshold = 17;
      std::vector<K> above(n + 64), want;
      std::copy_if(keys.begin(), keys.end(), std::back_inserter(want),
                   [&](K key) { return key > threshold; });
      above.resize(table.keep_above[kWidth](keys.data(), n, &threshold, above.data()));
      ASSERT_EQ(above, want);
    }
  }
}

TEST(Sort, loops_of_every_instruction_set) {
  std::mt19937 random(5);
  for (int i = 0; i < 10; ++i) {
    check_loops<int16_t>(random);
    check_loops<int32_t>(random);
    check_loops<int64_t>(random);
  }
}

// In the order of x, and as far apart as K allows.
template <class K>
K key_of(int16_t x) {
  if constexpr (std::is_same_v<K, hwy::uint128_t>) {
    const uint16_t rank = uint16_t(x ^ INT16_MIN);
    return {uint64_t(rank % 16) << 60, uint64_t(rank / 16) << 52};
  } else {
    return K(uint64_t(x) << (8 * sizeof(K) - 16));
  }
}

template <class K>
void check_sorted_by_every_instruction_set(const std::vector<int16_t>& keys) {
  std::vector<K> unsorted(keys.size());
  std::transform(keys.begin(), keys.end(), unsorted.begin(), key_of<K>);
  std::vector<K> want = unsorted;
  std::sort(want.begin(), want.end());
  for (const cpu::SortKernels& table : cpu::runnable_sort_kernels()) {
    std::vector<K> got = unsorted;
    table.sort[cpu::kKeyWidth<K>](got.data(), got.size());
    ASSERT_TRUE(std::equal(got.begin(), got.end(), want.begin())) << keys.size() << " keys";
  }
}

TEST(Sort, every_instruction_set_sorts) {
  std::mt19937 random(8);
  std::vector<int> sizes(80);
  std::iota(sizes.begin(), sizes.end(), 1);
  for (int n : {127, 128, 129, 255, 256, 257, 511, 513, 1000, 5000}) sizes.push_back(n);
  for (int n : sizes) {
    const auto make = [&](auto f) {
      std::vector<int16_t> keys(n);
      for (int i = 0; i < n; ++i) keys[size_t(i)] = int16_t(f(i));
      return keys;
    };
    const std::vector<int16_t> inputs[] = {
        make([&](int) { return pick(random, INT16_MIN, INT16_MAX); }),
        make([&](int) { return random() % 2 == 0 ? INT16_MIN : INT16_MAX; }),
        make([&](int) { return pick(random, 0, 2); }),
        make([](int) { return 5; }),
        make([](int i) { return i; }),
        make([&](int i) { return n - i; }),
        make([&](int i) { return std::min(i, n - i); }),
    };
    for (const std::vector<int16_t>& keys : inputs) {
      ASSERT_NO_FATAL_FAILURE(check_sorted_by_every_instruction_set<int16_t>(keys));
      ASSERT_NO_FATAL_FAILURE(check_sorted_by_every_instruction_set<int32_t>(keys));
      ASSERT_NO_FATAL_FAILURE(check_sorted_by_every_instruction_set<int64_t>(keys));
      ASSERT_NO_FATAL_FAILURE(check_sorted_by_every_instruction_set<hwy::uint128_t>(keys));
    }
  }
}

TEST(SearchSorted, counts_what_is_below) {
  std::mt19937 random(6);
  for_each_dtype([&]<class T>(type_tag<T>) {
    for (int i = 0; i < 20; ++i) {
      TestArray sequence = TestArray::random_layout(
          dtype_of<T>, {i % 5 == 0 ? pick(random, 0, 2) : pick(random, 1, 200)}, random);
      fill_elements<T>(sequence, random);
      std::vector<T> line = sequence.elements<T>();
      std::sort(line.begin(), line.end(), is_before<T>);
      sequence.set(line);
      TestArray values = TestArray::random_layout(dtype_of<T>, random_shape(random, 3, 9), random);
      fill_elements<T>(values, random);
      const std::vector<T> wanted = values.elements<T>();
      for (const bool right : {false, true}) {
        TestArray out(uint32, values.shape());
        cpu::search_sorted(sequence.view(), values.view(), right, out.view());
        const std::vector<uint32_t> got = out.elements<uint32_t>();
        for (size_t j = 0; j < wanted.size(); ++j) {
          const T value = wanted[j];
          const auto want = std::count_if(line.begin(), line.end(), [&](T x) {
            return right ? !is_before<T>(value, x) : is_before<T>(x, value);
          });
          ASSERT_EQ(got[j], want) << dtype_name(dtype_of<T>);
        }
      }
    }
  });
}

bool equals(const array& got, const array& want) {
  return got.dtype() == want.dtype() && array_equal(got, want, true).item<bool>();
}

TEST(SortFunctions, along_axes_and_flat) {
  const array a({3.0f, 1.0f, 2.0f, 0.0f, 5.0f, 4.0f}, {2, 3});
  EXPECT_TRUE(equals(sort(a, 1), array({1.0f, 2.0f, 3.0f, 0.0f, 4.0f, 5.0f}, {2, 3})));
  EXPECT_TRUE(equals(sort(a, -2), array({0.0f, 1.0f, 2.0f, 3.0f, 5.0f, 4.0f}, {2, 3})));
  EXPECT_TRUE(equals(sort(a), array({0.0f, 1.0f, 2.0f, 3.0f, 4.0f, 5.0f})));
  EXPECT_TRUE(equals(argsort(a, 0), array({1u, 0u, 0u, 0u, 1u, 1u}, {2, 3})));
  EXPECT_TRUE(equals(argsort(a), array({3u, 1u, 2u, 0u, 5u, 4u})));
  EXPECT_TRUE(equals(sort(array(7)), array({7})));
  array by_columns = sort(a, 0);
  eval(by_columns);
  EXPECT_TRUE(by_columns.flags().row_contiguous);
  array empty = argsort(zeros({2, 0}), 1);
  eval(empty);
  EXPECT_EQ(empty.shape(), (Shape{2, 0}));
}

TEST(SortFunctions, partition_puts_an_element_to_its_place) {
  const array a({5, 9, 1, 7, 3, 8}, {2, 3});
  EXPECT_EQ(take(partition(a, 2), array(2)).item<int>(), 5);
  EXPECT_EQ(take(partition(a, -1), array(5)).item<int>(), 9);
  EXPECT_TRUE(equals(take(partition(a, 1, 1), 1, 1), array({5, 7})));
  EXPECT_TRUE(equals(take(argpartition(a, 0, 1), 0, 1), array({2u, 1u})));
  EXPECT_EQ(take(argpartition(a, -1), array(5)).item<uint32_t>(), 1u);
}

TEST(SortFunctions, topk) {
  const array a({5, 9, 1, 7, 3, 8}, {2, 3});
  EXPECT_TRUE(equals(sort(topk(a, 2, 1), 1), array({5, 9, 7, 8}, {2, 2})));
  EXPECT_TRUE(equals(topk(a, 1, 0), array({7, 9, 8}, {1, 3})));
  EXPECT_TRUE(equals(sort(topk(a, 3)), array({7, 8, 9})));
  EXPECT_EQ(topk(a, 3, 1).id(), a.id());
  EXPECT_EQ(topk(a, 0, 1).shape(), (Shape{2, 0}));
  const array z({complex64_t(1, 2), complex64_t(1, 3), complex64_t(0, 9)}, {3});
  EXPECT_TRUE(equals(topk(z, 1), array({complex64_t(1, 3)})));
}

TEST(SortFunctions, searchsorted_promotes) {
  const array sequence({1, 3, 3, 7});
  EXPECT_TRUE(equals(searchsorted(sequence, array({3.0f, 3.5f, 9.0f})), array({1u, 3u, 4u})));
  EXPECT_TRUE(equals(searchsorted(sequence, array(3), "right"), array(3u)));
}

TEST(SortFunctions, median) {
  const array a({3.0f, 1.0f, 2.0f, 10.0f, 5.0f, 4.0f}, {2, 3});
  EXPECT_EQ(median(a).item<float>(), 3.5f);
  EXPECT_TRUE(equals(median(a, 1), array({2.0f, 5.0f})));
  EXPECT_TRUE(equals(median(a, 0, true), array({6.5f, 3.0f, 3.0f}, {1, 3})));
  EXPECT_TRUE(equals(median(a, std::vector<int>{0, 1}, true), array({3.5f}, {1, 1})));
  EXPECT_TRUE(equals(median(array({1, 2})), array(1.5f)));
  EXPECT_TRUE(std::isnan(median(array({1.0f, float(NAN), 2.0f})).item<float>()));
  EXPECT_TRUE(equals(median(a, std::vector<int>{}), a));
  EXPECT_EQ(median(zeros({0, 3}), 1).shape(), (Shape{0}));
}

TEST(SortFunctions, median_where_sums_or_halves_are_no_numbers) {
  const auto of = [](float a, float b, Dtype dtype) {
    return astype(median(array({a, b}, dtype)), float32).item<float>();
  };
  const float largest = std::numeric_limits<float>::max();
  const float smallest = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(of(60000, 65504, float16), 62752);
  EXPECT_EQ(of(largest, largest, float32), largest);
  EXPECT_EQ(of(-largest, largest, float32), 0);
  EXPECT_EQ(of(smallest, smallest, float32), smallest);
  EXPECT_EQ(of(1, INFINITY, float32), INFINITY);
}

TEST(SortFunctions, wrong_arguments) {
  const array a = zeros({2, 3});
  EXPECT_THROW(sort(a, 2), std::invalid_argument);
  EXPECT_THROW(argsort(array(1.0f), 0), std::invalid_argument);
  EXPECT_THROW(partition(a, 3, 1), std::invalid_argument);
  EXPECT_THROW(partition(a, -4, 1), std::invalid_argument);
  EXPECT_THROW(argpartition(a, 6), std::invalid_argument);
  EXPECT_THROW(argpartition(a, 0, 5), std::invalid_argument);
  EXPECT_THROW(topk(a, 4, 1), std::invalid_argument);
  EXPECT_THROW(topk(a, -1), std::invalid_argument);
  EXPECT_THROW(topk(a, 1, -3), std::invalid_argument);
  EXPECT_THROW(searchsorted(a, a), std::invalid_argument);
  EXPECT_THROW(searchsorted(zeros({3}), a, "middle"), std::invalid_argument);
  EXPECT_THROW(median(a, 2), std::invalid_argument);
  EXPECT_THROW(median(a, {0, 0}), std::invalid_argument);
  EXPECT_THROW(median(zeros({0, 3}), 0), std::invalid_argument);
}

}  // namespace
}  // namespace tarn
