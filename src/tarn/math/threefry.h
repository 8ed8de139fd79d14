// Threefry-2x32 with 20 rounds: a function from a key and a counter to random bits. From Salmon,
// Moraes, Dror and Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).
#pragma once

#include "tarn/base/fn.h"

#if !defined(__CUDACC_RTC__)
#include <stdint.h>
#endif

namespace tarn::math {

template <int kBits>
TARN_FN uint32_t rotate_left(uint32_t x) {
  return x << kBits | x >> (32 - kBits);
}

struct ThreefryKey {
  uint32_t words[2];
};

// A counter that is turned, in place, into the two words drawn for it. T is uint32_t, or a pack of
// such with a rotate_left of its own.
template <class T>
struct ThreefryBlock {
  T x;
  T y;

  TARN_FN void encrypt(const ThreefryKey& key) {
    const T k0(key.words[0]), k1(key.words[1]);
    const T k2(key.words[0] ^ key.words[1] ^ 0x1BD11BDAu);
    x = x + k0;
    y = y + k1;
    four_rounds<13, 15, 26, 6>();
    add(k1, k2, 1);
    four_rounds<17, 29, 16, 24>();
    add(k2, k0, 2);
    four_rounds<13, 15, 26, 6>();
    add(k0, k1, 3);
    four_rounds<17, 29, 16, 24>();
    add(k1, k2, 4);
    four_rounds<13, 15, 26, 6>();
    add(k2, k0, 5);
  }

 private:
  template <int kBits>
  TARN_FN void round() {
    x = x + y;
    y = rotate_left<kBits>(y) ^ x;
  }
  template <int kA, int kB, int kC, int kD>
  TARN_FN void four_rounds() {
    round<kA>();
    round<kB>();
    round<kC>();
    round<kD>();
  }
  TARN_FN void add(T key_x, T key_y, uint32_t n_injected) {
    x = x + key_x;
    y = y + (key_y + T(n_injected));
  }
};

}  // namespace tarn::math
