// What arrays are made from, and what they say of themselves.
#include <gtest/gtest.h>

#include <list>
#include <thread>

#include "tarn/graph/extension.h"
#include "tests/contract/programs.h"

namespace tarn {
namespace {

template <class T>
std::vector<T> values_of(array a) {
  a = contiguous(a);
  a.eval();
  return std::vector<T>(a.data<T>(), a.data<T>() + a.size());
}

TEST(Array, owners_of_bytes_compare_and_count) {
  array a({1.0f, 2.0f, 3.0f, 4.0f});
  array b = reshape(a, {2, 2});
  array c = a + 1.0f;
  EXPECT_EQ(b.data_shared_ptr(), nullptr);
  EXPECT_EQ(a.data_shared_ptr().use_count(), 1u);
  eval(b, c);
  EXPECT_EQ(a.data_shared_ptr(), b.data_shared_ptr());
  EXPECT_NE(a.data_shared_ptr(), c.data_shared_ptr());
  EXPECT_EQ(a.data_shared_ptr().use_count(), 2u);
  EXPECT_EQ(b.data_shared_ptr()->buffer.ptr(), a.buffer().ptr());
}

TEST(Array, scalars_take_the_dtype_of_their_type_but_double) {
  EXPECT_EQ(array(1.0).dtype(), float32);
  EXPECT_EQ(array(1).dtype(), int32);
  EXPECT_EQ(array(int64_t{1}).dtype(), int64);
  EXPECT_EQ(array(true).dtype(), bool_);
  EXPECT_EQ(array(std::complex<float>(1, 2)).dtype(), complex64);
  EXPECT_EQ(array(2.5, int32).item<int>(), 2);
  EXPECT_EQ(array(3, bool_).item<bool>(), true);
  EXPECT_EQ(array(std::complex<float>(3, 4), float32).item<float>(), 3);
  EXPECT_EQ(array(7).ndim(), 0u);
  EXPECT_EQ(array(7).size(), 1u);
}

TEST(Array, lists_and_iterators) {
  EXPECT_EQ(array({1.0, 2.0}).dtype(), float32);
  EXPECT_EQ(array({1, 2, 3}).shape(), Shape{3});
  EXPECT_EQ(array({}).dtype(), float32);
  EXPECT_EQ(array({}).shape(), Shape{0});
  EXPECT_EQ(array({}, int8).dtype(), int8);
  EXPECT_EQ(values_of<float>(array({1, 2, 3, 4}, {2, 2}, float32)),
            (std::vector<float>{1, 2, 3, 4}));
  const std::list<double> list{0.5, 0, 2};
  const array from_list(list.begin(), {3});
  EXPECT_EQ(from_list.dtype(), float32);
  EXPECT_EQ(values_of<float>(from_list), (std::vector<float>{0.5, 0, 2}));
  const array as_bools(list.begin(), {3}, bool_);
  EXPECT_EQ(values_of<uint8_t>(as_bools), (std::vector<uint8_t>{1, 0, 1}));
}

TEST(Array, wrong_counts_and_dimensions_are_refused) {
  EXPECT_THROW(array({1, 2, 3}, {2, 2}), std::invalid_argument);
  EXPECT_THROW(array({1, 2, 3}, Shape{-3}), std::invalid_argument);
  int data[1] = {0};
  EXPECT_THROW(array(data, Shape{-1}, int32, [](void*) {}), std::invalid_argument);
}

TEST(Array, the_users_memory_is_used_and_given_back_once) {
  std::vector<int> data{1, 2, 3};
  int n_deleted = 0;
  {
    array a(data.data(), {3}, int32, [&](void* p) { n_deleted += p == data.data(); });
    EXPECT_EQ(a.data<int>(), data.data());
    array copy = a;
    array view = slice(a, {1}, {3});
    view.eval();
    EXPECT_EQ(view.data<int>(), data.data() + 1);
  }
  EXPECT_EQ(n_deleted, 1);
}

TEST(Array, item_needs_one_element_and_reinterprets) {
  EXPECT_THROW(array({1, 2}).item<int>(), std::invalid_argument);
  EXPECT_THROW(array({}).item<float>(), std::invalid_argument);
  EXPECT_EQ(array({5}, Shape{1, 1, 1}).item<int>(), 5);
  EXPECT_EQ(array(1.0f).item<uint32_t>(), 0x3f800000u);
  const array never_evaluated = array(1) + array(2);
  EXPECT_THROW(never_evaluated.item<int>(), std::invalid_argument);
  array evaluated = never_evaluated;
  EXPECT_EQ(evaluated.item<int>(), 3);
  EXPECT_EQ(never_evaluated.item<int>(), 3);  // they share a node
  EXPECT_EQ(broadcast_to(array(4), {1, 1}).item<int>(), 4);
}

TEST(Array, dimensions_count_from_both_ends) {
  array a = zeros({2, 3, 4});
  a.eval();
  EXPECT_EQ(a.shape(0), 2);
  EXPECT_EQ(a.shape(-1), 4);
  EXPECT_EQ(a.strides(0), 12);
  EXPECT_EQ(a.strides(-1), 1);
  EXPECT_THROW(a.shape(3), std::out_of_range);
  EXPECT_THROW(a.shape(-4), std::out_of_range);
  EXPECT_THROW(a.strides(3), std::out_of_range);
  EXPECT_THROW(array(1).shape(0), std::out_of_range);
  EXPECT_EQ(a.nbytes(), 96u);
  EXPECT_EQ(a.itemsize(), 4u);
}

TEST(Array, iterates_over_its_first_axis) {
  array a = reshape(arange(6), {3, 2});
  int row = 0;
  for (const array& part : a) {
    EXPECT_EQ(part.shape(), Shape{2});
    EXPECT_EQ(values_of<int>(part), (std::vector<int>{2 * row, 2 * row + 1}));
    ++row;
  }
  EXPECT_EQ(row, 3);
  EXPECT_THROW(array(1).begin(), std::invalid_argument);
  for ([[maybe_unused]] const array& part : array({})) FAIL();
}

struct FlagsCase {
  const char* name;
  array result;
  Strides strides;
  bool contiguous, row_contiguous, col_contiguous;
  size_t data_size;
};

TEST(Array, flags_and_strides_after_views) {
  array a = reshape(arange(24), {4, 6});
  a.eval();
  const FlagsCase cases[] = {
      {"transpose", transpose(a), {1, 6}, true, false, true, 24},
      {"broadcast scalar", broadcast_to(array(1), {2, 3}), {0, 0}, true, false, false, 1},
      {"leading slice", slice(a, {0, 0}, {2, 6}), {6, 1}, true, true, false, 12},
      {"inner slice", slice(a, {0, 1}, {4, 3}), {6, 1}, false, false, false, 20},
      {"steps", slice(a, {0, 0}, {4, 6}, {2, 1}), {12, 1}, false, false, false, 18},
      {"reshape", reshape(a, {2, 12}), {12, 1}, true, true, false, 24},
      {"expand_dims", expand_dims(a, 1), {6, 6, 1}, true, true, false, 24},
      {"flatten", flatten(a), {1}, true, true, true, 24},
  };
  for (const FlagsCase& each : cases) {
    SCOPED_TRACE(each.name);
    array result = each.result;
    result.eval();
    EXPECT_EQ(result.flags().contiguous, each.contiguous);
    EXPECT_EQ(result.flags().row_contiguous, each.row_contiguous);
    EXPECT_EQ(result.flags().col_contiguous, each.col_contiguous);
    EXPECT_EQ(result.data_size(), each.data_size);
    for (int i = 0; i < int(result.ndim()); ++i) {
      if (result.shape(i) == 1) continue;
      EXPECT_EQ(result.strides(i), each.strides[size_t(i)]) << i;
    }
  }
}

TEST(Array, views_share_and_reshape_copies_only_when_it_must) {
  array a = reshape(arange(24), {4, 6});
  a.eval();
  array shared[] = {transpose(a), reshape(a, {24}), reshape(transpose(a), {6, 2, 2}),
                    squeeze(expand_dims(a, 0), 0), stop_gradient(a)};
  for (array& view : shared) {
    view.eval();
    EXPECT_EQ(view.data<int>(), a.data<int>());
  }
  array copied = reshape(transpose(a), {24});
  copied.eval();
  EXPECT_NE(copied.data<int>(), a.data<int>());
  EXPECT_EQ(copied.data<int>()[1], 6);
}

TEST(Array, strided_and_single_elements_meet_in_one_program) {
  array reversed = slice(arange(0.0, 4.0), {3}, {-5}, {-1});
  EXPECT_EQ(values_of<float>(reversed * array(2.0f)), (std::vector<float>{6, 4, 2, 0}));
  array a = transpose(reshape(arange(0.0, 6.0), {2, 3}));
  EXPECT_EQ(values_of<float>(array(1.0f) - a), (std::vector<float>{1, -2, 0, -3, -1, -4}));
}

TEST(Array, copies_name_the_same_node) {
  array a = array(1) + array(2);
  array b = a;
  EXPECT_EQ(a.id(), b.id());
  EXPECT_NE(a.id(), (array(1) + array(2)).id());
  b.overwrite_descriptor(array(9));
  EXPECT_NE(a.id(), b.id());
  EXPECT_EQ(b.item<int>(), 9);
}

TEST(Array, the_graph_is_there_until_it_is_evaluated) {
  array x = array({1, 2});
  array y = abs(x);
  EXPECT_FALSE(x.has_primitive());
  EXPECT_TRUE(y.has_primitive());
  ASSERT_EQ(y.inputs().size(), 1u);
  EXPECT_EQ(y.inputs()[0].id(), x.id());
  EXPECT_EQ(y.status(), array::Status::unscheduled);
  EXPECT_FALSE(y.is_available());
  y.eval();
  EXPECT_TRUE(y.is_available());
  EXPECT_TRUE(y.inputs().empty());
  EXPECT_FALSE(y.has_primitive());
  EXPECT_TRUE(x.is_available());
}

TEST(Array, siblings_are_the_other_outputs) {
  auto both = std::make_shared<contract::Operation>(contract::cpu_stream(), "both",
                                                    [](auto&, auto& outputs) {
                                                      contract::fill_output(outputs[0], 1);
                                                      contract::fill_output(outputs[1], 2);
                                                    });
  std::vector<array> outputs = array::make_arrays({{2}, {3}}, {float32, float32}, both, {});
  ASSERT_EQ(outputs.size(), 2u);
  ASSERT_EQ(outputs[0].siblings().size(), 1u);
  EXPECT_EQ(outputs[0].siblings()[0].id(), outputs[1].id());
  EXPECT_EQ(outputs[1].sibling_position(), 1);
  eval(outputs[0]);
  EXPECT_TRUE(outputs[1].is_available());
  EXPECT_EQ(outputs[1].shape(), Shape{3});
  EXPECT_EQ(outputs[1].data<float>()[2], 2);
}

TEST(Array, sizes_beyond_memory_are_the_users_mistake_or_a_failure) {
  EXPECT_THROW(array({1}, {1 << 30, 1 << 30, 1 << 30}, int32), std::exception);
  EXPECT_THROW(eval(zeros({1 << 30, 1 << 20})), OutOfMemoryError);
}

class Nothing : public UnaryPrimitive {
 public:
  using UnaryPrimitive::UnaryPrimitive;
  void eval_cpu(const std::vector<array>&, array&) override {}
  void eval_gpu(const std::vector<array>&, array&) override {}
  const char* name() const override { return "Nothing"; }
};

TEST(Array, primitive_is_that_of_the_users_operation) {
  const auto nothing = std::make_shared<Nothing>(default_stream(Device::cpu));
  const array x({3}, float32, nothing, {});
  EXPECT_EQ(x.primitive_ptr(), nothing);
  EXPECT_STREQ(x.primitive().name(), "Nothing");
  EXPECT_THROW(exp(x).primitive(), std::invalid_argument);
  EXPECT_THROW(array({3}, float32, std::shared_ptr<Primitive>(), {}), std::invalid_argument);
}

// As an extension for MLX is written.
class AddOne : public Primitive {
 public:
  using Primitive::Primitive;
  void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) override {
    array& to = outputs[0];
    to.set_data(allocator::malloc(to.nbytes()));
    if (to.size() == 2) {  // bodies may evaluate others, which have encoders of their own
      array inner({3}, float32, std::make_shared<AddOne>(stream()), {zeros({3})});
      inner.eval();
    }
    cpu::CommandEncoder& encoder = cpu::get_command_encoder(stream());
    encoder.set_input_array(inputs[0]);
    encoder.set_output_array(to);
    array one(1.0f);
    const float* step = one.data<float>();
    encoder.add_temporary(std::move(one));
    encoder.dispatch(
        [step](const float* from, float* target, size_t n) {
          if (n == 0) throw std::runtime_error("nothing to add to");
          for (size_t i = 0; i < n; ++i) target[i] = from[i] + *step;
        },
        inputs[0].data<float>(), to.data<float>(), to.size());
  }
  void eval_gpu(const std::vector<array>&, std::vector<array>&) override {}
  DEFINE_NAME(AddOne)
  DEFINE_DEFAULT_IS_EQUIVALENT()
  DEFINE_INPUT_OUTPUT_SHAPE()
};

TEST(Array, extensions_hand_their_work_to_an_encoder) {
  const Stream s = default_stream(Device::cpu);
  const auto add_one = [&](const array& x) {
    return array(x.shape(), float32, std::make_shared<AddOne>(s), {x});
  };
  array y = add_one(array({1.0f, 2.0f}));
  EXPECT_EQ(y.primitive().output_shapes({y}), (std::vector<Shape>{{2}}));
  y.eval();
  EXPECT_EQ(y.data<float>()[1], 3);
  array none = add_one(zeros({0}));
  EXPECT_THROW(none.eval(), EvalError);
  EXPECT_THROW(cpu::get_command_encoder(s), std::invalid_argument);
}

TEST(Array, wants_data_and_callbacks) {
  int n_deleted = 0;
  EXPECT_THROW(array(nullptr, {4}, float32, [&](void*) { ++n_deleted; }), std::invalid_argument);
  EXPECT_EQ(n_deleted, 1);
  EXPECT_THROW(on_settled(array(1), nullptr), std::invalid_argument);
}

TEST(Array, wait_for_longer_than_a_clock_can_tell) {
  contract::Gate gate;
  const array x = contract::fill(1, default_stream(Device::cpu), {gate.pass()});
  async_eval({x});
  gate.wait_until_reached();
  const std::jthread opening([&] { gate.open(); });
  EXPECT_TRUE(x.wait_for(std::chrono::nanoseconds::max()));
}

}  // namespace
}  // namespace tarn
