// array: the user's handle on a result of a node, with value semantics. Copies name the same node.
//
// Building, copying, polling and destroying never throw a node's failure; waiting and reading do,
// each time (docs/contract.md). Distinct handles on one array may be used by distinct threads.
#pragma once

#include <chrono>
#include <complex>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "tarn/base/complex.h"
#include "tarn/base/dtype.h"
#include "tarn/base/failure.h"
#include "tarn/base/half.h"
#include "tarn/base/layout.h"
#include "tarn/graph/node_ptr.h"
#include "tarn/runtime/allocator.h"
#include "tarn/runtime/buffer.h"
#include "tarn/runtime/event.h"

namespace tarn {

class Primitive;
class array;
struct ArrayData;
struct NodeOutput;
using Inputs = SmallVector<array, 3>;

// What an array can be made from.
template <class T>
concept ElementType = std::is_arithmetic_v<T> || std::is_same_v<T, float16_t> ||
    std::is_same_v<T, bfloat16_t> || std::is_same_v<T, complex64_t>;

// As astype converts: nonzero is true, the imaginary part is dropped.
template <class To, class From>
To convert_element(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return value != From(0);
  } else if constexpr (std::is_same_v<From, std::complex<float>>) {
    return convert_element<To>(complex64_t(value));
  } else if constexpr (is_complex<From> && !is_complex<To>) {
    return convert_element<To>(value.real());
  } else {
    return static_cast<To>(value);
  }
}

class array {
 public:
  // A scalar. double gives float32: see TypeToDtype.
  // Implicit, so that scalars may stand where arrays are wanted.
  template <ElementType T>
  array(T val, Dtype dtype = TypeToDtype<T>());
  explicit array(const std::complex<float>& val, Dtype dtype = complex64);

  // Copies elements, converting each to `dtype`. Throws std::invalid_argument if their number is
  // not that of the shape.
  template <typename It>
  requires std::input_iterator<It>
  explicit array(It data, Shape shape,
                 Dtype dtype = TypeToDtype<typename std::iterator_traits<It>::value_type>());
  template <typename T>
  explicit array(std::initializer_list<T> data, Dtype dtype = TypeToDtype<T>());
  explicit array(std::initializer_list<float> data);  // array({}) is an empty float32 array
  explicit array(std::initializer_list<int> data, Dtype dtype);
  template <typename T>
  explicit array(std::initializer_list<T> data, Shape shape, Dtype dtype = TypeToDtype<T>());

  // Uses the caller's memory, without a copy: row-major elements of `dtype`. `deleter` is called
  // with it exactly once: when the last user is gone, or before this throws, as it does, with
  // std::invalid_argument, if the buffer is too small, or null where there are elements.
  explicit array(void* data, Shape shape, Dtype dtype, const std::function<void(void*)>& deleter);
  explicit array(allocator::Buffer data, Shape shape, Dtype dtype,
                 Deleter deleter = allocator::free);

  // The result of the user's operation.
  array(Shape shape, Dtype dtype, std::shared_ptr<Primitive> primitive, std::vector<array> inputs);
  static std::vector<array> make_arrays(std::vector<Shape> shapes, const std::vector<Dtype>& dtypes,
                                        const std::shared_ptr<Primitive>& primitive,
                                        const std::vector<array>& inputs);

  // Output `index` of a node. For the library's own operations.
  array(NodePtr node, uint32_t index) noexcept : node_(std::move(node)), index_(index) {}

  array(const array&) noexcept = default;
  array(array&&) noexcept = default;
  array& operator=(const array&) & noexcept = default;
  array& operator=(array&&) & noexcept = default;
  array& operator=(const array&) && = delete;
  array& operator=(array&&) && = delete;

  size_t itemsize() const { return dtype().size(); }
  size_t size() const;
  size_t nbytes() const { return size() * itemsize(); }
  size_t ndim() const { return shape().size(); }
  const Shape& shape() const;
  // Dimension `dim`, counted from the back if negative. Throws std::out_of_range.
  int shape(int dim) const;
  Dtype dtype() const;

  // In elements. Wait for the array, as everything below does that depends on where elements are.
  const Strides& strides() const;
  int64_t strides(int dim) const;
  using Flags = tarn::Flags;
  const Flags& flags() const;
  size_t data_size() const;
  int64_t offset() const;  // bytes

  // Computes the array and waits for it. Throws EvalError.
  void eval();

  // The only element, its bytes taken as a T. Throws std::invalid_argument for any other size.
  template <typename T>
  T item();
  // The same, without evaluating: std::invalid_argument if the array was never evaluated.
  template <typename T>
  T item() const;

  // Sub-arrays along axis 0.
  class ArrayIterator {
   public:
    using iterator_category = std::random_access_iterator_tag;
    using difference_type = size_t;
    using value_type = const array;
    using reference = value_type;

    explicit ArrayIterator(const array& arr, int idx = 0);
    reference operator*() const;
    ArrayIterator& operator+(difference_type diff) {
      idx_ += int(diff);
      return *this;
    }
    ArrayIterator& operator++() {
      ++idx_;
      return *this;
    }
    friend bool operator==(const ArrayIterator& a, const ArrayIterator& b) {
      return a.arr_.id() == b.arr_.id() && a.idx_ == b.idx_;
    }
    friend bool operator!=(const ArrayIterator& a, const ArrayIterator& b) { return !(a == b); }

   private:
    const array& arr_;
    int idx_;
  };
  ArrayIterator begin() const { return ArrayIterator(*this); }
  ArrayIterator end() const { return ArrayIterator(*this, shape(0)); }

  // Bytes. Waits for scheduled work; throws EvalError if it failed and std::invalid_argument for an
  // array that was never evaluated.
  template <typename T>
  T* data() {
    return reinterpret_cast<T*>(first_byte());
  }
  template <typename T>
  const T* data() const {
    return reinterpret_cast<const T*>(first_byte());
  }
  allocator::Buffer& buffer();
  const allocator::Buffer& buffer() const;
  size_t buffer_size() const;
  // The owner of the bytes, to compare and to count; of nothing while there are none.
  using Data = BufferRef::Data;
  const BufferRef& data_shared_ptr() const;

  enum class Status {
    unscheduled,  // nobody asked for it, or only as a part of something else
    evaluated,    // scheduled: its value or failure will come
    available,
    failed,
  };
  Status status() const noexcept;
  bool is_available() const noexcept { return status() == Status::available; }

  // The record of the root failure, null unless the array failed. Never throws. Asking counts as
  // having observed it.
  FailurePtr failure() const noexcept;

  // Waits for scheduled work; returns at once for an array that nobody evaluated. Throws EvalError.
  void wait() const;
  // The same for at most `timeout`; returns whether the array is available.
  bool wait_for(std::chrono::nanoseconds timeout) const;

  // Settles with the array. Not valid() for one that nobody evaluated.
  Event event() const;

  // The graph behind an array. Inputs are there until the array is scheduled for evaluation: from
  // then on they are the evaluation's, which may overwrite them.
  std::uintptr_t id() const { return reinterpret_cast<std::uintptr_t>(&output()); }
  std::uintptr_t primitive_id() const { return reinterpret_cast<std::uintptr_t>(node_.get()); }
  bool has_primitive() const;
  // Of what an operation of the user's program computes. Throw std::invalid_argument for others.
  Primitive& primitive() const { return *primitive_ptr(); }
  std::shared_ptr<Primitive> primitive_ptr() const;
  const Inputs& inputs() const { return graph_inputs(); }
  Inputs& inputs() { return graph_inputs(); }
  // The other outputs of its node, and all outputs.
  std::vector<array> siblings() const;
  std::vector<array> outputs() const;
  int sibling_position() const { return int(index_); }
  void detach();
  bool is_donatable() const;
  // Whether handles on the array exist beside this one.
  bool is_tracer() const;
  void set_tracer(bool is_tracer);
  void overwrite_descriptor(const array& other) { *this = other; }
  static array unsafe_weak_copy(const array& other) { return other; }

  // For eval_cpu of user primitives: give an output its bytes. `offset` is in elements. The data
  // size and the flags are those that follow from the strides, whatever is passed. Throw
  // std::invalid_argument if an element would lie outside of the buffer.
  void set_data(allocator::Buffer buffer, Deleter d = allocator::free);
  void set_data(allocator::Buffer buffer, size_t data_size, Strides strides, Flags flags,
                Deleter d);
  void set_data(allocator::Buffer buffer, size_t data_size, Strides strides, Flags flags,
                int64_t offset = 0, Deleter d = allocator::free);
  void copy_shared_buffer(const array& other, const Strides& strides, Flags flags, size_t data_size,
                          int64_t offset = 0);
  void copy_shared_buffer(const array& other);

  Node& node() const noexcept { return *node_; }
  uint32_t index() const noexcept { return index_; }

 private:
  NodeOutput& output() const noexcept;
  Inputs& graph_inputs() const;
  ArrayData& data_ready() const;
  std::byte* first_byte() const;
  [[noreturn]] void throw_wrong_item_size() const;
  [[noreturn]] void throw_not_evaluated(const char* op) const;
  static NodePtr make_constant(Shape shape, Dtype dtype);

  template <typename T>
  static void store(void* to, int64_t i, Dtype dtype, T value);
  template <typename It>
  void fill(It data);
  void check_count(size_t count) const;

  NodePtr node_;
  uint32_t index_;
};

template <typename T>
inline constexpr bool is_array_v = std::is_same_v<std::remove_cvref_t<T>, array>;
template <typename... T>
inline constexpr bool is_arrays_v = (is_array_v<T> && ...);
template <typename... T>
using enable_for_arrays_t = std::enable_if_t<is_arrays_v<T...>>;

}  // namespace tarn

#include "tarn/graph/node.h"

namespace tarn {

template <typename T>
void array::store(void* to, int64_t i, Dtype dtype, T value) {
  visit(dtype, [&](auto tag) {
    using E = typename decltype(tag)::type;
    static_cast<E*>(to)[i] = convert_element<E>(value);
  });
}

template <typename It>
void array::fill(It data) {
  void* to = first_byte();
  int64_t n = int64_t(size());
  visit(dtype(), [&](auto tag) {
    using E = typename decltype(tag)::type;
    E* element = static_cast<E*>(to);
    for (int64_t i = 0; i < n; ++i, ++data) element[i] = convert_element<E>(*data);
  });
}

template <ElementType T>
array::array(T val, Dtype dtype) : node_(make_constant(Shape{}, dtype)), index_(0) {
  store(first_byte(), 0, dtype, val);
}

template <typename It>
requires std::input_iterator<It> array::array(It data, Shape shape, Dtype dtype)
    : node_(make_constant(std::move(shape), dtype)), index_(0) {
  fill(data);
}

template <typename T>
array::array(std::initializer_list<T> data, Dtype dtype)
    : array(data.begin(), Shape{safe_cast(data.size(), "array")}, dtype) {}

template <typename T>
array::array(std::initializer_list<T> data, Shape shape, Dtype dtype)
    : node_(make_constant(std::move(shape), dtype)), index_(0) {
  check_count(data.size());
  fill(data.begin());
}

template <typename T>
T array::item() {
  if (size() != 1) throw_wrong_item_size();
  eval();
  return std::as_const(*this).template item<T>();
}

template <typename T>
T array::item() const {
  if (size() != 1) throw_wrong_item_size();
  if (status() == Status::unscheduled) throw_not_evaluated("item");
  T value;
  std::memcpy(&value, first_byte(), sizeof(T));
  return value;
}

}  // namespace tarn
