// SHA-256: the checksum that model hubs publish of their files.
#pragma once

#include <openssl/evp.h>

#include <cstddef>
#include <memory>
#include <string>

namespace tarn::cli {

// Throws std::bad_alloc without memory, and std::runtime_error where the system forbids the hash.
class Sha256 {
 public:
  Sha256();

  void update(const void* data, size_t nbytes);
  // Of all bytes so far. The hash is used up.
  std::string hex_digest();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };

  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace tarn::cli
