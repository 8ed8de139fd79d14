// LAPACK's iterative decompositions of float32 matrices, which can be made to fail.
#pragma once

namespace tarn::contract {

// While it lives, no decomposition converges: each says so and leaves no result. One at a time.
class NoConvergence {
 public:
  NoConvergence();
  ~NoConvergence();
  NoConvergence(const NoConvergence&) = delete;
  NoConvergence& operator=(const NoConvergence&) = delete;
};

}  // namespace tarn::contract
