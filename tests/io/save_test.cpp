#include "tarn/io/save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tarn/io/load.h"
#include "tarn/io/safetensors_header.h"
#include "tarn/ops/functions.h"
#include "tests/io/faulty_system_calls.h"

namespace tarn {
namespace {

using io::read_file;
using io::TemporaryDirectory;

bool same(const array& a, const array& b) {
  return a.dtype() == b.dtype() && array_equal(a, b).item<bool>();
}

array counting(Shape shape, Dtype dtype) {
  return astype(reshape(arange(0, double(size_of_shape(shape)), 1, float32), shape), dtype);
}

TEST(Save, npy_round_trip_of_every_dtype) {
  TemporaryDirectory directory;
  for (Dtype dtype : kAllDtypes) {
    const array a = counting({2, 3}, dtype);
    save(directory / "a", a);
    EXPECT_TRUE(same(load(directory / "a.npy"), a)) << dtype_name(dtype);
  }
}

TEST(Save, npy_of_transposed_and_strided_arrays) {
  TemporaryDirectory directory;
  const array a = counting({4, 5}, float32);
  for (const array& saved : {transpose(a), slice(a, {1, 1}, {4, 5}, {2, 3}), array(3.0f)}) {
    save(directory / "a.npy", saved);
    EXPECT_TRUE(same(load(directory / "a.npy"), saved));
  }
  save(directory / "t.npy", transpose(a));
  EXPECT_NE(read_file(directory / "t.npy").find("'fortran_order': True"), std::string::npos);
}

TEST(Save, safetensors_round_trip) {
  TemporaryDirectory directory;
  std::unordered_map<std::string, array> arrays;
  for (Dtype dtype : kAllDtypes) arrays.emplace(dtype_name(dtype), counting({3}, dtype));
  arrays.emplace("transposed", transpose(counting({4, 5}, float32)));
  arrays.emplace("empty", zeros({0, 2}, float32));
  save_safetensors(directory / "a", arrays, {{"format", "tarn"}});
  auto [loaded, metadata] = load_safetensors(directory / "a.safetensors");
  EXPECT_EQ(metadata.at("format"), "tarn");
  ASSERT_EQ(loaded.size(), arrays.size());
  for (const auto& [name, a] : arrays) EXPECT_TRUE(same(loaded.at(name), a)) << name;
}

TEST(Save, equal_arguments_give_equal_files_in_the_order_of_names) {
  TemporaryDirectory directory;
  std::unordered_map<std::string, array> arrays, reversed(101);
  for (int i = 0; i < 30; ++i) arrays.emplace("t" + std::to_string(i), array(i));
  for (int i = 30; i-- > 0;) reversed.emplace("t" + std::to_string(i), array(i));
  save_safetensors(directory / "1", arrays);
  save_safetensors(directory / "2", reversed);
  const std::string file = read_file(directory / "1.safetensors");
  EXPECT_EQ(file, read_file(directory / "2.safetensors"));
  const auto header = io::parse_safetensors_header(file, file.size(), io::CutFile::refuse, "1");
  EXPECT_TRUE(std::ranges::is_sorted(header.tensors, {}, &io::SafetensorsEntry::name));
}

TEST(Save, to_a_writer) {
  TemporaryDirectory directory;
  const array a = counting({7}, int32);
  save(std::make_shared<io::FileWriter>(directory / "a.npy"), a);
  EXPECT_TRUE(same(load(directory / "a.npy"), a));
  save_safetensors(std::make_shared<io::FileWriter>(directory / "a.safetensors"), {{"a", a}});
  EXPECT_TRUE(same(load_safetensors(directory / "a.safetensors").first.at("a"), a));
}

// As one written for MLX: it cannot throw, and says afterwards that it failed.
class SilentWriter : public io::Writer {
 public:
  bool is_open() const override { return true; }
  bool good() const override { return false; }
  size_t tell() override { return 0; }
  void seek(int64_t, std::ios_base::seekdir) override {}
  void write(const char*, size_t) override {}
  std::string label() const override { return "silent"; }
};

TEST(Save, a_writer_that_turns_bad_is_an_error) {
  try {
    save(std::make_shared<SilentWriter>(), array(1));
    FAIL() << "nothing was written";
  } catch (const OperationError& error) {
    EXPECT_EQ(error.io().path, "silent");
  }
}

}  // namespace
}  // namespace tarn
