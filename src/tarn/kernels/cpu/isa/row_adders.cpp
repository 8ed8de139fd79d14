// Rows added to sums of columns.
#include "tarn/kernels/cpu/row_adders.h"

#include "tarn/kernels/cpu/isa/element.h"

namespace tarn::HWY_NAMESPACE {

namespace {

template <class E>
void add_rows(void* sums, const void* const* rows, size_t n) {
  constexpr size_t kLanes = Pack<E>::kLanes;
  E* const to = static_cast<E*>(sums);
  // A copy, since the compiler thinks that a store to the sums may change `rows`.
  const E* x[cpu::kRowsAtOnce];
  unrolled<cpu::kRowsAtOnce>([&](auto row) { x[row] = static_cast<const E*>(rows[row]); });
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Pack<E> total = load(to + i);
    unrolled<cpu::kRowsAtOnce>([&](auto row) { total = total + load(x[row] + i); });
    store(to + i, total);
  }
  if (i == n) return;
  alignas(HWY_MAX_BYTES) E padded[1 + cpu::kRowsAtOnce][kLanes] = {};
  const size_t nbytes = (n - i) * sizeof(E);
  const auto bytes = [](auto* p) { return reinterpret_cast<unsigned char*>(p); };
  copy_small(bytes(padded[0]), bytes(to + i), nbytes);
  const void* tails[cpu::kRowsAtOnce];
  for (int row = 0; row < cpu::kRowsAtOnce; ++row) {
    copy_small(bytes(padded[1 + row]), static_cast<const unsigned char*>(rows[row]) + i * sizeof(E),
               nbytes);
    tails[row] = padded[1 + row];
  }
  add_rows<E>(padded[0], tails, kLanes);
  copy_small(bytes(to + i), bytes(padded[0]), nbytes);
}

}  // namespace

void add_row_adders(cpu::RowAdders& adders) {
  const auto add = [&](Dtype dtype, cpu::RowAdder adder) {
    adders.of_dtype[int(dtype.val())] = adder;
  };
  add(float32, add_rows<float>);
  add(float64, add_rows<double>);
  add(int32, add_rows<int32_t>);
  add(uint32, add_rows<int32_t>);
  add(int64, add_rows<int64_t>);
  add(uint64, add_rows<int64_t>);
}

}  // namespace tarn::HWY_NAMESPACE
