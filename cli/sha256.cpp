#include "cli/sha256.h"

#include <fmt/format.h>
#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

namespace tarn::cli {

namespace {

constexpr uint32_t kRoundConstants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

using State = std::array<uint32_t, 8>;

void add_blocks_portably(State& state, const unsigned char* data, size_t n_blocks) {
  for (; n_blocks > 0; --n_blocks, data += 64) {
    uint32_t w[64];
    for (int i = 0; i < 16; ++i) {
      std::memcpy(&w[i], data + 4 * i, 4);
      w[i] = __builtin_bswap32(w[i]);
    }
    for (int i = 16; i < 64; ++i) {
      const uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
      const uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
      w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    auto [a, b, c, d, e, f, g, h] = state;
    for (int i = 0; i < 64; ++i) {
      const uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
      const uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRoundConstants[i] + w[i];
      const uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
      const uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
      h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const State round{a, b, c, d, e, f, g, h};
    for (size_t i = 0; i < state.size(); ++i) state[i] += round[i];
  }
}

// With the SHA instructions, eight times as fast. They keep the state as the pairs ABEF and CDGH.
__attribute__((target("sha,sse4.1"))) void add_blocks_with_sha(State& state,
                                                               const unsigned char* data,
                                                               size_t n_blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const auto* words = reinterpret_cast<const __m128i*>(state.data());
  const __m128i badc = _mm_shuffle_epi32(_mm_loadu_si128(words), 0xb1);
  const __m128i hgfe = _mm_shuffle_epi32(_mm_loadu_si128(words + 1), 0x1b);
  __m128i abef = _mm_alignr_epi8(badc, hgfe, 8);
  __m128i cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
  for (; n_blocks > 0; --n_blocks, data += 64) {
    const __m128i abef_before = abef, cdgh_before = cdgh;
    __m128i w[4];
    for (int i = 0; i < 4; ++i) {
      const auto* block = reinterpret_cast<const __m128i*>(data);
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(block + i), big_endian);
    }
    for (int i = 0; i < 16; ++i) {
      const auto* constants = reinterpret_cast<const __m128i*>(kRoundConstants + 4 * i);
      __m128i sum = _mm_add_epi32(w[i % 4], _mm_loadu_si128(constants));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
      // The words of four rounds later take the place of those just used.
      const __m128i w4 = w[(i + 1) % 4], w8 = w[(i + 2) % 4], w12 = w[(i + 3) % 4];
      const __m128i partial =
          _mm_add_epi32(_mm_sha256msg1_epu32(w[i % 4], w4), _mm_alignr_epi8(w12, w8, 4));
      w[i % 4] = _mm_sha256msg2_epu32(partial, w12);
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  auto* to = reinterpret_cast<__m128i*>(state.data());
  _mm_storeu_si128(to, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(to + 1, _mm_alignr_epi8(dchg, feba, 8));
}

bool has_sha_instructions() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kShaBit = 1u << 29;
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0), "c"(0));
  if (a < 7) return false;
  __asm__("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(7), "c"(0));
  return (b & kShaBit) != 0 && __builtin_cpu_supports("sse4.1");
}

void add_blocks(State& state, const unsigned char* data, size_t n_blocks) {
  static const bool has_sha = has_sha_instructions();
  (has_sha ? add_blocks_with_sha : add_blocks_portably)(state, data, n_blocks);
}

}  // namespace

void Sha256::update(const void* data, size_t nbytes) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  const size_t n_rest = nbytes_ % kBlock;
  nbytes_ += nbytes;
  if (n_rest > 0) {
    const size_t n = std::min(nbytes, kBlock - n_rest);
    std::memcpy(rest_.data() + n_rest, bytes, n);
    bytes += n;
    nbytes -= n;
    if (n_rest + n < kBlock) return;
    add_blocks(state_, rest_.data(), 1);
  }
  add_blocks(state_, bytes, nbytes / kBlock);
  std::memcpy(rest_.data(), bytes + nbytes / kBlock * kBlock, nbytes % kBlock);
}

std::string Sha256::hex_digest() {
  const uint64_t n_bits = __builtin_bswap64(nbytes_ * 8);
  constexpr unsigned char kPadding[kBlock] = {0x80};
  constexpr size_t kLength = sizeof(n_bits);
  const size_t n_rest = nbytes_ % kBlock;
  update(kPadding, (n_rest < kBlock - kLength ? kBlock : 2 * kBlock) - kLength - n_rest);
  update(&n_bits, kLength);
  std::string digest;
  for (const uint32_t word : state_) digest += fmt::format("{:08x}", word);
  return digest;
}

}  // namespace tarn::cli
