// SHA-256 (FIPS 180-4): the checksum that model hubs publish of their files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tarn::cli {

class Sha256 {
 public:
  void update(const void* data, size_t nbytes);
  // Of all bytes so far. The hash is used up.
  std::string hex_digest();

 private:
  static constexpr size_t kBlock = 64;

  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, kBlock> rest_;  // bytes that do not fill a block yet
  uint64_t nbytes_ = 0;
};

}  // namespace tarn::cli
