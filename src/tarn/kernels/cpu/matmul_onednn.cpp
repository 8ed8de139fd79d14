#include "tarn/kernels/cpu/matmul_onednn.h"

#include <cassert>
#include <memory>

#include "tarn/kernels/cpu/onednn.h"

namespace tarn::cpu {

namespace {

struct BlasOperand {
  char order;  // 'N': rows are adjacent elements; 'T': columns are
  int64_t stride;
  bool ok;
};

BlasOperand blas_operand(int64_t row_stride, int64_t col_stride, int64_t rows, int64_t cols) {
  if (cols == 1) col_stride = 1;
  if (rows == 1 && col_stride == 1) row_stride = cols;
  if (col_stride == 1 && row_stride >= cols) return {'N', row_stride, true};
  if (rows == 1) row_stride = 1;
  return {'T', col_stride, row_stride == 1 && col_stride >= rows};
}

BlasOperand blas_a(const MatmulTile& t) { return blas_operand(t.a_row, t.a_col, t.m, t.k); }
BlasOperand blas_b(const MatmulTile& t) { return blas_operand(t.b_row, t.b_col, t.k, t.n); }

}  // namespace

bool onednn_is_faster(Dtype dtype) {
  return dtype == bfloat16 && onednn_isa() == dnnl_cpu_isa_avx512_core_amx;
}

bool onednn_takes(const MatmulTile& tile) { return blas_a(tile).ok && blas_b(tile).ok; }

void onednn_multiply_bfloat16(const MatmulTile& t) try {
  using dnnl::memory;
  const OneOpenMpThread one_thread;
  const dnnl::engine& engine = onednn_engine();
  const auto matrix = [](int64_t rows, int64_t cols, const BlasOperand& layout) {
    assert(layout.ok);
    const memory::dims strides =
        layout.order == 'N' ? memory::dims{layout.stride, 1} : memory::dims{1, layout.stride};
    return memory::desc({rows, cols}, memory::data_type::bf16, strides);
  };
  // Memory of our own: what oneDNN would keep by itself is shared between threads.
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::matmul::primitive_desc product(
      {matrix(t.m, t.k, blas_a(t)), matrix(t.k, t.n, blas_b(t)),
       matrix(t.m, t.n, {'N', t.c_row, true})},
      attributes, engine);
  const size_t scratch_bytes = product.scratchpad_desc().get_size();
  const std::unique_ptr<std::byte[]> scratch(new std::byte[scratch_bytes]);

  dnnl::stream stream(engine);
  const auto bind = [&](const memory::desc& desc, const void* data) {
    return memory(desc, engine, const_cast<void*>(data));
  };
  dnnl::matmul(product).execute(
      stream, {{DNNL_ARG_SRC, bind(product.src_desc(), t.a)},
               {DNNL_ARG_WEIGHTS, bind(product.weights_desc(), t.b)},
               {DNNL_ARG_DST, bind(product.dst_desc(), t.c)},
               {DNNL_ARG_SCRATCHPAD, bind(product.scratchpad_desc(), scratch.get())}});
  stream.wait();
} catch (const dnnl::error& e) {
  throw_unless_ok(e.status, "matmul");
}

}  // namespace tarn::cpu
