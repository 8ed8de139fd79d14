// Any bytes as the start of a safetensors file: refused with an OperationError, or accepted with
// every promise of SafetensorsHeader kept.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tarn/base/failure.h"
#include "tarn/io/safetensors_header.h"

using namespace tarn::io;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_promises(const SafetensorsHeader& header, uint64_t file_nbytes) {
  uint64_t covered = header.data_begin;
  for (const SafetensorsEntry& entry : header.tensors) {
    require(entry.begin == covered && entry.end >= entry.begin);
    unsigned __int128 n_bits = static_cast<unsigned>(entry.n_bits);
    for (const int64_t dim : entry.shape) {
      require(dim >= 0);
      n_bits *= static_cast<uint64_t>(dim);
    }
    const bool is_known = entry.n_bits > 0;
    require(is_known == (entry.failure == nullptr));
    require(!is_known || n_bits == static_cast<unsigned __int128>(entry.nbytes()) * 8);
    require(entry.n_bits < 8 || entry.n_bits == 8 * static_cast<int>(entry.dtype.size()));
    covered = entry.end;
  }
  require(covered == header.data_end);
  require(header.data_end >= file_nbytes);
  require(header.missing_nbytes == header.data_end - file_nbytes);
}

// What was accepted is accepted again after it has been written anew, as bytes if it has no dtype
// that is written.
void check_round_trip(const SafetensorsHeader& header) {
  std::vector<SafetensorsSpec> specs;
  for (const SafetensorsEntry& entry : header.tensors) {
    if (entry.n_bits >= 8) {
      specs.push_back({entry.name, entry.dtype, entry.shape});
    } else {
      specs.push_back({entry.name, tarn::uint8, {static_cast<int64_t>(entry.nbytes())}});
    }
  }
  const std::string bytes = compose_safetensors_header(specs, header.metadata);
  const uint64_t data_nbytes = header.data_end - header.data_begin;
  if (data_nbytes > INT64_MAX - bytes.size()) return;
  const SafetensorsHeader again =
      parse_safetensors_header(bytes, bytes.size() + data_nbytes, CutFile::refuse, "again");
  require(again.tensors.size() == header.tensors.size());
  require(again.metadata == header.metadata);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const CutFile cut_file : {CutFile::accept, CutFile::refuse}) {
    try {
      const SafetensorsHeader header = parse_safetensors_header(bytes, size, cut_file, "fuzz");
      check_promises(header, size);
      require(cut_file == CutFile::accept || header.missing_nbytes == 0);
      check_round_trip(header);
    } catch (const tarn::OperationError& error) {
      require(error.kind() == tarn::FailureKind::io && error.io().path == "fuzz");
    }
  }
  return 0;
}
