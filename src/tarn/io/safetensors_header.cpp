#include "tarn/io/safetensors_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <stdexcept>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "tarn/base/error.h"
#include "tarn/io/header_bytes.h"
#include "tarn/io/io_error.h"
#include "tarn/io/strict_json.h"

namespace tarn::io {

namespace {

using nlohmann::json;

constexpr uint64_t kLengthNbytes = 8;
constexpr size_t kMaxDepth = 3;  // file, tensor, shape
constexpr const char* kMetadataKey = "__metadata__";

struct FormatDtype {
  const char* name;
  int n_bits;  // of an element
  Dtype dtype;
  bool is_written;  // the name for arrays of this dtype
};

// The floats of 8 bits and less have no arithmetic here: their bytes are loaded as they are.
constexpr FormatDtype kFormatDtypes[] = {
    {"BOOL", 8, tarn::bool_, true},
    {"U8", 8, tarn::uint8, true},
    {"I8", 8, tarn::int8, true},
    {"F4", 4, tarn::uint8, false},
    {"F6_E2M3", 6, tarn::uint8, false},
    {"F6_E3M2", 6, tarn::uint8, false},
    {"F8_E5M2", 8, tarn::uint8, false},
    {"F8_E4M3", 8, tarn::uint8, false},
    {"F8_E8M0", 8, tarn::uint8, false},
    {"F8_E4M3FNUZ", 8, tarn::uint8, false},
    {"F8_E5M2FNUZ", 8, tarn::uint8, false},
    {"I16", 16, tarn::int16, true},
    {"U16", 16, tarn::uint16, true},
    {"F16", 16, tarn::float16, true},
    {"BF16", 16, tarn::bfloat16, true},
    {"I32", 32, tarn::int32, true},
    {"U32", 32, tarn::uint32, true},
    {"F32", 32, tarn::float32, true},
    {"I64", 64, tarn::int64, true},
    {"U64", 64, tarn::uint64, true},
    {"F64", 64, tarn::float64, true},
    {"C64", 64, tarn::complex64, true},
};

const FormatDtype* find_dtype(std::string_view name) {
  const auto* it = std::ranges::find(kFormatDtypes, name, &FormatDtype::name);
  return it == std::end(kFormatDtypes) ? nullptr : it;
}

// Turns the JSON of a header into a SafetensorsHeader, rule by rule.
class HeaderCheck {
 public:
  explicit HeaderCheck(const std::string& path) : path_(path) {}

  // The length of the JSON text.
  uint64_t read_length(std::string_view bytes, std::optional<uint64_t> file_nbytes) const {
    if (bytes.size() < kLengthNbytes) {
      fail_short("ends inside the length of its header", 0, kLengthNbytes, bytes.size());
    }
    const uint64_t length = decode_little_endian(bytes.substr(0, kLengthNbytes));
    if (length > kMaxSafetensorsHeaderNbytes) {
      fail(fmt::format("the header length {} is more than {}: not a safetensors file?", length,
                       kMaxSafetensorsHeaderNbytes),
           0);
    }
    if (file_nbytes && length > *file_nbytes - kLengthNbytes) {
      fail_short("ends inside its header", kLengthNbytes, length, *file_nbytes - kLengthNbytes);
    }
    return length;
  }

  SafetensorsHeader check(std::string_view bytes, std::optional<uint64_t> file_nbytes,
                          CutFile cut_file) {
    if (file_nbytes && *file_nbytes < kLengthNbytes) bytes = bytes.substr(0, *file_nbytes);
    const uint64_t length = read_length(bytes, file_nbytes);
    const std::string_view text = bytes.substr(kLengthNbytes, length);
    if (text.size() < length) {
      fail_short("ends inside its header", kLengthNbytes, length, text.size());
    }
    header_.data_begin = kLengthNbytes + length;
    const ParsedJson root = parse(text);
    add_entries(*root);
    check_cover();
    if (file_nbytes) check_size(*file_nbytes, cut_file);
    return std::move(header_);
  }

 private:
  OperationError error(std::string_view text, uint64_t offset, const std::string& tensor) const {
    IoDetails details;
    details.path = path_;
    details.tensor = tensor;
    details.offset = static_cast<int64_t>(offset);
    return io_error("load_safetensors", text, std::move(details));
  }

  [[noreturn]] void fail(std::string_view text, uint64_t offset,
                         const std::string& tensor = {}) const {
    throw error(text, offset, tensor);
  }

  [[noreturn]] void fail_short(const char* text, uint64_t offset, uint64_t wanted, uint64_t got,
                               const std::string& tensor = {}) const {
    IoDetails details;
    details.path = path_;
    details.tensor = tensor;
    details.offset = static_cast<int64_t>(offset);
    details.wanted = static_cast<int64_t>(wanted);
    details.got = static_cast<int64_t>(got);
    throw io_error("load_safetensors",
                   fmt::format("the file {}: wanted {} bytes from offset {}, got {}", text, wanted,
                               offset, got),
                   std::move(details));
  }

  // What is wrong with one tensor's row, which has no better place than the header itself.
  [[noreturn]] void fail_entry(const std::string& tensor, std::string_view text) const {
    fail(text, kLengthNbytes, tensor);
  }

  ParsedJson parse(std::string_view text) const {
    if (!text.starts_with('{')) fail("the header does not begin with '{'", kLengthNbytes);
    try {
      return parse_strict_json(text, kMaxDepth);
    } catch (const JsonError& error) {
      fail(fmt::format("the header {}", error.what()), kLengthNbytes + error.position());
    }
  }

  void add_entries(const json& root) {
    header_.tensors.reserve(root.size());
    for (const auto& [name, value] : root.items()) {
      if (name == kMetadataKey) {
        add_metadata(value);
      } else {
        header_.tensors.push_back(entry(name, value));
      }
    }
  }

  void add_metadata(const json& value) {
    if (value.is_null()) return;
    if (!value.is_object()) fail_entry(kMetadataKey, "is neither an object nor null");
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string()) {
        fail_entry(kMetadataKey, fmt::format("the value of \"{}\" is not a string", key));
      }
      header_.metadata.emplace(key, text.get_ref<const std::string&>());
    }
  }

  SafetensorsEntry entry(const std::string& name, const json& row) const {
    if (!row.is_object()) fail_entry(name, "is not an object");
    for (const auto& [field, value] : row.items()) {
      if (field != "dtype" && field != "shape" && field != "data_offsets") {
        fail_entry(name,
                   fmt::format("has the field \"{}\", which the format does not have", field));
      }
    }
    SafetensorsEntry entry;
    entry.name = name;
    const auto dtype = row.find("dtype");
    if (dtype == row.end() || !dtype->is_string()) fail_entry(name, "has no dtype");
    entry.dtype_name = dtype->get_ref<const std::string&>();
    if (const FormatDtype* known = find_dtype(entry.dtype_name)) {
      entry.n_bits = known->n_bits;
      entry.dtype = known->dtype;
    } else {
      entry.failure = std::make_exception_ptr(error(
          fmt::format("has the unknown dtype \"{}\"", entry.dtype_name), kLengthNbytes, name));
    }

    for (const uint64_t dim : integers(name, row, "shape")) {
      entry.shape.push_back(static_cast<int64_t>(dim));
    }
    const std::vector<uint64_t> offsets = integers(name, row, "data_offsets");
    if (offsets.size() != 2) fail_entry(name, "data_offsets are not two integers");
    set_range(entry, offsets[0], offsets[1]);
    return entry;
  }

  // An array of integers from 0 to 2^63 - 1.
  std::vector<uint64_t> integers(const std::string& name, const json& row,
                                 const char* field) const {
    const auto it = row.find(field);
    if (it == row.end() || !it->is_array()) {
      fail_entry(name, fmt::format("has no array \"{}\"", field));
    }
    std::vector<uint64_t> values;
    values.reserve(it->size());
    for (const json& value : *it) {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > kMaxFileOffset) {
        fail_entry(name,
                   fmt::format("{} has a value that is not an integer from 0 to 2^63 - 1", field));
      }
      values.push_back(value.get<uint64_t>());
    }
    return values;
  }

  void set_range(SafetensorsEntry& entry, uint64_t begin, uint64_t end) const {
    if (begin > end) {
      fail_entry(entry.name, fmt::format("data_offsets [{}, {}] run backwards", begin, end));
    }
    if (end > kMaxFileOffset - header_.data_begin) {
      fail_entry(entry.name, fmt::format("data_offsets [{}, {}] are past any file", begin, end));
    }
    const uint64_t nbytes = nbytes_of(entry);
    // The size of what has an unknown dtype is whatever its offsets say.
    if (!entry.failure && end - begin != nbytes) {
      fail(fmt::format("data_offsets [{}, {}] span {} bytes, but {} of shape {} are {}", begin, end,
                       end - begin, entry.dtype_name, shape_text(entry.shape), nbytes),
           header_.data_begin + begin, entry.name);
    }
    entry.begin = header_.data_begin + begin;
    entry.end = header_.data_begin + end;
  }

  // By its shape; as if an element were a byte if the dtype is unknown.
  uint64_t nbytes_of(const SafetensorsEntry& entry) const {
    const bool is_of_bytes = entry.n_bits % 8 == 0;
    const int element_size = is_of_bytes ? std::max(entry.n_bits / 8, 1) : entry.n_bits;
    const std::optional<uint64_t> size = tensor_size(entry.shape, element_size);
    if (!size) {
      fail_entry(entry.name, fmt::format("the shape {} is too large", shape_text(entry.shape)));
    }
    if (is_of_bytes) return *size;
    if (*size % 8 != 0) {
      fail_entry(entry.name, fmt::format("{} of shape {} are {} bits, which are no whole bytes",
                                         entry.dtype_name, shape_text(entry.shape), *size));
    }
    return *size / 8;
  }

  // Sorts the tensors by offset, and requires that each begins where the one before it ends.
  void check_cover() {
    auto& tensors = header_.tensors;
    std::ranges::sort(tensors, {}, [](const SafetensorsEntry& e) {
      return std::tuple<uint64_t, uint64_t, const std::string&>(e.begin, e.end, e.name);
    });
    uint64_t covered = header_.data_begin;
    for (const SafetensorsEntry& entry : tensors) {
      if (entry.begin < covered) {
        fail(fmt::format("begins at byte {}, inside the tensor before it, which ends at {}",
                         entry.begin, covered),
             entry.begin, entry.name);
      }
      if (entry.begin > covered) {
        fail(fmt::format("begins at byte {} and leaves a hole from byte {}", entry.begin, covered),
             covered, entry.name);
      }
      covered = entry.end;
    }
    header_.data_end = covered;
  }

  void check_size(uint64_t file_nbytes, CutFile cut_file) {
    if (file_nbytes > header_.data_end) {
      fail(fmt::format("{} bytes after the last tensor", file_nbytes - header_.data_end),
           header_.data_end);
    }
    header_.missing_nbytes = header_.data_end - file_nbytes;
    if (header_.missing_nbytes == 0 || cut_file == CutFile::accept) return;
    const auto cut =
        std::ranges::upper_bound(header_.tensors, file_nbytes, {}, &SafetensorsEntry::end);
    const uint64_t got = file_nbytes > cut->begin ? file_nbytes - cut->begin : 0;
    fail_short("ends before its last tensor does", cut->begin, cut->nbytes(), got, cut->name);
  }

  const std::string& path_;
  SafetensorsHeader header_;
};

// As a JSON string, with its quotes.
std::string quoted(std::string_view what, const std::string& text) {
  check<std::overflow_error>(text.size() <= kMaxSafetensorsHeaderNbytes, "save_safetensors",
                             "{} of {} bytes does not fit into a header.", what, text.size());
  try {
    return json(text).dump();
  } catch (const json::type_error&) {
    throw std::invalid_argument(fmt::format("[save_safetensors] {} is not UTF-8.", what));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view bytes,
                                           std::optional<uint64_t> file_nbytes, CutFile cut_file,
                                           const std::string& path) {
  return HeaderCheck(path).check(bytes, file_nbytes, cut_file);
}

SafetensorsHeader read_safetensors_header(Reader& reader, CutFile cut_file) {
  const std::string path = reader.label();
  const uint64_t start = reader.tell();
  std::optional<uint64_t> nbytes = reader.size();
  if (nbytes) *nbytes -= std::min(*nbytes, start);
  HeaderCheck check(path);
  std::string bytes;
  append_from(reader, bytes, std::min(nbytes.value_or(kLengthNbytes), kLengthNbytes),
              "load_safetensors");
  append_from(reader, bytes, check.read_length(bytes, nbytes), "load_safetensors");
  SafetensorsHeader header = check.check(bytes, nbytes, cut_file);
  header.data_begin += start;
  header.data_end += start;
  for (SafetensorsEntry& entry : header.tensors) {
    entry.begin += start;
    entry.end += start;
  }
  return header;
}

const char* safetensors_dtype_name(Dtype dtype) {
  for (const FormatDtype& known : kFormatDtypes) {
    if (known.is_written && known.dtype == dtype) return known.name;
  }
  __builtin_unreachable();
}

std::string compose_safetensors_header(std::span<const SafetensorsSpec> tensors,
                                       const std::map<std::string, std::string>& metadata) {
  std::string text = fmt::format("{{\"{}\":", kMetadataKey);
  if (metadata.empty()) {
    text += "null";
  } else {
    char separator = '{';
    for (const auto& [key, value] : metadata) {
      text += separator;
      text += quoted("a metadata key", key) + ':' + quoted("a metadata value", value);
      separator = ',';
    }
    text += '}';
  }
  std::unordered_set<std::string_view> names{kMetadataKey};
  uint64_t offset = 0;
  for (const SafetensorsSpec& spec : tensors) {
    check(names.insert(spec.name).second, "save_safetensors",
          "the name \"{}\" is reserved or given twice.", spec.name);
    const std::optional<uint64_t> nbytes = tensor_nbytes(spec.shape, spec.dtype);
    check<std::overflow_error>(nbytes && *nbytes <= kMaxFileOffset - offset, "save_safetensors",
                               "\"{}\" makes the file too large.", spec.name);
    const uint64_t end = offset + *nbytes;
    fmt::format_to(std::back_inserter(text),
                   R"(,{}:{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})",
                   quoted("a tensor name", spec.name),
                   spec.dtype_name.empty() ? safetensors_dtype_name(spec.dtype) : spec.dtype_name,
                   fmt::join(spec.shape, ","), offset, end);
    offset = end;
  }
  text += '}';
  check<std::overflow_error>(text.size() <= kMaxSafetensorsHeaderNbytes, "save_safetensors",
                             "the header would be {} bytes long; the format allows {}.",
                             text.size(), kMaxSafetensorsHeaderNbytes);
  std::string bytes;
  append_little_endian(bytes, text.size(), kLengthNbytes);
  return bytes + text;
}

}  // namespace tarn::io
