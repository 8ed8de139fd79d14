#include "tarn/io/save.h"

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "tarn/base/error.h"
#include "tarn/graph/eval.h"
#include "tarn/io/atomic_file.h"
#include "tarn/io/io_error.h"
#include "tarn/io/npy_header.h"
#include "tarn/io/safetensors_header.h"
#include "tarn/ops/functions.h"

namespace tarn {

namespace {

std::string with_ending(std::string file, std::string_view ending) {
  if (!file.ends_with(ending)) file += ending;
  return file;
}

std::vector<int64_t> shape_of(const array& a) { return {a.shape().begin(), a.shape().end()}; }

void write_bytes(io::Writer& writer, const char* data, size_t nbytes) {
  writer.write(data, nbytes);
  if (writer.good()) return;
  IoDetails details;
  details.path = writer.label();
  throw io::io_error("save", "the writer failed", std::move(details));
}

// The elements of a computed array, dense in row-major order or in that of its bytes.
void write_elements(io::Writer& writer, const array& a) {
  write_bytes(writer, a.data<char>(), a.nbytes());
}

array computed_row_major(const array& a) {
  array row_major = contiguous(a, false);
  row_major.eval();
  return row_major;
}

struct NpyImage {
  std::string header;
  array elements;
};

NpyImage npy_image(array a) {
  a.eval();
  const bool is_fortran = a.flags().col_contiguous && !a.flags().row_contiguous;
  if (!is_fortran) a = computed_row_major(a);
  return {io::compose_npy_header(a.dtype(), shape_of(a), is_fortran), a};
}

void write(io::Writer& writer, const NpyImage& image) {
  write_bytes(writer, image.header.data(), image.header.size());
  write_elements(writer, image.elements);
}

struct SafetensorsImage {
  std::string header;
  std::vector<array> tensors;  // in the file's order
};

SafetensorsImage safetensors_image(std::unordered_map<std::string, array> arrays,
                                   const std::unordered_map<std::string, std::string>& metadata) {
  const std::map<std::string, array> by_name(std::make_move_iterator(arrays.begin()),
                                             std::make_move_iterator(arrays.end()));
  std::vector<io::SafetensorsSpec> specs;
  SafetensorsImage image;
  for (const auto& [name, a] : by_name) {
    specs.push_back({name, a.dtype(), shape_of(a)});
    image.tensors.push_back(a);
  }
  image.header = io::compose_safetensors_header(specs, {metadata.begin(), metadata.end()});
  eval(image.tensors);
  return image;
}

uint64_t file_nbytes(const SafetensorsImage& image) {
  uint64_t nbytes = image.header.size();
  for (const array& a : image.tensors) nbytes += a.nbytes();
  return nbytes;
}

void write(io::Writer& writer, const SafetensorsImage& image) {
  write_bytes(writer, image.header.data(), image.header.size());
  // One row-major copy at a time, of those that need one.
  for (const array& a : image.tensors) write_elements(writer, computed_row_major(a));
}

}  // namespace

void save(std::shared_ptr<io::Writer> out_stream, array a) {
  check(out_stream != nullptr, "save", "there is no writer.");
  write(*out_stream, npy_image(std::move(a)));
}

void save(std::string file, array a) {
  const NpyImage image = npy_image(std::move(a));
  io::AtomicFile atomic(with_ending(std::move(file), ".npy"));
  atomic.reserve(image.header.size() + image.elements.nbytes());
  write(atomic, image);
  atomic.commit();
}

void save_safetensors(std::shared_ptr<io::Writer> in_stream,
                      std::unordered_map<std::string, array> arrays,
                      std::unordered_map<std::string, std::string> metadata) {
  check(in_stream != nullptr, "save_safetensors", "there is no writer.");
  write(*in_stream, safetensors_image(std::move(arrays), metadata));
}

void save_safetensors(std::string file, std::unordered_map<std::string, array> arrays,
                      std::unordered_map<std::string, std::string> metadata) {
  const SafetensorsImage image = safetensors_image(std::move(arrays), metadata);
  io::AtomicFile atomic(with_ending(std::move(file), ".safetensors"));
  atomic.reserve(file_nbytes(image));
  write(atomic, image);
  atomic.commit();
}

}  // namespace tarn
