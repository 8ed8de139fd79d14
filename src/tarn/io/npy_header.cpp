#include "tarn/io/npy_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "tarn/io/header_bytes.h"
#include "tarn/io/io_error.h"

namespace tarn::io {

namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic{"\x93NUMPY", 6};
constexpr size_t kPreambleNbytes = 8;  // magic, major, minor
constexpr size_t kMaxDictNbytes = size_t{1} << 20;

struct Descr {
  std::string_view name;
  Dtype dtype;
};

constexpr Descr kDescrs[] = {
    {"b1", tarn::bool_},     {"u1", tarn::uint8},    {"u2", tarn::uint16},  {"u4", tarn::uint32},
    {"u8", tarn::uint64},    {"i1", tarn::int8},     {"i2", tarn::int16},   {"i4", tarn::int32},
    {"i8", tarn::int64},     {"f2", tarn::float16},  {"f4", tarn::float32}, {"f8", tarn::float64},
    {"c8", tarn::complex64}, {"V2", tarn::bfloat16},
};

// The bytes of a length field.
size_t length_nbytes(char major) { return major == 1 ? 2 : 4; }

[[noreturn]] void fail(const std::string& path, std::string_view text, uint64_t offset,
                       int64_t wanted = -1, int64_t got = -1) {
  IoDetails details;
  details.path = path;
  details.offset = static_cast<int64_t>(offset);
  details.wanted = wanted;
  details.got = got;
  throw io_error("load", text, std::move(details));
}

// Parses the dictionary, a fixed subset of Python's literals. `begin` is its offset in the file.
class DictParser {
 public:
  DictParser(std::string_view text, uint64_t begin, const std::string& path)
      : text_(text), begin_(begin), path_(path) {}

  void parse(NpyHeader& header) {
    expect('{');
    bool has_descr = false, has_order = false, has_shape = false;
    while (!accept('}')) {
      const size_t key_position = position_;
      const std::string_view key = string();
      expect(':');
      if (key == "descr" && !has_descr) {
        descr(header);
        has_descr = true;
      } else if (key == "fortran_order" && !has_order) {
        header.fortran_order = boolean();
        has_order = true;
      } else if (key == "shape" && !has_shape) {
        header.shape = tuple();
        has_shape = true;
      } else {
        fail_at(key_position, fmt::format("the key '{}' is unknown or there twice", key));
      }
      if (!accept(',') && !next_is('}')) fail_here("expected ',' or '}'");
    }
    if (!has_descr || !has_order || !has_shape) {
      fail_here("the header needs descr, fortran_order and shape");
    }
    skip_blanks();
    if (position_ != text_.size()) fail_here("the header goes on after its '}'");
  }

 private:
  [[noreturn]] void fail_at(size_t position, std::string_view message) const {
    fail(path_, message, begin_ + position);
  }
  [[noreturn]] void fail_here(std::string_view message) const { fail_at(position_, message); }

  void skip_blanks() {
    constexpr std::string_view kBlanks = " \t\r\n";
    while (position_ < text_.size() && kBlanks.find(text_[position_]) != kBlanks.npos) ++position_;
  }

  bool next_is(char c) {
    skip_blanks();
    return position_ < text_.size() && text_[position_] == c;
  }

  bool accept(char c) {
    if (!next_is(c)) return false;
    ++position_;
    return true;
  }

  void expect(char c) {
    if (!accept(c)) fail_here(fmt::format("expected '{}'", c));
  }

  bool accept_word(std::string_view word) {
    skip_blanks();
    if (!text_.substr(position_).starts_with(word)) return false;
    position_ += word.size();
    return true;
  }

  std::string_view string() {
    const char quote = next_is('"') ? '"' : '\'';
    expect(quote);
    const size_t begin = position_;
    while (position_ < text_.size() && text_[position_] != quote) {
      const char c = text_[position_];
      if (c < 0x20 || c > 0x7e || c == '\\') fail_here("a character that no name or type has");
      ++position_;
    }
    if (position_ == text_.size()) fail_here("a string does not end");
    return text_.substr(begin, position_++ - begin);
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    fail_here("expected True or False");
  }

  int64_t integer() {
    skip_blanks();
    const size_t begin = position_;
    int64_t value = 0;
    while (position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9') {
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, int64_t{text_[position_] - '0'}, &value)) {
        fail_at(begin, "a dimension is past 2^63 - 1");
      }
      ++position_;
    }
    const size_t n_digits = position_ - begin;
    if (n_digits == 0) fail_here("expected a dimension");
    if (n_digits > 1 && text_[begin] == '0') fail_at(begin, "a dimension begins with 0");
    accept_word("L");
    return value;
  }

  std::vector<int64_t> tuple() {
    std::vector<int64_t> values;
    expect('(');
    while (!accept(')')) {
      values.push_back(integer());
      // (3) is a number to Python, not a tuple.
      if (!accept(',') && (values.size() == 1 || !next_is(')'))) fail_here("expected ','");
    }
    return values;
  }

  void descr(NpyHeader& header) {
    if (next_is('[')) fail_here("structured elements are not supported");
    const size_t position = position_;
    const std::string_view text = string();
    std::string_view name = text;
    const char order = name.empty() ? '\0' : name[0];
    const bool has_order = order == '<' || order == '>' || order == '|' || order == '=';
    if (has_order) name.remove_prefix(1);
    const auto* known = std::ranges::find(kDescrs, name, &Descr::name);
    if (known == std::end(kDescrs)) {
      fail_at(position, fmt::format("elements of type '{}' are not supported", text));
    }
    header.dtype = known->dtype;
    header.swap_bytes = order == '>' && header.dtype.size() > 1;
  }

  std::string_view text_;
  uint64_t begin_;
  const std::string& path_;
  size_t position_ = 0;
};

// Parses what precedes the dictionary. Returns the dictionary's size.
uint64_t read_length(std::string_view bytes, const std::string& path) {
  if (!bytes.starts_with(kMagic)) fail(path, "not an npy file", 0);
  if (bytes.size() < kPreambleNbytes) {
    fail(path, "the file ends inside its header", 0, kPreambleNbytes, std::ssize(bytes));
  }
  const int major = static_cast<uint8_t>(bytes[6]);
  const int minor = static_cast<uint8_t>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0) {
    fail(path, fmt::format("npy version {}.{} is not known", major, minor), kMagic.size());
  }
  const size_t n = length_nbytes(bytes[6]);
  const std::string_view field = bytes.substr(kPreambleNbytes, n);
  if (field.size() < n) {
    fail(path, "the file ends inside its header", kPreambleNbytes, static_cast<int64_t>(n),
         std::ssize(field));
  }
  const uint64_t length = decode_little_endian(field);
  if (length > kMaxDictNbytes) {
    fail(path, fmt::format("the header length {} is more than {}", length, kMaxDictNbytes),
         kPreambleNbytes);
  }
  return length;
}

void set_nbytes(NpyHeader& header, std::optional<uint64_t> file_nbytes, const std::string& path) {
  const std::optional<uint64_t> nbytes = tensor_nbytes(header.shape, header.dtype);
  if (!nbytes || *nbytes > kMaxFileOffset - header.data_begin) {
    fail(path, fmt::format("the shape {} is too large", shape_text(header.shape)), kPreambleNbytes);
  }
  header.nbytes = *nbytes;
  if (!file_nbytes) return;
  const uint64_t data_end = header.data_begin + header.nbytes;
  header.missing_nbytes = data_end > *file_nbytes ? data_end - *file_nbytes : 0;
}

}  // namespace

NpyHeader parse_npy_header(std::string_view bytes, std::optional<uint64_t> file_nbytes,
                           const std::string& path) {
  if (file_nbytes) bytes = bytes.substr(0, *file_nbytes);
  const uint64_t length = read_length(bytes, path);
  const uint64_t begin = kPreambleNbytes + length_nbytes(bytes[6]);
  const std::string_view dict = bytes.substr(begin, length);
  if (dict.size() < length) {
    fail(path, "the file ends inside its header", begin, static_cast<int64_t>(length),
         std::ssize(dict));
  }
  NpyHeader header;
  DictParser(dict, begin, path).parse(header);
  header.data_begin = begin + length;
  set_nbytes(header, file_nbytes, path);
  return header;
}

NpyHeader read_npy_header(Reader& reader) {
  const std::string path = reader.label();
  const uint64_t start = reader.tell();
  std::optional<uint64_t> nbytes = reader.size();
  if (nbytes) *nbytes -= std::min(*nbytes, start);
  std::string bytes;
  const auto read_up_to = [&](size_t end) {
    if (nbytes) end = std::min<size_t>(end, *nbytes);
    if (end > bytes.size()) append_from(reader, bytes, end - bytes.size(), "load");
  };
  read_up_to(kPreambleNbytes);
  if (bytes.size() == kPreambleNbytes) {
    const size_t begin = kPreambleNbytes + length_nbytes(bytes[6]);
    read_up_to(begin);
    read_up_to(begin + read_length(bytes, path));
  }
  NpyHeader header = parse_npy_header(bytes, nbytes, path);
  header.data_begin += start;
  return header;
}

std::string compose_npy_header(Dtype dtype, std::span<const int64_t> shape, bool fortran_order) {
  const auto* descr = std::ranges::find(kDescrs, dtype, &Descr::dtype);
  const std::string dims =
      shape.size() == 1 ? fmt::format("{},", shape[0]) : fmt::format("{}", fmt::join(shape, ", "));
  std::string dict = fmt::format("{{'descr': '{}{}', 'fortran_order': {}, 'shape': ({}), }}",
                                 dtype.size() == 1 ? '|' : '<', descr->name,
                                 fortran_order ? "True" : "False", dims);
  constexpr size_t kAlignment = 64;
  const auto padding = [&](size_t prefix) {
    return kAlignment - 1 - (prefix + dict.size()) % kAlignment;  // and a newline
  };
  constexpr size_t kPrefix1 = kPreambleNbytes + 2;
  const bool fits_version_1 = dict.size() + padding(kPrefix1) + 1 <= 0xffff;
  const size_t n_length_bytes = fits_version_1 ? 2 : 4;
  dict.append(padding(kPreambleNbytes + n_length_bytes), ' ');
  dict += '\n';

  std::string bytes(kMagic);
  bytes += fits_version_1 ? '\1' : '\2';
  bytes += '\0';
  append_little_endian(bytes, dict.size(), n_length_bytes);
  return bytes + dict;
}

}  // namespace tarn::io
