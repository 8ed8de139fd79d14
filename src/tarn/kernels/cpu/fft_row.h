// One transform whose elements follow each other, spread over the cores.
#pragma once

#include <cstdint>
#include <memory>
#include <new>

namespace tarn::cpu {

// Memory for packs of floats, not initialized.
class FloatScratch {
 public:
  explicit FloatScratch(int64_t n)
      : data_(static_cast<float*>(::operator new(size_t(n) * sizeof(float), kAlignment))) {}
  float* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t kAlignment{64};
  struct Delete {
    void operator()(float* p) const { ::operator delete(p, kAlignment); }
  };
  std::unique_ptr<float, Delete> data_;
};

// Of n complex numbers, pairs of floats, times `scale`. `in` may be `out`.
void transform_row(const float* in, int64_t n, bool is_inverse, float scale, float* out);

}  // namespace tarn::cpu
