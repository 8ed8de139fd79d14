// The quotient of integers, rounded up: into how many parts of `b` elements `a` elements are cut.
#pragma once

#include <cstdint>

namespace tarn {

// Requires: a is not negative, b is positive, and their sum is an int64_t.
constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace tarn
