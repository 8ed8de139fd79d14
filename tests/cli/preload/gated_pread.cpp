// Preloaded into the tool, this makes its reads of a file block as those of a dead server do: each
// that begins at or behind TARN_TEST_GATE_FROM writes a byte to the descriptor TARN_TEST_ARRIVED,
// then waits for the end of TARN_TEST_GATE.
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include <cstdlib>

namespace {

int number_of(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? -1 : std::atoi(text);
}

}  // namespace

extern "C" ssize_t pread(int fd, void* data, size_t nbytes, off_t offset) {
  using Pread = ssize_t (*)(int, void*, size_t, off_t);
  static const auto real_pread = reinterpret_cast<Pread>(dlsym(RTLD_NEXT, "pread"));
  static const int from = number_of("TARN_TEST_GATE_FROM");
  static const int arrived = number_of("TARN_TEST_ARRIVED"), gate = number_of("TARN_TEST_GATE");
  if (from >= 0 && offset >= from) {
    char byte = 0;
    if (write(arrived, &byte, 1) == 1) {
      while (read(gate, &byte, 1) > 0) {
      }
    }
  }
  return real_pread(fd, data, nbytes, offset);
}
