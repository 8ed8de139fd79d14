// Skips all model tests in a build with ThreadSanitizer: virtual threads are one OS thread, in
// which it finds nothing, and a fiber costs it a millisecond.
#include <gtest/gtest.h>

#include "fiber.h"

#if defined(TARN_MODEL_TSAN)
namespace tarn::model {
namespace {

class SkipAll : public testing::Environment {
 public:
  void SetUp() override {
    GTEST_SKIP()
        << "the model checker does not run under ThreadSanitizer; it checks for races itself";
  }
};

[[maybe_unused]] const testing::Environment* const skip_all =
    testing::AddGlobalTestEnvironment(new SkipAll);

}  // namespace
}  // namespace tarn::model
#endif
