#include "tarn/base/version.h"

#define TARN_TEXT(x) #x
#define TARN_VERSION_TEXT(major, minor, patch) \
  TARN_TEXT(major) "." TARN_TEXT(minor) "." TARN_TEXT(patch)

namespace tarn {

const char* version() {
  return TARN_VERSION_TEXT(TARN_VERSION_MAJOR, TARN_VERSION_MINOR, TARN_VERSION_PATCH);
}

}  // namespace tarn
