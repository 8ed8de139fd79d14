// Tile programs: random ones, over inputs of any layout, give the bits that their instructions give
// one by one over dense inputs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "tarn/backends/cpu/fused_reduce.h"
#include "tarn/backends/cpu/tile_executor.h"
#include "tarn/backends/cpu/tile_loops.h"
#include "tarn/kernels/cpu/reduce.h"
#include "tests/kernels/heap_scratch.h"
#include "tests/kernels/random_elements.h"
#include "tests/kernels/test_array.h"

namespace tarn {
namespace {

using Form = StridedOperand::Form;
using Bytes = std::vector<std::byte>;

std::span<const int32_t> dims(const Shape& shape) { return {shape.data(), shape.size()}; }

// The elements in row-major order.
Bytes dense_bytes(TestArray& array) {
  return visit(array.view().dtype, [&]<class T>(type_tag<T>) {
    using Word = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;
    const std::vector<Word> elements = array.elements<Word>();
    Bytes bytes(elements.size() * sizeof(Word));
    if (!bytes.empty()) std::memcpy(bytes.data(), elements.data(), bytes.size());
    return bytes;
  });
}

void fill_with_elements(TestArray& array, std::mt19937& random) {
  visit(array.view().dtype, [&]<class T>(type_tag<T>) {
    array.for_each<T>([&](T& x, int64_t) { x = random_element<T>(random, {-4, 4}); });
  });
}

// An input in some layout: dense, a single element, stretched along some axes, or with strides.
struct Input {
  TestArray array;
  Form form;

  static Input random(Dtype dtype, const Shape& shape, std::mt19937& random) {
    Input input = [&] {
      switch (pick(random, 0, 3)) {
        case 0:
          return Input{TestArray(dtype, shape), Form::dense};
        case 1: {
          TestArray array(dtype, Shape(shape.size(), 1));
          return Input{std::move(array), Form::scalar};
        }
        case 2: {
          Shape source = shape;
          for (auto& dim : source) dim = pick(random, 0, 1) == 0 && dim > 0 ? 1 : dim;
          return Input{TestArray::random_layout(dtype, source, random), Form::strided};
        }
        default:
          return Input{TestArray::random_layout(dtype, shape, random), Form::strided};
      }
    }();
    fill_with_elements(input.array, random);
    if (input.form != Form::dense) input.array.broadcast_to(shape);
    return input;
  }

  StridedOperand operand() {
    const View view = array.view();
    return {view.data, form, view.strides};
  }
};

// A program with its inputs.
struct Case {
  TileProgram program;
  Shape shape;
  std::vector<Input> inputs;

  Case(const Shape& shape, int n_instrs, std::mt19937& random)
      : Case(shape, n_instrs, pick(random, 1, 4), random) {}

  Case(const Shape& shape, int n_instrs, int n_outputs, std::mt19937& random) : shape(shape) {
    const int n_inputs = pick(random, 1, 5);
    for (int i = 0; i < n_inputs; ++i) {
      const Dtype dtype = kAllDtypes[pick(random, 0, kDtypeCount - 1)];
      values_.push_back(program.add_input(dtype.val()));
      inputs.push_back(Input::random(dtype, shape, random));
    }
    for (int i = 0; i < n_instrs; ++i) add_instr(random);
    for (int i = 0; i < n_outputs; ++i) {
      program.add_output(i == 0 ? values_.back() : any_value(random));
    }
  }

  bool is_output(TileValue value) const {
    for (int i = 0; i < program.n_outputs(); ++i) {
      if (program.output(i) == value) return true;
    }
    return false;
  }

  std::vector<StridedOperand> operands() {
    std::vector<StridedOperand> result;
    for (Input& input : inputs) result.push_back(input.operand());
    return result;
  }

  std::vector<Bytes> empty_outputs() const {
    std::vector<Bytes> result;
    for (int i = 0; i < program.n_outputs(); ++i) {
      const int item_size = size_of_dtype(program.dtype_of_value(program.output(i)));
      result.emplace_back(size_t(size_of_shape(shape) * item_size), std::byte{0x55});
    }
    return result;
  }

  // The outputs, made by programs of one instruction each over dense operands.
  std::vector<Bytes> unfused() {
    const int64_t size = size_of_shape(shape);
    std::vector<Bytes> values(kMaxTileValues);
    for (int i = 0; i < program.n_inputs(); ++i) values[i] = dense_bytes(inputs[i].array);
    for (int i = 0; i < program.n_instrs(); ++i) {
      const TileInstr& instr = program.instr(i);
      TileProgram single;
      std::vector<StridedOperand> operands;
      TileValue named[3];
      for (int k = 0; k < 3; ++k) {
        const TileValue value = k == 0 ? instr.a : k == 1 ? instr.b : instr.c;
        named[k] = single.add_input(program.dtype_of_value(value));
        operands.push_back({values[value].data(), Form::dense});
      }
      TileInstr renamed = instr;
      renamed.a = named[0];
      renamed.b = named[1];
      renamed.c = named[2];
      single.add_output(single.add_instr(renamed));
      Bytes& result = values[kMaxTileInputs + i];
      result.resize(size_t(size * size_of_dtype(instr.result)));
      void* const output = result.data();
      cpu::run(single, operands, {&output, 1}, size);
    }
    std::vector<Bytes> outputs;
    for (int i = 0; i < program.n_outputs(); ++i) outputs.push_back(values[program.output(i)]);
    return outputs;
  }

 private:
  TileValue any_value(std::mt19937& random) { return values_[random() % values_.size()]; }

  TileValue as(TileValue value, Dtype dtype) {
    if (program.dtype_of_value(value) == dtype.val()) return value;
    return program.add_cast(value, dtype.val());
  }

  void add_instr(std::mt19937& random) {
    const auto op = ElementwiseOp(pick(random, 0, kElementwiseOpCount - 1));
    const TileValue a = any_value(random);
    if (op == ElementwiseOp::cast) {
      const Dtype to = kAllDtypes[pick(random, 0, kDtypeCount - 1)];
      if (to.val() != program.dtype_of_value(a)) values_.push_back(program.add_cast(a, to.val()));
      return;
    }
    const ElementwiseTraits& traits = traits_of(op);
    const Dtype promoted = kAllDtypes[int(program.dtype_of_value(a))];
    const Dtype computed = compute_dtype(traits.dtypes, promoted);
    if (!accepts(traits.dtypes, promoted) || !computes_in(traits.dtypes, computed)) return;
    const TileValue x = as(a, computed);
    const TileValue y = traits.arity > 1 ? as(any_value(random), computed) : x;
    if (op == ElementwiseOp::where) {
      const TileValue condition = as(any_value(random), bool_);
      values_.push_back(program.add_op(op, computed, condition, x, y));
    } else {
      values_.push_back(program.add_op(op, computed, x, y));
    }
  }

  std::vector<TileValue> values_;
};

std::vector<void*> pointers(std::vector<Bytes>& outputs) {
  std::vector<void*> result;
  for (Bytes& output : outputs) result.push_back(output.data());
  return result;
}

void expect_as_unfused(Case& test, const char* what) {
  const std::vector<Bytes> expected = test.unfused();
  std::vector<Bytes> outputs = test.empty_outputs();
  cpu::run(test.program, test.operands(), pointers(outputs), dims(test.shape));
  ASSERT_EQ(outputs, expected) << what << " " << test.shape;
}

TEST(Tiles, fused_equals_unfused_for_any_layout) {
  std::mt19937 random(1);
  for (int i = 0; i < 2000; ++i) {
    Case test(random_shape(random, 5, i % 10 == 0 ? 30 : 7), pick(random, 0, 12), random);
    ASSERT_NO_FATAL_FAILURE(expect_as_unfused(test, "case")) << i;
  }
}

TEST(Tiles, around_the_sizes_of_packs_and_tiles) {
  std::mt19937 random(2);
  for (int size :
       {1, 2, 15, 16, 17, 63, 64, 65, 127, 1000, 1023, 1024, 4095, 4096, 4097, 8191, 10'000}) {
    for (int n_instrs : {0, 1, 2, 20}) {
      Case test({size}, n_instrs, random);
      ASSERT_NO_FATAL_FAILURE(expect_as_unfused(test, "one axis"));
    }
  }
}

// Long rows, panels of transposed inputs, and their edges.
TEST(Tiles, large_arrays_on_all_cores) {
  std::mt19937 random(3);
  for (const Shape& shape : {Shape{300, 700}, Shape{33, 5, 515}, Shape{1001, 257}, Shape{40'000, 3},
                             Shape{3, 40'000}, Shape{130'001}, Shape{17, 64, 8, 16}}) {
    for (int i = 0; i < 4; ++i) {
      Case test(shape, pick(random, 1, 8), random);
      ASSERT_NO_FATAL_FAILURE(expect_as_unfused(test, "large"));
    }
  }
}

TEST(Tiles, transposed_inputs) {
  std::mt19937 random(4);
  TileProgram program;
  const TileValue a = program.add_input(Dtype::Val::float32);
  const TileValue b = program.add_input(Dtype::Val::float32);
  program.add_output(program.add_op(ElementwiseOp::add, float32, a, b));
  for (const auto& [rows, cols] :
       {std::pair{64, 64}, {100, 33}, {515, 1030}, {9, 5000}, {5000, 40}}) {
    TestArray x(float32, {rows, cols});
    TestArray y(float32, {cols, rows});
    fill_with_elements(x, random);
    fill_with_elements(y, random);
    y.transpose({1, 0});
    const View views[] = {x.view(), y.view()};
    const StridedOperand operands[] = {{views[0].data, Form::dense},
                                       {views[1].data, Form::strided, views[1].strides}};
    std::vector<float> sum(size_t(rows) * cols);
    void* const output = sum.data();
    cpu::run(program, operands, {&output, 1}, dims(x.shape()));
    const std::vector<float> left = x.elements<float>(), right = y.elements<float>();
    for (size_t i = 0; i < sum.size(); ++i) {
      const float expected = left[i] + right[i];
      ASSERT_TRUE(sum[i] == expected || (std::isnan(sum[i]) && std::isnan(expected)))
          << rows << " x " << cols << " at " << i;
    }
  }
}

// Panels have whole cache lines of bytes, and so many rows of doubles.
TEST(Tiles, transposed_inputs_of_all_sizes) {
  std::mt19937 random(14);
  const Shape shape{300, 400};
  for (int n_bytes : {0, 1, kMaxTileInputs - 2, kMaxTileInputs - 1}) {
    std::vector<TestArray> arrays;
    arrays.reserve(kMaxTileInputs);  // operands refer to them
    std::vector<StridedOperand> operands;
    TileProgram program;
    std::vector<double> expected;
    TileValue sum = 0;
    for (int i = 0; i < kMaxTileInputs; ++i) {
      const Dtype dtype = i > 0 && i <= n_bytes ? int8 : float64;
      const bool is_transposed = i > 0;
      TestArray& array =
          arrays.emplace_back(dtype, is_transposed ? Shape{shape[1], shape[0]} : shape);
      visit(dtype, [&]<class T>(type_tag<T>) {
        array.for_each<T>([&](T& x, int64_t) { x = T(pick(random, -9, 9)); });
        if (is_transposed) array.transpose({1, 0});
        const std::vector<T> elements = array.elements<T>();
        expected.resize(elements.size());
        for (size_t k = 0; k < elements.size(); ++k) expected[k] += double(elements[k]);
      });
      const View view = array.view();
      operands.push_back({view.data, is_transposed ? Form::strided : Form::dense, view.strides});
      TileValue value = program.add_input(dtype.val());
      if (dtype == int8) value = program.add_cast(value, Dtype::Val::float64);
      sum = i == 0 ? value : program.add_op(ElementwiseOp::add, float64, sum, value);
    }
    program.add_output(sum);
    std::vector<double> result(expected.size());
    void* const output = result.data();
    cpu::run(program, operands, {&output, 1}, dims(shape));
    ASSERT_EQ(result, expected) << n_bytes << " of them bytes";
  }
}

TEST(Tiles, programs_of_the_largest_size) {
  std::mt19937 random(5);
  for (int size : {1, 16, 100, 5000}) {
    Case test({size}, 0, random);
    TileProgram& program = test.program;
    TileValue value = program.add_cast(
        program.add_op(ElementwiseOp::isnan, kAllDtypes[int(program.input_dtype(0))], 0),
        Dtype::Val::float64);
    while (program.n_instrs() < kMaxTileInstrs) {
      value = program.add_op(ElementwiseOp::add, float64, value,
                             TileValue(kMaxTileInputs + pick(random, 1, program.n_instrs() - 1)));
    }
    while (program.n_outputs() < kMaxTileOutputs) {
      program.add_output(TileValue(kMaxTileInputs + 5 * program.n_outputs() % kMaxTileInstrs));
    }
    ASSERT_NO_FATAL_FAILURE(expect_as_unfused(test, "largest"));
  }
}

// Products with sums, whoever else takes the products.
TEST(Tiles, products_with_sums) {
  std::mt19937 random(9);
  for (int i = 0; i < 600; ++i) {
    Case test({pick(random, 1000, 5000)}, 0, random);
    TileProgram program;
    const Dtype dtype = i % 3 == 0 ? float64 : i % 3 == 1 ? float32 : int32;
    std::vector<TileValue> values;
    for (int k = 0; k < test.program.n_inputs(); ++k) {
      const TileValue input = program.add_input(test.program.input_dtype(k));
      const bool is_right = test.program.input_dtype(k) == dtype.val();
      values.push_back(is_right ? input : program.add_cast(input, dtype.val()));
    }
    for (int n_pairs = pick(random, 1, 6); n_pairs > 0; --n_pairs) {
      const auto any = [&] { return values[random() % values.size()]; };
      values.push_back(program.add_op(ElementwiseOp::multiply, dtype, any(), any()));
      const TileValue product = values.back(), other = any();
      const bool is_first = random() % 4 != 0;
      const TileValue sum = program.add_op(ElementwiseOp::add, dtype, is_first ? product : other,
                                           is_first ? other : product);
      if (random() % 2 == 0) values.pop_back();
      values.push_back(sum);
    }
    program.add_output(values.back());
    if (random() % 2 == 0) program.add_output(values[random() % values.size()]);
    test.program = program;
    ASSERT_NO_FATAL_FAILURE(expect_as_unfused(test, "products and sums")) << i;
  }
}

// An output may be the memory of a dense input of the same element size that is not an output,
// whichever instruction writes it and whichever reads the input.
TEST(Tiles, outputs_in_the_place_of_inputs) {
  std::mt19937 random(6);
  for (int i = 0; i < 600; ++i) {
    const Shape shape = i % 3 == 0 ? Shape{20, 515} : random_shape(random, 3, 20);
    Case test(shape, pick(random, 1, 12), random);
    const std::vector<Bytes> expected = test.unfused();
    std::vector<Bytes> outputs = test.empty_outputs();
    std::vector<void*> targets = pointers(outputs);
    std::vector<bool> is_taken(test.inputs.size());
    for (int k = 0; k < test.program.n_outputs(); ++k) {
      const int item_size = size_of_dtype(test.program.dtype_of_value(test.program.output(k)));
      for (size_t j = 0; j < test.inputs.size(); ++j) {
        Input& input = test.inputs[j];
        if (is_taken[j] || input.form != Form::dense || test.is_output(TileValue(j))) continue;
        if (input.array.view().itemsize() != item_size) continue;
        targets[size_t(k)] = input.array.view().data;
        is_taken[j] = true;
        break;
      }
    }
    cpu::run(test.program, test.operands(), targets, dims(shape));
    for (size_t k = 0; k < targets.size(); ++k) {
      if (expected[k].empty()) continue;
      ASSERT_EQ(std::memcmp(targets[k], expected[k].data(), expected[k].size()), 0)
          << "case " << i << " output " << k << " " << shape;
    }
  }
}

// Reduces the output, stored and not, and expects the same bits. Returns whether the second was
// done.
bool expect_reduced_as_stored(Case& test, ReduceOp op, const std::vector<int>& axes) {
  const Dtype dtype = kAllDtypes[int(test.program.dtype_of_value(test.program.output(0)))];
  std::vector<Bytes> stored = test.unfused();
  const Strides strides = row_major_strides(test.shape);
  const View in{
      stored[0].data(),         test.shape.data(), strides.data(), int(strides.size()), dtype,
      size_of_shape(test.shape)};
  Shape kept;
  for (int axis = 0; axis < int(test.shape.size()); ++axis) {
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) kept.push_back(test.shape[axis]);
  }
  TestArray expected(reduce_result_dtype(op, dtype), kept), got(expected.view().dtype, kept);
  cpu::reduce(op, in, axes, expected.view(), heap_scratch);
  if (!cpu::reduce_program({op, axes}, test.program, test.shape, test.operands(), strides,
                           got.view(), heap_scratch)) {
    return false;
  }
  EXPECT_EQ(dense_bytes(got), dense_bytes(expected))
      << kReduceInfo[int(op)].name << " of " << test.shape << " along "
      << testing::PrintToString(axes);
  return true;
}

TEST(Tiles, reduced_without_being_stored) {
  std::mt19937 random(10);
  constexpr ReduceOp kOps[] = {ReduceOp::all, ReduceOp::any,  ReduceOp::max,
                               ReduceOp::min, ReduceOp::prod, ReduceOp::sum};
  int n_done = 0, n_large = 0;
  for (int i = 0; i < 500; ++i) {
    const Shape shapes[] = {{300, 700}, {33, 5, 515}, {4001, 57}, {20'000, 3}, {3, 40'000},
                            {140'001},  {70, 2048},   {9, 5000},  {5000, 40},  {7, 90, 80}};
    const bool is_large = i % 2 == 0;
    Shape shape = is_large ? shapes[random() % std::size(shapes)] : random_shape(random, 4, 9);
    for (auto& dim : shape) dim = std::max(dim, 1);
    std::vector<int> axes;
    for (int axis = 0; axis < int(shape.size()); ++axis) {
      if (random() % 2 == 0) axes.push_back(axis);
    }
    Case test(shape, pick(random, 1, 8), 1, random);
    const bool is_done = expect_reduced_as_stored(test, kOps[random() % 6], axes);
    n_done += is_done;
    n_large += is_done && is_large;
    ASSERT_FALSE(HasFailure()) << i;
  }
  EXPECT_GT(n_done, 300);
  EXPECT_GT(n_large, 60);
}

TEST(Tiles, outputs_past_the_caches) {
  constexpr int kMisaligned = 8;  // for whole lines, not for elements
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    Case test({pick(random, 2, i % 3 == 0 ? 70'000 : 5000)}, pick(random, 0, 12), random);
    const std::vector<Bytes> expected = test.unfused();
    const std::vector<StridedOperand> operands = test.operands();
    std::vector<cpu::Scratch> memory;
    std::vector<void*> targets;
    for (const Bytes& output : expected) {
      memory.push_back(heap_scratch(int64_t(output.size()) + kMisaligned));
      targets.push_back(static_cast<char*>(memory.back().get()) + i % 2 * kMisaligned);
    }
    StridedOperand collapsed[kMaxTileInputs];
    cpu::TileWork work =
        cpu::collapse(test.program, operands, targets, dims(test.shape), nullptr, collapsed);
    work.stream = true;
    cpu::run_flat(work);
    for (size_t k = 0; k < targets.size(); ++k) {
      ASSERT_EQ(std::memcmp(targets[k], expected[k].data(), expected[k].size()), 0)
          << "case " << i << " output " << k;
    }
  }
}

// The outputs take the layout that all inputs have; elements keep their places. Without elements
// every layout is as good, and theirs is row-major.
TEST(Tiles, outputs_in_the_layout_of_the_inputs) {
  std::mt19937 random(8);
  for (int i = 0; i < 300; ++i) {
    const Shape shape = random_shape(random, 4, 9);
    std::vector<int> order(shape.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    const Layout dense = permute(row_major(shape), order);
    TileProgram program;
    std::vector<TestArray> arrays;
    std::vector<StridedOperand> operands;
    for (int k = 0; k < 2; ++k) {
      program.add_input(Dtype::Val::float32);
      arrays.emplace_back(float32, dense, size_of_shape(shape));
      fill_with_elements(arrays.back(), random);
    }
    for (TestArray& array : arrays) {
      operands.push_back({array.view().data, Form::strided, array.view().strides});
    }
    program.add_output(program.add_op(ElementwiseOp::maximum, float32, 0, 1));

    Strides strides;
    ASSERT_TRUE(cpu::choose_output_strides(dims(dense.shape), operands, strides));
    const int64_t size = size_of_shape(shape);
    const Strides expected = size == 0 ? row_major_strides(dense.shape) : dense.strides;
    for (size_t axis = 0; axis < shape.size(); ++axis) {
      if (dense.shape[axis] > 1) {
        EXPECT_EQ(strides[axis], expected[axis]) << dense.shape;
      }
    }
    std::vector<float> strided(static_cast<size_t>(size)), flat(static_cast<size_t>(size));
    void* output = strided.data();
    cpu::run(program, operands, {&output, 1}, dims(dense.shape), strides.data());
    for (StridedOperand& operand : operands) operand.form = Form::dense;
    output = flat.data();
    cpu::run(program, operands, {&output, 1}, size);
    if (size == 0) continue;
    ASSERT_EQ(std::memcmp(strided.data(), flat.data(), flat.size() * sizeof(float)), 0)
        << dense.shape << dense.strides;
  }
}

TEST(Tiles, output_layout_is_row_major_unless_shared) {
  const Shape shape{2, 3};
  const int64_t rows[] = {3, 1}, columns[] = {1, 2}, stretched[] = {0, 1}, single[] = {0, 0},
                gaps[] = {6, 2};
  const auto choose = [&](std::vector<const int64_t*> strides) {
    std::vector<StridedOperand> operands;
    for (const int64_t* s : strides) operands.push_back({nullptr, Form::strided, s});
    Strides chosen;
    const bool is_shared = cpu::choose_output_strides(dims(shape), operands, chosen);
    return std::pair(is_shared, chosen);
  };
  EXPECT_EQ(choose({rows, rows}), std::pair(true, Strides({3, 1})));
  EXPECT_EQ(choose({columns, single, columns}), std::pair(true, Strides({1, 2})));
  EXPECT_EQ(choose({single}), std::pair(true, Strides({3, 1})));
  EXPECT_EQ(choose({rows, columns}), std::pair(false, Strides({3, 1})));
  EXPECT_EQ(choose({columns, stretched}), std::pair(false, Strides({3, 1})));
  EXPECT_EQ(choose({gaps}), std::pair(false, Strides({3, 1})));
}

}  // namespace
}  // namespace tarn
