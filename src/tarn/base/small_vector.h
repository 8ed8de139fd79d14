// SmallVector: std::vector's interface with room for the first kSize elements inside the object.
//
// Shapes, strides and input lists are copied with every node of a graph, so copying a short vector
// of a trivially copyable type is a handful of moves of constant size, without a branch per element
// and without an allocation.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace tarn {

template <class T, class = void>
struct is_iterator : std::false_type {};
template <class T>
struct is_iterator<T, std::void_t<typename std::iterator_traits<T>::iterator_category>>
    : std::true_type {};
template <class T>
inline constexpr bool is_iterator_v = is_iterator<T>::value;

// Exceptions of T's constructors leave no leak behind. Constructors, assignments, push_back,
// emplace_back and reserve have no effect if they throw (moves of T that throw excepted); insert
// and resize leave valid elements.
template <class T, size_t kSize = 10>
class SmallVector {
  static constexpr bool kTrivial =
      std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>;
  static_assert(kSize > 0);

 public:
  using value_type = T;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = const T*;
  using difference_type = std::ptrdiff_t;
  using size_type = std::size_t;

  SmallVector() noexcept {}
  explicit SmallVector(size_t size) {
    construct(size, [size](T* to) { std::uninitialized_value_construct_n(to, size); });
  }
  SmallVector(size_t size, const T& initial_value) {
    construct(size, [&](T* to) { std::uninitialized_fill_n(to, size, initial_value); });
  }
  SmallVector(std::initializer_list<T> init) : SmallVector(init.begin(), init.end()) {}
  template <class Iter, class = std::enable_if_t<is_iterator_v<Iter>>>
  SmallVector(Iter begin, Iter end) {
    if constexpr (std::forward_iterator<Iter>) {
      construct(std::distance(begin, end), [&](T* to) { std::uninitialized_copy(begin, end, to); });
    } else {
      SmallVector read;
      for (; begin != end; ++begin) read.emplace_back(*begin);
      take(read);
    }
  }

  SmallVector(const SmallVector& other) {
    if constexpr (kTrivial) {
      if (other.size_ <= kSize) {
        copy_inline_block(other);
        return;
      }
    }
    construct(other.size_, [&](T* to) { std::uninitialized_copy(other.begin(), other.end(), to); });
  }
  SmallVector(SmallVector&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    take(other);
  }

  SmallVector& operator=(const SmallVector& other) {
    if (this == &other) return *this;
    if constexpr (kTrivial) {
      if (other.size_ <= kSize && is_inline()) {
        copy_inline_block(other);
        return *this;
      }
    }
    SmallVector copy(other);
    release();
    take(copy);
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
    if (this != &other) {
      release();
      take(other);
    }
    return *this;
  }

  ~SmallVector() { release(); }

  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    return a.size_ == b.size_ && std::equal(a.begin(), a.end(), b.begin());
  }

  T* data() { return begin_; }
  const T* data() const { return begin_; }
  iterator begin() { return begin_; }
  const_iterator begin() const { return begin_; }
  iterator end() { return begin_ + size_; }
  const_iterator end() const { return begin_ + size_; }
  const_iterator cbegin() const { return begin(); }
  const_iterator cend() const { return end(); }
  auto rbegin() { return std::make_reverse_iterator(end()); }
  auto rbegin() const { return std::make_reverse_iterator(end()); }
  auto rend() { return std::make_reverse_iterator(begin()); }
  auto rend() const { return std::make_reverse_iterator(begin()); }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  size_t capacity() const { return capacity_; }

  T& front() { return (*this)[0]; }
  const T& front() const { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }
  T& operator[](size_t index) {
    assert(index < size_);
    return begin_[index];
  }
  const T& operator[](size_t index) const {
    assert(index < size_);
    return begin_[index];
  }
  T& at(size_t index) {
    check_index(index);
    return begin_[index];
  }
  const T& at(size_t index) const {
    check_index(index);
    return begin_[index];
  }

  template <class... Args>
  void emplace_back(Args&&... args) {
    if (size_ < capacity_) {
      std::construct_at(end(), std::forward<Args>(args)...);
    } else {
      // The arguments may refer to an element: the new one is made before the old ones move.
      Block grown(grown_capacity(size_ + 1));
      std::construct_at(grown.memory + size_, std::forward<Args>(args)...);
      adopt(grown, 1);
    }
    ++size_;
  }
  void push_back(T x) { emplace_back(std::move(x)); }

  // Requires: count <= size().
  void pop_back(size_t count = 1) {
    assert(count <= size_);
    std::destroy(end() - count, end());
    size_ -= static_cast<uint32_t>(count);
  }

  iterator insert(iterator pos, T value) {
    return append_and_rotate(pos, [&] { emplace_back(std::move(value)); });
  }
  iterator insert(iterator pos, size_t count, T value) {
    return append_and_rotate(pos, [&] {
      for (size_t i = 0; i < count; ++i) emplace_back(value);
    });
  }
  // Requires: [begin, end) is not part of this vector.
  template <class Iter, class = std::enable_if_t<is_iterator_v<Iter>>>
  iterator insert(iterator pos, Iter begin, Iter end) {
    return append_and_rotate(pos, [&] {
      for (; begin != end; ++begin) emplace_back(*begin);
    });
  }
  iterator insert(iterator pos, std::initializer_list<T> values) {
    return insert(pos, values.begin(), values.end());
  }

  iterator erase(iterator erase_start, iterator erase_end) {
    T* new_end = std::move(erase_end, end(), erase_start);
    pop_back(end() - new_end);
    return erase_start;
  }
  iterator erase(iterator pos) { return erase(pos, pos + 1); }

  void resize(size_t new_size) {
    resize_with(new_size, [](T* to, size_t n) { std::uninitialized_value_construct_n(to, n); });
  }
  void resize(size_t new_size, const T& initial_value) {
    const T value = initial_value;  // may be an element of this vector
    resize_with(new_size, [&](T* to, size_t n) { std::uninitialized_fill_n(to, n, value); });
  }
  void reserve(size_t new_capacity) {
    if (new_capacity <= capacity_) return;
    Block grown(checked_capacity(new_capacity));
    adopt(grown, 0);
  }
  void clear() { pop_back(size_); }

 private:
  // Owns memory without elements until a vector adopts it.
  struct Block {
    explicit Block(uint32_t n) : memory(std::allocator<T>().allocate(n)), capacity(n) {}
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;
    ~Block() {
      if (memory) std::allocator<T>().deallocate(memory, capacity);
    }
    T* memory;
    uint32_t capacity;
  };

  bool is_inline() const { return capacity_ == kSize; }

  T* inline_memory() { return reinterpret_cast<T*>(inline_); }

  // Any vector of at most kSize elements has kSize readable slots, so the copy has a constant size.
  void copy_inline_block(const SmallVector& other) {
    std::memcpy(inline_, other.begin_, sizeof(inline_));
    size_ = other.size_;
  }

  // Fills an empty inline vector; `fill` constructs `size` elements or none.
  template <class Fill>
  void construct(size_t size, Fill fill) {
    if (size <= kSize) {
      fill(begin_);
    } else {
      Block block(checked_capacity(size));
      fill(block.memory);
      begin_ = std::exchange(block.memory, nullptr);
      capacity_ = block.capacity;
    }
    size_ = static_cast<uint32_t>(size);
  }

  // Moves the contents of `other` into this empty inline vector.
  void take(SmallVector& other) {
    if (!other.is_inline()) {
      begin_ = std::exchange(other.begin_, other.inline_memory());
      capacity_ = std::exchange(other.capacity_, static_cast<uint32_t>(kSize));
      size_ = std::exchange(other.size_, 0);
    } else if constexpr (kTrivial) {
      copy_inline_block(other);
      other.size_ = 0;
    } else {
      std::uninitialized_move(other.begin(), other.end(), begin_);
      size_ = other.size_;
      other.clear();
    }
  }

  // Destroys the elements, gives heap memory back and leaves an empty inline vector.
  void release() {
    std::destroy(begin(), end());
    if (!is_inline()) std::allocator<T>().deallocate(begin_, capacity_);
    begin_ = inline_memory();
    capacity_ = kSize;
    size_ = 0;
  }

  // Moves the elements to `grown`, which holds `n_ready` finished elements behind them, and owns it
  // from then on.
  void adopt(Block& grown, size_t n_ready) {
    try {
      std::uninitialized_move(begin(), end(), grown.memory);
    } catch (...) {
      std::destroy_n(grown.memory + size_, n_ready);
      throw;
    }
    const uint32_t size = size_;
    release();
    begin_ = std::exchange(grown.memory, nullptr);
    capacity_ = grown.capacity;
    size_ = size;
  }

  // Inserts before pos what `append` puts at the end. Needs no default constructor, and lists are
  // short.
  template <class Append>
  iterator append_and_rotate(iterator pos, Append append) {
    const size_t index = pos - begin();
    const size_t old_size = size_;
    append();
    std::rotate(begin() + index, begin() + old_size, end());
    return begin() + index;
  }

  template <class Fill>
  void resize_with(size_t new_size, Fill fill) {
    if (new_size <= size_) {
      pop_back(size_ - new_size);
      return;
    }
    if (new_size > capacity_) reserve(grown_capacity(new_size));
    fill(end(), new_size - size_);
    size_ = static_cast<uint32_t>(new_size);
  }

  uint32_t grown_capacity(size_t needed) const {
    return checked_capacity(std::max<size_t>(needed, 2 * size_t{capacity_}));
  }
  static uint32_t checked_capacity(size_t n) {
    if (n > std::numeric_limits<uint32_t>::max()) throw std::length_error("SmallVector: too long");
    return static_cast<uint32_t>(n);
  }
  void check_index(size_t index) const {
    if (index >= size_) throw std::out_of_range("SmallVector: index out of range");
  }

  T* begin_ = inline_memory();
  uint32_t size_ = 0;
  uint32_t capacity_ = kSize;  // kSize exactly while the elements are inline, more on the heap
  alignas(T) std::byte inline_[kSize * sizeof(T)];
};

template <class T>
struct is_vector : std::false_type {};
template <class T, size_t kSize>
struct is_vector<SmallVector<T, kSize>> : std::true_type {};
template <class T>
inline constexpr bool is_vector_v = is_vector<T>::value;

}  // namespace tarn
