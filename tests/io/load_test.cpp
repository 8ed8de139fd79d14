#include "tarn/io/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "tarn/graph/eval.h"
#include "tarn/io/header_bytes.h"
#include "tarn/io/npy_header.h"
#include "tarn/io/tensor_loader.h"
#include "tarn/ops/functions.h"
#include "tests/io/faulty_system_calls.h"
#include "tests/io/gated_reader.h"

namespace tarn {
namespace {

using io::TemporaryDirectory;
using io::write_file;
using testing::ElementsAre;

// An npy file of version 1 with this dictionary.
std::string npy_file(const std::string& dict, const std::string& data) {
  std::string file("\x93NUMPY\x01\x00", 8);
  file += char(dict.size());
  file += '\0';
  return file + dict + data;
}

template <class T>
std::vector<T> elements(array a) {
  a = contiguous(a);
  a.eval();
  return {a.data<T>(), a.data<T>() + a.size()};
}

class Load : public testing::Test {
 protected:
  array load_npy(const std::string& dict, const std::string& data) {
    write_file(directory / "a.npy", npy_file(dict, data));
    return load(directory / "a.npy");
  }

  TemporaryDirectory directory;
};

TEST_F(Load, npy_row_major) {
  array a = load_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }",
                     "\x01\x02\x03\x04\x05\x06");
  EXPECT_EQ(a.shape(), (Shape{2, 3}));
  EXPECT_EQ(a.dtype(), uint8);
  EXPECT_EQ(a.status(), array::Status::unscheduled);
  EXPECT_THAT(elements<uint8_t>(a), ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST_F(Load, npy_fortran_order_is_a_view_of_the_bytes) {
  array a = load_npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }",
                     "\x01\x02\x03\x04\x05\x06");
  EXPECT_EQ(a.shape(), (Shape{2, 3}));
  a.eval();
  EXPECT_TRUE(a.flags().col_contiguous);
  EXPECT_THAT(elements<uint8_t>(a), ElementsAre(1, 3, 5, 2, 4, 6));
}

TEST_F(Load, npy_big_endian) {
  array a = load_npy("{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }",
                     std::string("\x01\x02\xff\xfe", 4));
  EXPECT_THAT(elements<int16_t>(a), ElementsAre(0x102, -2));
  array c = load_npy("{'descr': '>c8', 'fortran_order': False, 'shape': (), }",
                     std::string("\x3f\x80\x00\x00\x40\x00\x00\x00", 8));
  EXPECT_EQ(c.item<complex64_t>(), complex64_t(1, 2));
}

TEST_F(Load, bool_bytes_become_0_and_1) {
  array a = load_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }",
                     std::string("\x00\x01\x07", 3));
  EXPECT_THAT(elements<uint8_t>(view(a, uint8)), ElementsAre(0, 1, 1));
}

TEST_F(Load, no_elements) {
  array a = load_npy("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", "");
  EXPECT_TRUE(elements<float>(a).empty());
}

TEST_F(Load, a_missing_file_is_an_error_of_the_call) {
  for (auto load_it : {+[](const std::string& path) { load(path); },
                       +[](const std::string& path) { load_safetensors(path); },
                       +[](const std::string& path) { load_checkpoint(path); }}) {
    try {
      load_it(directory / "none.safetensors");
      FAIL() << "found a file that is not there";
    } catch (const OperationError& error) {
      EXPECT_EQ(error.io().error_number, ENOENT);
    }
  }
}

TEST_F(Load, safetensors_of_several_files_are_checkpoints) {
  io::write_file(directory / "model.safetensors.index.json", "{}");
  for (const std::string& path : {directory.path(), directory / "model.safetensors.index.json"}) {
    try {
      load_safetensors(path);
      FAIL() << "loaded " << path;
    } catch (const OperationError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("load_checkpoint"));
      EXPECT_EQ(error.io().path, path);
    }
  }
}

TEST_F(Load, safetensors_of_every_dtype) {
  std::vector<io::SafetensorsSpec> specs;
  std::string data;
  for (Dtype dtype : kAllDtypes) {
    specs.push_back({dtype_name(dtype), dtype, {2}});
    data.append(size_t(dtype.size()) * 2, char(dtype == bool_ ? 1 : 0x11));
  }
  write_file(directory / "a.safetensors",
             io::compose_safetensors_header(specs, {{"format", "pt"}}) + data);
  auto [arrays, metadata] = load_safetensors(directory / "a.safetensors");
  EXPECT_EQ(metadata.at("format"), "pt");
  ASSERT_EQ(arrays.size(), size_t(kDtypeCount));
  for (Dtype dtype : kAllDtypes) {
    array a = arrays.at(dtype_name(dtype));
    a.eval();
    EXPECT_EQ(a.dtype(), dtype);
    EXPECT_EQ(a.data<char>()[0], dtype == bool_ ? 1 : 0x11);
  }
}

TEST_F(Load, elements_of_less_than_a_byte_stay_packed) {
  std::string json = R"({"f4":{"dtype":"F4","shape":[2,4],"data_offsets":[0,4]},)"
                     R"("f6":{"dtype":"F6_E3M2","shape":[8],"data_offsets":[4,10]},)"
                     R"("odd":{"dtype":"F4","shape":[2,3],"data_offsets":[10,13]},)"
                     R"("none":{"dtype":"F4","shape":[3,0],"data_offsets":[13,13]},)"
                     R"("hollow":{"dtype":"F4","shape":[0,3],"data_offsets":[13,13]},)"
                     R"("unknown":{"dtype":"Q3","shape":[2,5],"data_offsets":[13,15]},)"
                     R"("huge":{"dtype":"Q3","shape":[3000000000],"data_offsets":[15,15]},)"
                     R"("long":{"dtype":"U8","shape":[3000000000,0],"data_offsets":[15,15]},)"
                     R"("fnuz":{"dtype":"F8_E4M3FNUZ","shape":[1],"data_offsets":[15,16]}})";
  std::string bytes;
  io::append_little_endian(bytes, json.size(), 8);
  write_file(directory / "a.safetensors", bytes + json + "0123456789abcdef");
  auto arrays = load_safetensors(directory / "a.safetensors").first;
  ASSERT_EQ(arrays.size(), 9u);
  EXPECT_EQ(arrays.at("f4").shape(), (Shape{2, 2}));
  EXPECT_EQ(arrays.at("f6").shape(), (Shape{6}));
  EXPECT_EQ(arrays.at("none").shape(), (Shape{3, 0}));
  EXPECT_EQ(arrays.at("hollow").shape(), (Shape{0, 2}));
  EXPECT_THAT(elements<uint8_t>(arrays.at("f4")), ElementsAre('0', '1', '2', '3'));
  EXPECT_THAT(elements<uint8_t>(arrays.at("f6")), ElementsAre('4', '5', '6', '7', '8', '9'));
  EXPECT_THAT(elements<uint8_t>(arrays.at("fnuz")), ElementsAre('f'));
  EXPECT_TRUE(elements<uint8_t>(arrays.at("none")).empty());
  const struct {
    const char* tensor;
    Shape shape;
    const char* says;
  } refused[] = {{"odd", {2, 3}, "the last dimension of F4 of shape (2,3) is no whole bytes"},
                 {"unknown", {2, 5}, "has the unknown dtype \"Q3\""},
                 {"huge", {0}, "has the unknown dtype \"Q3\""},
                 {"long", {0}, "no array can have the shape (3000000000,0)"}};
  for (const auto& [tensor, shape, says] : refused) {
    array a = arrays.at(tensor);
    EXPECT_EQ(a.shape(), shape);
    try_eval({a});
    ASSERT_TRUE(a.failure());
    EXPECT_EQ(a.failure()->kind, FailureKind::io);
    EXPECT_EQ(a.failure()->path, directory / "a.safetensors");
    EXPECT_EQ(a.failure()->tensor, tensor);
    EXPECT_THAT(a.failure()->message, testing::HasSubstr(says));
  }
}

TEST_F(Load, tensors_are_read_at_once) {
  const io::SafetensorsSpec specs[] = {{"a", float32, {1}}, {"b", float32, {1}}};
  const std::string header = io::compose_safetensors_header(specs, {});
  contract::Gate gate;
  auto reader =
      std::make_shared<io::GatedReader>(header + std::string(8, '\0'), header.size(), gate.pass());
  auto arrays = load_safetensors(reader).first;
  async_eval(arrays.at("a"), arrays.at("b"));
  gate.wait_until_reached(2);
  gate.open();
  eval(arrays.at("a"), arrays.at("b"));
}

TEST_F(Load, a_stream_that_is_given_is_used) {
  write_file(directory / "a.npy",
             npy_file("{'descr':'|u1','fortran_order':False,'shape':(1,)}", "1"));
  const Stream s = new_stream(Device::cpu);
  EXPECT_EQ(load(directory / "a.npy", s).node().stream, s);
}

TEST_F(Load, parts_are_the_tensor_and_speak_of_it) {
  std::vector<int32_t> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  const std::string data(reinterpret_cast<const char*>(numbers.data()), 4000);
  auto reader = std::make_shared<io::GatedReader>("12345678" + data, 8);
  std::vector<LoadProgress> reports;
  auto tracker = std::make_shared<io::ProgressTracker>(
      [&](const LoadProgress& report) { reports.push_back(report); });
  const Stream s = new_stream(Device::cpu);
  const io::TensorLoader loader(reader, 1, 4000, s, tracker);
  const io::TensorPlace place{
      .name = "t", .dtype = int32, .shape = {10, 100}, .begin = 8, .nbytes = 4000};
  const io::TensorParts cut = loader.parts(place, 1201);
  ASSERT_EQ(cut.count(), 4u);
  std::vector<array> parts;
  for (size_t i = 0; i < cut.count(); ++i) parts.push_back(cut.load(i, s));
  EXPECT_EQ(parts[3].shape(), Shape{100});
  reader->set_bytes("12345678" + data.substr(0, 2500));
  EvalReport report = try_eval(parts);
  EXPECT_EQ(report.arrays[1].status, array::Status::available);
  ASSERT_TRUE(report.arrays[2].failure);
  EXPECT_EQ(report.arrays[2].failure->offset, 8);
  EXPECT_EQ(report.arrays[2].failure->wanted, 4000);
  EXPECT_EQ(report.arrays[2].failure->got, 2500);
  EXPECT_LT(reports.back().fraction(), 1);
  reader->set_bytes("12345678" + data);
  retry(parts);
  EXPECT_EQ(elements<int32_t>(concatenate(parts)), numbers);
  EXPECT_EQ(reports.back().tensors_done, 1u);
  EXPECT_EQ(reports.back().state, LoadState::done);
}

TEST_F(Load, a_shape_that_no_array_can_have) {
  const std::vector<int64_t> shape{int64_t{1} << 31, 0};
  write_file(directory / "a.npy", io::compose_npy_header(uint8, shape, false));
  EXPECT_THROW(load(directory / "a.npy"), OperationError);
}

TEST_F(Load, and_save_want_somebody_to_read_and_write) {
  EXPECT_THROW(load(std::shared_ptr<io::Reader>()), std::invalid_argument);
  EXPECT_THROW(load_safetensors(std::shared_ptr<io::Reader>()), std::invalid_argument);
  EXPECT_THROW(save(std::shared_ptr<io::Writer>(), array(1)), std::invalid_argument);
  EXPECT_THROW(save_safetensors(std::shared_ptr<io::Writer>(), {}), std::invalid_argument);
}

TEST_F(Load, checkpoint_by_its_index) {
  const io::SafetensorsSpec a[] = {{"a", uint8, {1}}}, b[] = {{"b", uint8, {1}}};
  write_file(directory / "1.safetensors", io::compose_safetensors_header(a, {{"k", "v"}}) + "1");
  write_file(directory / "2.safetensors", io::compose_safetensors_header(b, {}) + "2");
  write_file(directory / "model.safetensors.index.json",
             R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors","c":"3.safetensors"}})");
  CheckpointLoad loaded = load_checkpoint(directory.path());
  EXPECT_EQ(elements<uint8_t>(loaded.arrays.at("a"))[0], '1');
  EXPECT_EQ(elements<uint8_t>(loaded.arrays.at("b"))[0], '2');
  EXPECT_EQ(loaded.metadata.at("k"), "v");
  ASSERT_EQ(loaded.failed_shards.size(), 1u);
  EXPECT_THAT(loaded.failed_shards[0].tensors, ElementsAre("c"));
  EXPECT_EQ(loaded.failed_shards[0].failure->error_number, ENOENT);
}

}  // namespace
}  // namespace tarn
