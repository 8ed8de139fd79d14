// Any bytes as the start of an npy file: refused with an OperationError, or accepted with every
// promise of NpyHeader kept.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tarn/base/failure.h"
#include "tarn/io/npy_header.h"

using namespace tarn::io;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_promises(const NpyHeader& header, uint64_t file_nbytes) {
  unsigned __int128 nbytes = header.dtype.size();
  for (const int64_t dim : header.shape) {
    require(dim >= 0);
    nbytes *= static_cast<uint64_t>(dim);
  }
  require(nbytes == header.nbytes);
  require(header.data_begin <= file_nbytes);
  require(header.nbytes <= INT64_MAX - header.data_begin);
  const uint64_t there = file_nbytes - header.data_begin;
  require(header.missing_nbytes == (header.nbytes > there ? header.nbytes - there : 0));

  const std::string bytes = compose_npy_header(header.dtype, header.shape, header.fortran_order);
  if (header.nbytes > INT64_MAX - bytes.size()) return;
  const NpyHeader again = parse_npy_header(bytes, bytes.size() + header.nbytes, "again");
  require(again.dtype == header.dtype && again.shape == header.shape);
  require(again.fortran_order == header.fortran_order && again.missing_nbytes == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    check_promises(parse_npy_header(bytes, size, "fuzz"), size);
  } catch (const tarn::OperationError& error) {
    require(error.kind() == tarn::FailureKind::io && error.io().path == "fuzz");
  }
  return 0;
}
