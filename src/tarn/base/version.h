// The version of this library. CMakeLists.txt reads it from here.
#pragma once

#define TARN_VERSION_MAJOR 0
#define TARN_VERSION_MINOR 1
#define TARN_VERSION_PATCH 0
#define TARN_VERSION_NUMERIC \
  (100000 * TARN_VERSION_MAJOR + 1000 * TARN_VERSION_MINOR + TARN_VERSION_PATCH)

namespace tarn {

// "major.minor.patch" of the library that is loaded, which may be newer than the macros the caller
// was compiled with.
const char* version();

}  // namespace tarn
