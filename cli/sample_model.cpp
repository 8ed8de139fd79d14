#include "cli/sample_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace tarn::cli {

namespace {

constexpr int64_t kQueriesPerKey = 4;  // heads of queries that share a head of keys
constexpr int64_t kMaxLayers = 128;

class ModelBuilder {
 public:
  explicit ModelBuilder(uint64_t nbytes) {
    // The widest of the usual models that still has some layers, in three quarters of the bytes.
    constexpr int64_t kWidest = 8192, kNarrowest = 64, kFewLayers = 8;
    int64_t n_layers = 0;
    for (hidden_ = kWidest;; hidden_ /= 2) {
      n_layers = int64_t(nbytes / 4 * 3 / layer_nbytes());
      if (n_layers >= kFewLayers || hidden_ == kNarrowest) break;
    }
    for (int64_t i = 0; i < std::clamp<int64_t>(n_layers, 1, kMaxLayers); ++i) add_layer(i);
    add("model.norm.weight", {hidden_}, float32, 1, 0.1);
    // The tables of tokens take what is left.
    uint64_t taken = 0;
    for (const SampleTensor& tensor : tensors) taken += tensor.nbytes();
    const uint64_t token_nbytes = 2 * 2 * uint64_t(hidden_);
    const int64_t n_tokens = nbytes > taken ? int64_t((nbytes - taken) / token_nbytes) : 0;
    for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"}) {
      add(name, {std::max<int64_t>(n_tokens, 1), hidden_}, bfloat16, 0, 0.02);
    }
  }

  std::vector<SampleTensor> tensors;

 private:
  int64_t inner() const { return hidden_ * 11 / 4; }
  uint64_t layer_nbytes() const {
    const int64_t attention = 2 * hidden_ * hidden_ * (kQueriesPerKey + 1) / kQueriesPerKey;
    return 2 * uint64_t(attention + 3 * hidden_ * inner());
  }

  void add_layer(int64_t layer) {
    const std::string prefix = fmt::format("model.layers.{}.", layer);
    const double scale = 1 / std::sqrt(double(hidden_));
    const Dtype attention = layer % 4 == 1 ? float16 : bfloat16;
    add(prefix + "input_layernorm.weight", {hidden_}, float32, 1, 0.1);
    for (const char name : {'q', 'k', 'v', 'o'}) {
      const bool is_narrow = name == 'k' || name == 'v';
      add(fmt::format("{}self_attn.{}_proj.weight", prefix, name),
          {is_narrow ? hidden_ / kQueriesPerKey : hidden_, hidden_}, attention, 0, scale);
    }
    add(prefix + "post_attention_layernorm.weight", {hidden_}, float32, 1, 0.1);
    add_mlp(prefix + "mlp.gate_proj.weight", inner(), hidden_, layer, scale);
    add_mlp(prefix + "mlp.up_proj.weight", inner(), hidden_, layer, scale);
    add_mlp(prefix + "mlp.down_proj.weight", hidden_, inner(), layer, scale);
  }

  void add_mlp(const std::string& name, int64_t rows, int64_t columns, int64_t layer,
               double scale) {
    constexpr double kInt8Scale = 32, kFloat8Scale = 16;
    if (layer % 8 == 3) {
      add(name, {rows, columns}, int8, 0, kInt8Scale);
      add(name + "_scale", {rows}, float32, scale / kInt8Scale, 0.1 * scale / kInt8Scale);
    } else if (layer % 8 == 6) {
      add(name, {rows, columns}, uint8, 0, kFloat8Scale);
      tensors.back().spec.dtype_name = "F8_E4M3";
      add(name + "_scale", {1}, float32, scale / kFloat8Scale, 0);
    } else {
      add(name, {rows, columns}, bfloat16, 0, scale);
    }
  }

  void add(std::string name, std::vector<int64_t> shape, Dtype dtype, double mean, double scale) {
    tensors.push_back({{std::move(name), dtype, std::move(shape)}, mean, scale});
  }

  int64_t hidden_;
};

}  // namespace

uint64_t SampleTensor::nbytes() const {
  uint64_t nbytes = spec.dtype.size();
  for (const int64_t dim : spec.shape) nbytes *= uint64_t(dim);
  return nbytes;
}

std::vector<SampleTensor> sample_model(uint64_t nbytes) { return ModelBuilder(nbytes).tensors; }

}  // namespace tarn::cli
