// What operations of a program's own use beside Primitive, in MLX's shape: the encoder of their
// work, and macros that declare overrides. Not part of tarn.h.
#pragma once

#include <functional>
#include <iterator>
#include <utility>
#include <vector>

#include "tarn/base/device.h"
#include "tarn/graph/array.h"
#include "tarn/graph/primitive.h"

namespace tarn::cpu {

// Takes the work of one eval_cpu. That runs on the stream's thread already, so dispatch calls what
// it is given at once; what that throws leaves dispatch and becomes the failure of the node.
class CommandEncoder {
 public:
  explicit CommandEncoder(Stream stream) : stream_(stream) {}
  CommandEncoder(const CommandEncoder&) = delete;
  CommandEncoder& operator=(const CommandEncoder&) = delete;

  // The evaluation keeps inputs and outputs alive by itself.
  void set_input_array(const array&) {}
  void set_output_array(array&) {}
  // Kept until eval_cpu has returned.
  void add_temporary(array arr) { temporaries_.push_back(std::move(arr)); }
  void add_temporaries(std::vector<array> arrays) {
    std::move(arrays.begin(), arrays.end(), std::back_inserter(temporaries_));
  }
  std::vector<array>& temporaries() { return temporaries_; }

  template <class F, class... Args>
  void dispatch(F&& f, Args&&... args) {
    std::invoke(std::forward<F>(f), args...);  // which have names, as if they were bound
  }

  Stream stream() const { return stream_; }

 private:
  const Stream stream_;
  std::vector<array> temporaries_;
};

// That of the operation which the calling thread evaluates. Throws std::invalid_argument if there
// is none, or if it is on another stream.
CommandEncoder& get_command_encoder(Stream s);

}  // namespace tarn::cpu

// For classes derived from Primitive. Those that declare want a definition elsewhere.
#define DEFINE_VMAP()                                           \
  std::pair<std::vector<::tarn::array>, std::vector<int>> vmap( \
      const std::vector<::tarn::array>& inputs, const std::vector<int>& axes) override;
#define DEFINE_GRADS()                                                                         \
  std::vector<::tarn::array> jvp(const std::vector<::tarn::array>& primals,                    \
                                 const std::vector<::tarn::array>& tangents,                   \
                                 const std::vector<int>& argnums) override;                    \
  std::vector<::tarn::array> vjp(                                                              \
      const std::vector<::tarn::array>& primals, const std::vector<::tarn::array>& cotangents, \
      const std::vector<int>& argnums, const std::vector<::tarn::array>& outputs) override;
#define DEFINE_DEFAULT_IS_EQUIVALENT() \
  bool is_equivalent(const ::tarn::Primitive&) const override { return true; }
#define DEFINE_INPUT_OUTPUT_SHAPE()                                                             \
  std::vector<::tarn::Shape> output_shapes(const std::vector<::tarn::array>& inputs) override { \
    return {inputs[0].shape()};                                                                 \
  }
#define DEFINE_NAME(PRIMITIVE) \
  const char* name() const override { return #PRIMITIVE; }
