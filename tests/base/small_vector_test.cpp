#include "tarn/base/small_vector.h"

#include <gtest/gtest.h>

#include <iterator>
#include <memory>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace tarn {
namespace {

// An element that counts its live copies and throws when told to.
class Counted {
 public:
  Counted(int value) : value_(value) { born(); }
  Counted(const Counted& other) : value_(other.value_) { born(); }
  Counted(Counted&& other) noexcept : value_(std::exchange(other.value_, -1)) { ++live; }
  Counted& operator=(const Counted&) = default;
  Counted& operator=(Counted&& other) noexcept {
    value_ = std::exchange(other.value_, -1);
    return *this;
  }
  ~Counted() { --live; }
  friend bool operator==(const Counted&, const Counted&) = default;

  int value() const { return value_; }

  static inline int live = 0;
  static inline int births_until_throw = -1;  // negative: never

 private:
  void born() {
    if (births_until_throw == 0) throw std::runtime_error("told to throw");
    --births_until_throw;
    ++live;
  }
  int value_;
};

template <class Vector>
std::vector<int> values(const Vector& v) {
  std::vector<int> result;
  for (const auto& x : v) {
    if constexpr (requires { x.value(); }) {
      result.push_back(x.value());
    } else {
      result.push_back(x);
    }
  }
  return result;
}

template <class T>
class SmallVectorTest : public testing::Test {};
using ElementTypes = testing::Types<int, Counted>;
TYPED_TEST_SUITE(SmallVectorTest, ElementTypes);

// Random operations on a SmallVector and a std::vector leave both equal.
TYPED_TEST(SmallVectorTest, behaves_as_std_vector) {
  using Vector = SmallVector<TypeParam, 3>;
  const int live_before = Counted::live;
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    Vector v;
    std::vector<int> want;
    for (int step = 0; step < 60; ++step) {
      const int x = int(random() % 100);
      const size_t at = want.empty() ? 0 : random() % want.size();
      switch (random() % 13) {
        case 0:
          v.push_back(x), want.push_back(x);
          break;
        case 1:
          v.emplace_back(x), want.emplace_back(x);
          break;
        case 2:
          v.insert(v.begin() + at, x), want.insert(want.begin() + at, x);
          break;
        case 3:
          v.insert(v.begin() + at, 2, x), want.insert(want.begin() + at, 2, x);
          break;
        case 4: {
          const std::vector<int> more = {x, x + 1, x + 2};
          v.insert(v.begin() + at, more.begin(), more.end());
          want.insert(want.begin() + at, more.begin(), more.end());
          break;
        }
        case 5:
          if (!want.empty()) v.erase(v.begin() + at), want.erase(want.begin() + at);
          break;
        case 6:
          v.erase(v.begin() + at, v.end());
          want.erase(want.begin() + at, want.end());
          break;
        case 7:
          v.resize(size_t(x % 8), x), want.resize(size_t(x % 8), x);
          break;
        case 8:
          if (!want.empty()) v.pop_back(), want.pop_back();
          break;
        case 9: {
          Vector copy(v);
          EXPECT_EQ(copy, v);
          v = std::move(copy);
          break;
        }
        case 10: {
          Vector other{x, x};
          other = v;
          v = Vector{x};
          v = other;
          break;
        }
        case 11:
          v.reserve(size_t(x % 16));
          break;
        case 12:
          if (!want.empty()) v.emplace_back(v[at]), want.emplace_back(int(want[at]));
          break;
      }
      ASSERT_EQ(values(v), want);
      ASSERT_GE(v.capacity(), v.size());
    }
  }
  EXPECT_EQ(Counted::live, live_before);
}

// Each construction of an element throws in turn; nothing leaks and the vector stays usable.
TEST(SmallVector, survives_throwing_elements) {
  using Vector = SmallVector<Counted, 3>;
  const auto with_throws = [](auto operation) {
    for (int size : {0, 2, 3, 5}) {
      for (int births = 0;; ++births) {
        const int live_before = Counted::live;
        bool threw = false;
        {
          std::vector<int> start(static_cast<size_t>(size));
          std::iota(start.begin(), start.end(), 0);
          Vector v(start.begin(), start.end());
          Counted::births_until_throw = births;
          try {
            operation(v);
          } catch (const std::runtime_error&) {
            threw = true;
          }
          Counted::births_until_throw = -1;
          for (const Counted& x : v) EXPECT_GE(x.value(), 0);
        }
        EXPECT_EQ(Counted::live, live_before);
        if (!threw) break;
      }
    }
  };
  with_throws([](Vector& v) { Vector copy(v); });
  with_throws([](Vector& v) { v.push_back(7); });
  with_throws([](Vector& v) { v.emplace_back(7); });
  with_throws([](Vector& v) { v.insert(v.begin(), 4, Counted(7)); });
  with_throws([](Vector& v) { v.resize(9, Counted(7)); });
  with_throws([](Vector&) { Vector made(6, Counted(7)); });
  with_throws([](Vector&) { Vector made{1, 2, 3, 4, 5}; });
  with_throws([](Vector& v) {
    const Vector other{1, 2, 3, 4, 5, 6, 7};
    v = other;
  });
}

TEST(SmallVector, failed_push_has_no_effect) {
  SmallVector<Counted, 2> v{1, 2};
  Counted::births_until_throw = 0;
  EXPECT_THROW(v.emplace_back(3), std::runtime_error);
  Counted::births_until_throw = -1;
  EXPECT_EQ(values(v), (std::vector<int>{1, 2}));
}

TEST(SmallVector, holds_move_only_elements) {
  SmallVector<std::unique_ptr<int>, 2> v;
  for (int i = 0; i < 5; ++i) v.push_back(std::make_unique<int>(i));
  v.insert(v.begin() + 1, std::make_unique<int>(9));
  auto moved = std::move(v);
  EXPECT_TRUE(v.empty());
  EXPECT_EQ(moved.size(), 6u);
  EXPECT_EQ(*moved[1], 9);
  moved.erase(moved.begin());
  EXPECT_EQ(*moved.front(), 9);
}

TEST(SmallVector, moved_from_vector_is_empty_and_usable) {
  for (size_t size : {size_t{2}, size_t{9}}) {
    SmallVector<int, 3> v(size, 5);
    const SmallVector<int, 3> moved = std::move(v);
    EXPECT_TRUE(v.empty());
    v.push_back(1);
    EXPECT_EQ(v, (SmallVector<int, 3>{1}));
    EXPECT_EQ(moved.size(), size);
  }
}

TEST(SmallVector, compares_with_initializer_lists) {
  const SmallVector<int, 4> v{1, 2, 3};
  EXPECT_TRUE(v == std::initializer_list<int>({1, 2, 3}));
  EXPECT_TRUE(v != std::initializer_list<int>({1, 2}));
}

TEST(SmallVector, self_assignment) {
  SmallVector<std::string, 2> v{"a", "b", "c"};
  const auto& same = v;
  v = same;
  EXPECT_EQ(v, (SmallVector<std::string, 2>{"a", "b", "c"}));
}

TEST(SmallVector, reads_single_pass_iterators) {
  std::istringstream text("4 5 6 7");
  const SmallVector<int, 2> v{std::istream_iterator<int>(text), std::istream_iterator<int>()};
  EXPECT_EQ(values(v), (std::vector<int>{4, 5, 6, 7}));
}

TEST(SmallVector, checks) {
  SmallVector<int, 2> v{1};
  EXPECT_EQ(v.at(0), 1);
  EXPECT_THROW(v.at(1), std::out_of_range);
  EXPECT_THROW(v.resize(size_t{1} << 33), std::length_error);
  EXPECT_EQ(v.size(), 1u);
}

}  // namespace
}  // namespace tarn
