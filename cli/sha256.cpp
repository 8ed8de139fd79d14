#include "cli/sha256.h"

#include <fmt/format.h>

#include <array>
#include <new>
#include <span>
#include <stdexcept>

namespace tarn::cli {

namespace {

void check_crypto(int succeeded) {
  if (succeeded != 1) throw std::runtime_error("[sha256] libcrypto cannot compute it here");
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  check_crypto(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::update(const void* data, size_t nbytes) {
  check_crypto(EVP_DigestUpdate(context_.get(), data, nbytes));
}

std::string Sha256::hex_digest() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned nbytes;
  check_crypto(EVP_DigestFinal_ex(context_.get(), digest.data(), &nbytes));
  return fmt::format("{:02x}", fmt::join(std::span(digest.data(), nbytes), ""));
}

}  // namespace tarn::cli
