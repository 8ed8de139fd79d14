#include "tarn/ops/attention.h"

#include <vector>

#include "tarn/base/error.h"
#include "tarn/ops/build.h"
#include "tarn/ops/functions.h"
#include "tarn/ops/kernel_ops.h"

namespace tarn {

namespace {

constexpr const char* kName = ops::Attention::info.name;

void check_shapes(const array& q, const array& k, const array& v) {
  for (const array* a : {&q, &k, &v}) {
    check(a->ndim() == 4, kName, "wants arrays of rank 4, got shape {}.", a->shape());
  }
  check(k.shape(0) == q.shape(0) && v.shape(0) == q.shape(0), kName,
        "batches of queries {}, keys {} and values {} differ.", q.shape(), k.shape(), v.shape());
  check(k.shape(3) == q.shape(3), kName, "the last dimensions of queries {} and keys {} differ.",
        q.shape(), k.shape());
  check(k.shape(1) == v.shape(1) && k.shape(2) == v.shape(2), kName,
        "heads or lengths of keys {} and values {} differ.", k.shape(), v.shape());
  const int heads = q.shape(1), kv_heads = k.shape(1);
  check(kv_heads > 0 ? heads % kv_heads == 0 : heads == 0, kName,
        "{} query heads are no multiple of {} KV heads.", heads, kv_heads);
}

Dtype attention_dtype(const array& q, const array& k, const array& v) {
  const Dtype dtype = promote_types(q.dtype(), promote_types(k.dtype(), v.dtype()));
  check(issubdtype(dtype, floating), kName, "is defined for floating dtypes, got {}, {} and {}.",
        q.dtype(), k.dtype(), v.dtype());
  return dtype;
}

void check_promotes(const array& a, Dtype dtype, const char* what) {
  check(promote_types(a.dtype(), dtype) == dtype, kName, "{} of {} do not promote to {}.", what,
        a.dtype(), dtype);
}

bool stretches_to(const Shape& shape, const Shape& to) {
  const size_t lead = to.size() - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != 1 && shape[i] != to[lead + i]) return false;
  }
  return true;
}

array broadcast_mask(const array& mask, const Shape& scores, Dtype dtype, StreamOrDevice s) {
  check(mask.ndim() <= 4, kName, "wants a mask of at most rank 4, got shape {}.", mask.shape());
  check(stretches_to(mask.shape(), scores), kName, "a mask of shape {} does not broadcast to {}.",
        mask.shape(), scores);
  check_promotes(mask, dtype, "masks");
  return broadcast_to(mask.dtype() == bool_ ? mask : astype(mask, dtype, s), scores, s);
}

}  // namespace

array fast::scaled_dot_product_attention(const array& queries, const array& keys,
                                         const array& values, const float scale,
                                         const std::string& mask_mode,
                                         std::optional<array> mask_arr,
                                         const std::optional<array>& sinks, bool force_fused,
                                         StreamOrDevice s) {
  check_shapes(queries, keys, values);
  const Dtype dtype = attention_dtype(queries, keys, values);
  const bool is_causal = mask_mode == "causal";
  check(mask_mode == "" || mask_mode == "array" || is_causal, kName,
        "knows the mask modes '', 'causal' and 'array', got '{}'.", mask_mode);
  check(!is_causal || !mask_arr, kName, "takes no mask in the mode 'causal'.");
  check(mask_mode != "array" || mask_arr, kName, "wants a mask in the mode 'array'.");
  check(!force_fused, kName, "force_fused would require a GPU.");

  Stream stream = to_stream(s);
  std::vector<array> inputs;
  for (const array* a : {&queries, &keys, &values}) inputs.push_back(astype(*a, dtype, stream));
  const int batch = queries.shape(0), heads = queries.shape(1), n_queries = queries.shape(2);
  if (mask_arr) {
    const Shape scores = {batch, heads, n_queries, keys.shape(2)};
    inputs.push_back(broadcast_mask(*mask_arr, scores, dtype, stream));
  }
  if (sinks) {
    check(sinks->ndim() == 1 && sinks->shape(0) == heads, kName,
          "wants a sink for each of {} query heads, got shape {}.", heads, sinks->shape());
    check_promotes(*sinks, dtype, "sinks");
    inputs.push_back(astype(*sinks, dtype, stream));
  }
  const ops::Attention op{scale, is_causal, mask_arr.has_value(), sinks.has_value()};
  return make_node(Op(kKernelClass<ops::Attention>, op), stream,
                   {batch, heads, n_queries, values.shape(3)}, dtype, inputs);
}

}  // namespace tarn
