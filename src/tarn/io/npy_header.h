// The header of a NumPy .npy file: reading it without evaluating it, and writing it.
//
//   file    := "\x93NUMPY" major minor length dict data
//   length  := 2 bytes (major 1) or 4 bytes (major 2 and 3), little-endian: the size of dict
//   dict    := '{' pair (',' pair)* ','? '}' blanks          each of the three keys once
//   pair    := 'descr' ':' string | 'fortran_order' ':' ("True" | "False") | 'shape' ':' tuple
//   tuple   := '(' ')' | '(' integer ',' ')' | '(' integer (',' integer)+ ','? ')'
//   string  := printable ASCII without backslash in single or double quotes
//   descr   := ('<' | '>' | '|' | '=')? kind size            e.g. <f4; bfloat16 is V2
//
// Blanks may stand between any two of these words; an integer may end in L, as Python 2 wrote them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tarn/base/dtype.h"
#include "tarn/io/reader.h"

namespace tarn::io {

struct NpyHeader {
  Dtype dtype = tarn::float32;
  std::vector<int64_t> shape;  // may exceed what an array's Shape can hold
  bool fortran_order = false;  // the first axis is the one whose elements are neighbours
  bool swap_bytes = false;     // the numbers are big-endian
  uint64_t data_begin = 0;     // in bytes, from the start of the file
  uint64_t nbytes = 0;
  uint64_t missing_nbytes = 0;  // how much of the data the file lacks, if its size is known

  // The size of one number whose bytes are to be swapped; a complex element is two numbers.
  size_t number_nbytes() const { return dtype == tarn::complex64 ? 4 : dtype.size(); }
};

// Parses the first bytes of a file, which have to include the whole header. `file_nbytes` is the
// size of the file if known. `path` is for messages. A file that ends before its data does is
// accepted: reading the data fails. Bytes behind the data are left alone.
//
// Throws OperationError (io) with the path and the byte offset in the file; an element type that no
// array has is such an error too. Does not recurse.
NpyHeader parse_npy_header(std::string_view bytes, std::optional<uint64_t> file_nbytes,
                           const std::string& path);

// Reads and parses the header at the cursor of `reader`, and leaves the cursor at the data.
NpyHeader read_npy_header(Reader& reader);

// Everything of a file that comes before the data, padded with blanks to a multiple of 64 bytes.
// Version 1, or 2 if the header is too long for that.
std::string compose_npy_header(Dtype dtype, std::span<const int64_t> shape, bool fortran_order);

}  // namespace tarn::io
