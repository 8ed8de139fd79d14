// The header of a safetensors file: reading it without trusting it, and writing it.
//
//   file    := length header data          length: 8 bytes, little-endian, at most 100,000,000
//   header  := JSON object in UTF-8 that begins with '{', of `length` bytes, blanks at its end
//   allowed
//                name: { "dtype": string, "shape": [integer…], "data_offsets": [begin, end] } …
//                "__metadata__": { string: string … } or null, optional
//   data    := the tensors' bytes, row-major, little-endian; offsets count from its first byte
//
// The tensors, by offset, cover the data from its first to its last byte without gap or overlap.
#pragma once

#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tarn/base/dtype.h"
#include "tarn/io/reader.h"

namespace tarn::io {

inline constexpr uint64_t kMaxSafetensorsHeaderNbytes = 100'000'000;

struct SafetensorsEntry {
  std::string name;
  std::string dtype_name;      // as in the file
  int n_bits = 0;              // of an element; 0 if the dtype is unknown
  Dtype dtype = tarn::uint8;   // that an array of it has; floats of 8 bits and less come as uint8
  std::vector<int64_t> shape;  // may exceed what an array's Shape can hold
  uint64_t begin = 0;          // in bytes, from the start of the file
  uint64_t end = 0;
  // Why it cannot be read although the others of the file can: its dtype is unknown. Else null.
  std::exception_ptr failure = {};

  uint64_t nbytes() const { return end - begin; }
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> tensors;        // by begin, then end, then name
  std::map<std::string, std::string> metadata;  // empty if absent or null
  uint64_t data_begin = 0;                      // in bytes, from the start of the file
  uint64_t data_end = 0;
  uint64_t missing_nbytes = 0;  // how much of the data the file lacks, if its size is known
};

// What to do about a file that ends before its last tensor does. It is refused as a whole or read
// as far as it goes: the tensors that are cut then fail when they are read, and only those.
// Everything else that is wrong with a header is refused either way.
enum class CutFile { refuse, accept };

// Parses the first bytes of a file, which have to include the whole header. `file_nbytes` is the
// size of the file if known; without it a cut file is not noticed here, nor bytes after the last
// tensor, which are refused. `path` is for messages.
//
// Throws OperationError (io) that names the file, the tensor and the byte offset in the file.
// Does not recurse, and needs at most about 20 times the memory of `bytes`.
SafetensorsHeader parse_safetensors_header(std::string_view bytes,
                                           std::optional<uint64_t> file_nbytes, CutFile cut_file,
                                           const std::string& path);

// Reads and parses the header at the cursor of `reader`, which is taken for the start of the file.
SafetensorsHeader read_safetensors_header(Reader& reader, CutFile cut_file);

// The name the format has for arrays of this type; all types have one.
const char* safetensors_dtype_name(Dtype dtype);

struct SafetensorsSpec {
  std::string name;
  Dtype dtype = tarn::uint8;
  std::vector<int64_t> shape;
  std::string dtype_name = {};  // if other than the dtype's: "F8_E4M3" of uint8
};

// The length and header of a file that holds these tensors one after the other in the order given,
// without padding: a pure function of its arguments. Metadata is always written, as null if empty.
// Throws std::invalid_argument for a name that is "__metadata__", repeated or not UTF-8, and for
// metadata that is not UTF-8; std::overflow_error if the sizes overflow or the header is too long.
std::string compose_safetensors_header(std::span<const SafetensorsSpec> tensors,
                                       const std::map<std::string, std::string>& metadata);

}  // namespace tarn::io
