#include "tarn/graph/array.h"

#include <algorithm>
#include <utility>

#include "tarn/base/error.h"
#include "tarn/graph/eval.h"
#include "tarn/graph/host_context.h"
#include "tarn/graph/primitive.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

ArrayData row_major_data(const Shape& shape, BufferRef buffer) {
  int64_t size = size_of_shape(shape);
  // One axis at most is longer than one: then the elements are in every order.
  bool is_line = std::count_if(shape.begin(), shape.end(), [](auto dim) { return dim != 1; }) <= 1;
  return {std::move(buffer), row_major_strides(shape), 0, size, {true, true, is_line || size <= 1}};
}

// Of an output that the user's code gives its bytes. Throws std::invalid_argument if elements would
// lie outside of them: nobody is to be shown bytes of something else.
ArrayData strided_data(const array& a, BufferRef buffer, Strides strides, __int128 offset,
                       const char* op) {
  check(strides.size() == a.ndim(), op, "{} strides for shape {}.", strides.size(), a.shape());
  const auto itemsize = __int128(a.itemsize());
  const auto [lowest, highest] = a.size() > 0 ? reach(a.shape(), strides) : Reach{0, -1};
  check(offset + lowest * itemsize >= 0 &&
            offset + (highest + 1) * itemsize <= __int128(buffer.size()),
        op, "shape {} of {} with strides {} from byte {} on leaves a buffer of {} bytes.",
        a.shape(), a.dtype(), strides, offset, buffer.size());
  check(offset % itemsize == 0, op, "byte {} is inside of an element of {}.", offset, a.dtype());
  const Density dense = density(a.shape(), strides);
  return {std::move(buffer), std::move(strides), int64_t(offset), dense.data_size, dense.flags};
}

BufferRef adopt(allocator::Buffer buffer, Deleter deleter, const char* op) {
  check(buffer.ptr() != nullptr, op, "there is no buffer.");
  return BufferRef::adopt(buffer, std::move(deleter));
}

array make_primitive_node(const std::shared_ptr<Primitive>& primitive, Shape shape, Dtype dtype,
                          const std::vector<array>& inputs) {
  check(primitive != nullptr, "array", "an operation needs a primitive, got none.");
  checked_nbytes(shape, dtype);
  NodePtr node(new Node(Op(kUserOperationClass, UserOperation{primitive}), primitive->stream(),
                        std::move(shape), dtype));
  node->inputs = Inputs(inputs.begin(), inputs.end());
  return array(std::move(node), 0);
}

}  // namespace

size_t checked_nbytes(const Shape& shape, Dtype dtype, const char* op) {
  for (ShapeElem dim : shape)
    check(dim >= 0, op, "negative dimensions not allowed, got {}.", shape);
  const auto size = size_t(size_of_shape(shape));
  size_t nbytes;
  check<std::overflow_error>(!__builtin_mul_overflow(size, size_t(dtype.size()), &nbytes), op,
                             "{} elements of {} do not fit in memory.", size, dtype);
  return nbytes;
}

ArrayData allocate_row_major(const NodeOutput& output, Stream stream) {
  Backend& backend = Runtime::instance().stream(stream).backend;
  return row_major_data(output.shape, backend.allocate(checked_nbytes(output.shape, output.dtype)));
}

ArrayData share(const ArrayData& data, Dtype dtype, const Layout& layout) {
  Density dense = density(layout.shape, layout.strides);
  return {data.buffer, layout.strides, data.offset + layout.offset * dtype.size(), dense.data_size,
          dense.flags};
}

ArrayData& HostContext::allocate(uint32_t i) {
  return results_[i] = allocate_row_major(node_.output(i), node_.stream);
}

NodePtr array::make_constant(Shape shape, Dtype dtype) {
  BufferRef buffer = BufferRef::allocate(checked_nbytes(shape, dtype));
  ArrayData data = row_major_data(shape, std::move(buffer));
  return NodePtr(new Node(std::move(shape), dtype, std::move(data)));
}

array::array(const std::complex<float>& val, Dtype dtype)
    : node_(make_constant(Shape{}, dtype)), index_(0) {
  store(first_byte(), 0, dtype, complex64_t(val));
}

array::array(std::initializer_list<float> data)
    : array(data.begin(), Shape{safe_cast(data.size(), "array")}, float32) {}

array::array(std::initializer_list<int> data, Dtype dtype)
    : array(data.begin(), Shape{safe_cast(data.size(), "array")}, dtype) {}

array::array(void* data, Shape shape, Dtype dtype, const std::function<void(void*)>& deleter)
    : index_(0) {
  size_t nbytes;
  try {
    nbytes = checked_nbytes(shape, dtype);
    check(data != nullptr || nbytes == 0, "array", "there is no data for shape {}.", shape);
  } catch (const std::exception&) {
    BufferRef::wrap(data, 0, deleter);  // and that is all
    throw;
  }
  BufferRef buffer = BufferRef::wrap(data, nbytes, deleter);
  ArrayData wrapped = row_major_data(shape, std::move(buffer));
  node_ = NodePtr(new Node(std::move(shape), dtype, std::move(wrapped)));
}

array::array(allocator::Buffer data, Shape shape, Dtype dtype, Deleter deleter) : index_(0) {
  BufferRef buffer = adopt(data, std::move(deleter), "array");
  check(buffer.size() >= checked_nbytes(shape, dtype), "array",
        "shape {} of {} does not fit into a buffer of {} bytes.", shape, dtype, buffer.size());
  ArrayData adopted = row_major_data(shape, std::move(buffer));
  node_ = NodePtr(new Node(std::move(shape), dtype, std::move(adopted)));
}

array::array(Shape shape, Dtype dtype, std::shared_ptr<Primitive> primitive,
             std::vector<array> inputs)
    : array(make_primitive_node(primitive, std::move(shape), dtype, inputs)) {}

std::vector<array> array::make_arrays(std::vector<Shape> shapes, const std::vector<Dtype>& dtypes,
                                      const std::shared_ptr<Primitive>& primitive,
                                      const std::vector<array>& inputs) {
  check(!shapes.empty() && shapes.size() == dtypes.size(), "make_arrays",
        "wants as many dtypes as shapes, and one at least; got {} and {}.", dtypes.size(),
        shapes.size());
  array first = make_primitive_node(primitive, std::move(shapes[0]), dtypes[0], inputs);
  for (size_t i = 1; i < shapes.size(); ++i) {
    checked_nbytes(shapes[i], dtypes[i], "make_arrays");
    first.node().add_output(std::move(shapes[i]), dtypes[i]);
  }
  return first.outputs();
}

int array::shape(int dim) const {
  check<std::out_of_range>(dim >= -int(ndim()) && dim < int(ndim()), "shape",
                           "dimension {} of an array with {} dimensions.", dim, ndim());
  return shape()[dim < 0 ? dim + int(ndim()) : dim];
}

int64_t array::strides(int dim) const {
  check<std::out_of_range>(dim >= -int(ndim()) && dim < int(ndim()), "strides",
                           "dimension {} of an array with {} dimensions.", dim, ndim());
  return strides()[dim < 0 ? dim + int(ndim()) : dim];
}

void array::eval() {
  if (!node_->outcome.is_value()) tarn::eval(std::vector<array>{*this});
}

array::Status array::status() const noexcept {
  if (node_->outcome.is_value()) return Status::available;
  if (node_->outcome.is_failed()) return Status::failed;
  return node_->schedule.load(std::memory_order_acquire) == Node::kScheduled ? Status::evaluated
                                                                             : Status::unscheduled;
}

FailurePtr array::failure() const noexcept {
  FailurePtr failure = node_->outcome.failure();
  if (failure) failure->mark_observed();
  return failure ? plain_record(failure) : nullptr;
}

void array::wait() const {
  if (!node_->outcome.is_value()) tarn::wait(*this, std::nullopt);
}

bool array::wait_for(std::chrono::nanoseconds timeout) const {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point now = Clock::now();
  if (timeout > Clock::time_point::max() - now) return tarn::wait(*this, std::nullopt);
  return tarn::wait(*this, now + timeout);
}

Event array::event() const {
  // The event keeps the array alive.
  auto owner = std::make_shared<NodePtr>(node_);
  Event event(node_->stream, std::shared_ptr<const Outcome>(std::move(owner), &node_->outcome));
  // After it was made: see Event.
  return status() == Status::unscheduled ? Event() : event;
}

bool array::has_primitive() const { return &node_->op.op_class() != &kConstantClass; }

std::shared_ptr<Primitive> array::primitive_ptr() const {
  check(&node_->op.op_class() == &kUserOperationClass, "primitive",
        "{} is no operation of the user's program, and only those have a primitive.",
        node_->op.op_class().info.name);
  return static_cast<const UserOperation*>(node_->op.params())->primitive;
}

std::vector<array> array::outputs() const {
  std::vector<array> all;
  for (uint32_t i = 0; i < node_->n_outputs(); ++i) all.emplace_back(node_, i);
  return all;
}

std::vector<array> array::siblings() const {
  std::vector<array> others = outputs();
  others.erase(others.begin() + index_);
  return others;
}

bool array::is_donatable() const {
  return node_->owners.load(std::memory_order_acquire) == 1 &&
         output().data.buffer.use_count() == 1;
}

Inputs& array::graph_inputs() const {
  if (node_->schedule.load(std::memory_order_acquire) == Node::kUnscheduled) return node_->inputs;
  thread_local Inputs none;
  none.clear();
  return none;
}

ArrayData& array::data_ready() const {
  ArrayData& data = output().data;
  if (node_->outcome.is_value() || node_->under_construction) return data;
  if (status() == Status::unscheduled) throw_not_evaluated("array");
  wait();
  if (!node_->outcome.is_value()) throw_not_evaluated("array");
  return data;
}

void array::throw_not_evaluated(const char* op) const {
  throw std::invalid_argument(fmt::format(
      "[{}] The array of shape {} and dtype {} has not been evaluated.", op, shape(), dtype()));
}

void array::throw_wrong_item_size() const {
  throw std::invalid_argument(
      fmt::format("[item] Only arrays of one element have an item, got shape {}.", shape()));
}

void array::check_count(size_t count) const {
  check(count == size(), "array", "{} elements of data do not fill the shape {}.", count, shape());
}

void array::set_data(allocator::Buffer buffer, Deleter d) {
  output().data = strided_data(*this, adopt(buffer, std::move(d), "set_data"),
                               row_major_strides(shape()), 0, "set_data");
}

void array::set_data(allocator::Buffer buffer, size_t data_size, Strides strides, Flags flags,
                     Deleter d) {
  set_data(buffer, data_size, std::move(strides), flags, 0, std::move(d));
}

void array::set_data(allocator::Buffer buffer, size_t, Strides strides, Flags, int64_t offset,
                     Deleter d) {
  output().data = strided_data(*this, adopt(buffer, std::move(d), "set_data"), std::move(strides),
                               __int128{offset} * itemsize(), "set_data");
}

void array::copy_shared_buffer(const array& other, const Strides& strides, Flags, size_t,
                               int64_t offset) {
  const ArrayData& shared = other.data_ready();
  output().data = strided_data(*this, shared.buffer, strides,
                               shared.offset + __int128{offset} * itemsize(), "copy_shared_buffer");
}

void array::copy_shared_buffer(const array& other) {
  copy_shared_buffer(other, other.strides(), other.flags(), other.data_size());
}

const BufferRef& array::data_shared_ptr() const {
  static const BufferRef none;
  return node_->outcome.is_value() || node_->under_construction ? output().data.buffer : none;
}

}  // namespace tarn
