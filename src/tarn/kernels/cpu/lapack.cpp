#include "tarn/kernels/cpu/lapack.h"

#include <fmt/format.h>

#include <cassert>
#include <cstdlib>
#include <limits>
#include <mutex>
#include <string_view>

#include "tarn/base/failure.h"

// Of OpenBLAS builds that choose among processors when they are loaded.
extern "C" {
[[gnu::weak]] int gotoblas_dynamic_init();
[[gnu::weak]] void gotoblas_dynamic_quit();
}

namespace tarn::cpu {

namespace {

// OpenBLAS knows processors by their model, and gives one that is younger than itself the loops of
// the Prescott of 2004, a third or a quarter as fast. It is asked again with the name of a core
// that has the same instructions; the variable is the only way to tell it. All this before main,
// where nobody else reads the environment or multiplies.
[[gnu::constructor]] void choose_openblas_core() {
  if (gotoblas_dynamic_init == nullptr || gotoblas_dynamic_quit == nullptr) return;
  constexpr const char* kVariable = "OPENBLAS_CORETYPE";
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  const bool is_mistaken = std::string_view(openblas_get_corename()) == "Prescott" && has_avx2;
  if (!is_mistaken || std::getenv(kVariable) != nullptr) return;
  if (setenv(kVariable, has_avx512 ? "SkylakeX" : "Haswell", 1) != 0) return;
  gotoblas_dynamic_quit();
  gotoblas_dynamic_init();
  unsetenv(kVariable);
}

struct OpenBlasSetting {
  std::mutex mutex;
  int n_objects = 0;
  int n_threads_before = 1;
};
OpenBlasSetting& openblas_setting() {
  static OpenBlasSetting setting;
  return setting;
}

}  // namespace

NoOpenBlasThreads::NoOpenBlasThreads() {
  OpenBlasSetting& setting = openblas_setting();
  const std::lock_guard lock(setting.mutex);
  if (setting.n_objects++ > 0) return;
  setting.n_threads_before = openblas_get_num_threads();
  openblas_set_num_threads(1);
}

NoOpenBlasThreads::~NoOpenBlasThreads() {
  OpenBlasSetting& setting = openblas_setting();
  const std::lock_guard lock(setting.mutex);
  if (--setting.n_objects == 0) openblas_set_num_threads(setting.n_threads_before);
}

void copy_by_rows(const View& matrix, void* to) {
  const int64_t strides[] = {columns(matrix), 1};
  copy(matrix, {to, matrix.shape, strides, 2, matrix.dtype, matrix.size});
}

void copy_by_columns(const View& matrix, void* to) {
  const int64_t strides[] = {1, rows(matrix)};
  copy(matrix, {to, matrix.shape, strides, 2, matrix.dtype, matrix.size});
}

void copy_from_columns(const void* from, int64_t stride, const View& to) {
  const int64_t strides[] = {1, stride};
  copy({const_cast<void*>(from), to.shape, strides, 2, to.dtype, to.size}, to);
}

lapack_int workspace_size(const char* op, double wanted) {
  // LAPACK tells the size as a floating number, which may have been rounded down.
  const double size = wanted * (1 + std::numeric_limits<float>::epsilon()) + 1;
  if (size > std::numeric_limits<lapack_int>::max()) {
    throw OperationError(
        FailureKind::operation,
        fmt::format("[{}] matrices so large need more work space than LAPACK can count", op));
  }
  return static_cast<lapack_int>(size);
}

void throw_defect(const char* op, int64_t batch, const Defect& defect,
                  const std::string& description) {
  assert(defect.info > 0 || defect.info == kNotFinite || defect.info == kOverflow);
  const std::string which =
      batch == 1 ? "the matrix" : fmt::format("matrix {} of the batch", defect.matrix);
  const std::string why = defect.info == kNotFinite  ? "has an element that is not finite"
                          : defect.info == kOverflow ? "has a result that overflows"
                                                     : description;
  throw OperationError(FailureKind::numerical, fmt::format("[{}] {} {}", op, which, why));
}

}  // namespace tarn::cpu
