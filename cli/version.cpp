// tarn --version: what this build computes with.
#include "tarn/base/version.h"

#include <fmt/format.h>

#include <CLI/Version.hpp>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "tarn/runtime/components.h"

namespace tarn::cli {

std::string version_text() {
  std::string text = fmt::format("tarn {}\n", version());
  const Components components = installed_components();
  text += fmt::format("instruction set: {}\nthreads: {}\nlibraries:", components.isa,
                      components.n_threads);
  for (const auto& [name, number] : components.libraries) {
    text += fmt::format("\n  {} {}", name, number);
  }
  return text + fmt::format("\n  fmt {}.{}.{}\n  nlohmann-json {}.{}.{}\n  CLI11 {}",
                            FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100,
                            NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                            NLOHMANN_JSON_VERSION_PATCH, CLI11_VERSION);
}

}  // namespace tarn::cli
