// Arrays and graphs as text.
#pragma once

#include <iosfwd>
#include <string>
#include <unordered_map>
#include <vector>

#include "tarn/graph/array.h"

namespace tarn {

struct PrintOptions {
  int precision = -1;  // decimals of floats; negative: six significant digits
};
void set_printoptions(PrintOptions options);
PrintOptions get_printoptions();

// array([[1, 2],
//        [3, 4]], dtype=int32)
// Evaluates. Axes of more than six entries show the first and the last three.
std::ostream& operator<<(std::ostream& os, array a);
std::ostream& operator<<(std::ostream& os, float16_t x);
std::ostream& operator<<(std::ostream& os, bfloat16_t x);
std::ostream& operator<<(std::ostream& os, complex64_t x);
std::ostream& operator<<(std::ostream& os, const Device& d);
std::ostream& operator<<(std::ostream& os, const Stream& s);

// Names of nodes in what follows; those that have none get letters.
struct NodeNamer {
  std::unordered_map<std::uintptr_t, std::string> names;

  const std::string& get_name(const array& x);
  void set_name(const array& x, std::string n) { names[x.id()] = std::move(n); }
};

// The graph behind `outputs`, a node a line, inputs first.
void print_graph(std::ostream& os, NodeNamer namer, const std::vector<array>& outputs);
void print_graph(std::ostream& os, const std::vector<array>& outputs);
// The same for Graphviz.
void export_to_dot(std::ostream& os, NodeNamer namer, const std::vector<array>& outputs);
void export_to_dot(std::ostream& os, const std::vector<array>& outputs);

}  // namespace tarn
