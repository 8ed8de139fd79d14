// What a backend computes with on this machine, for people who report or compare results.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace tarn {

struct Components {
  std::string isa;  // as in TARN_ISA
  int n_threads;
  std::vector<std::pair<std::string, std::string>> libraries;  // name and version
};

// Defined by the composition root. Throws std::runtime_error if the CPU can run no kernel.
Components installed_components();

}  // namespace tarn
