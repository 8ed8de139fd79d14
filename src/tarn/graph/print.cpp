#include "tarn/graph/print.h"

#include <fmt/format.h>

#include <functional>
#include <mutex>
#include <ostream>
#include <unordered_set>

#include "tarn/graph/eval.h"
#include "tarn/graph/primitive.h"

namespace tarn {

namespace {

constexpr int kEdge = 3;  // entries shown at either end of a long axis

std::mutex g_options_mutex;
PrintOptions g_options;

std::string text_of(float value, int precision) {
  return precision < 0 ? fmt::format("{:.6g}", value) : fmt::format("{:.{}f}", value, precision);
}
std::string text_of(double value, int precision) {
  return precision < 0 ? fmt::format("{:.6g}", value) : fmt::format("{:.{}f}", value, precision);
}
std::string text_of(complex64_t value, int precision) {
  std::string imaginary = text_of(value.imag(), precision);
  return text_of(value.real(), precision) + (imaginary[0] == '-' ? "" : "+") + imaginary + "j";
}
std::string text_of(bool value, int) { return value ? "true" : "false"; }
std::string text_of(float16_t value, int precision) { return text_of(float(value), precision); }
std::string text_of(bfloat16_t value, int precision) { return text_of(float(value), precision); }
template <class T>
requires std::is_integral_v<T> std::string text_of(T value, int) {
  return fmt::format("{}", value);
}

// Writes the sub-array of `axis` and below whose first element is at `element` (in elements).
void write_values(std::string& text, const array& a, size_t axis, int64_t element, int precision) {
  if (axis == a.ndim()) {
    visit(a.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      text += text_of(a.data<T>()[element], precision);
    });
    return;
  }
  bool is_last = axis + 1 == a.ndim();
  std::string separator = is_last ? ", " : ",\n" + std::string(7 + axis, ' ');
  int n = a.shape()[axis];
  text += '[';
  for (int i = 0; i < n; ++i) {
    if (i > 0) text += separator;
    if (n > 2 * kEdge && i == kEdge) {
      text += "...";
      i = n - kEdge - 1;
      continue;
    }
    write_values(text, a, axis + 1, element + i * a.strides()[axis], precision);
  }
  text += ']';
}

// Calls visit(node) for each node behind `outputs`, inputs first, without recursion.
void for_each_node(const std::vector<array>& outputs,
                   const std::function<void(const array&)>& visit) {
  std::unordered_set<std::uintptr_t> seen;
  std::vector<std::pair<array, size_t>> path;
  for (const array& output : outputs) {
    if (seen.insert(output.primitive_id()).second) path.emplace_back(output, 0);
    while (!path.empty()) {
      auto& [node, next] = path.back();
      if (next < node.inputs().size()) {
        array input = node.inputs()[next++];
        if (seen.insert(input.primitive_id()).second) path.emplace_back(std::move(input), 0);
      } else {
        visit(node);
        path.pop_back();
      }
    }
  }
}

}  // namespace

void set_printoptions(PrintOptions options) {
  std::lock_guard lock(g_options_mutex);
  g_options = options;
}

PrintOptions get_printoptions() {
  std::lock_guard lock(g_options_mutex);
  return g_options;
}

std::ostream& operator<<(std::ostream& os, array a) {
  a.eval();
  std::string text = "array(";
  write_values(text, a, 0, 0, get_printoptions().precision);
  return os << text << ", dtype=" << dtype_name(a.dtype()) << ')';
}

std::ostream& operator<<(std::ostream& os, float16_t x) {
  return os << text_of(x, get_printoptions().precision);
}
std::ostream& operator<<(std::ostream& os, bfloat16_t x) {
  return os << text_of(x, get_printoptions().precision);
}
std::ostream& operator<<(std::ostream& os, complex64_t x) {
  return os << text_of(x, get_printoptions().precision);
}
std::ostream& operator<<(std::ostream& os, const Device& d) { return os << to_string(d); }
std::ostream& operator<<(std::ostream& os, const Stream& s) { return os << to_string(s); }

const std::string& NodeNamer::get_name(const array& x) {
  auto [entry, is_new] = names.try_emplace(x.id());
  if (is_new) {
    // A … Z, AA, AB, …
    for (size_t n = names.size(); n > 0; n = (n - 1) / 26) {
      entry->second.insert(entry->second.begin(), char('A' + (n - 1) % 26));
    }
  }
  return entry->second;
}

void print_graph(std::ostream& os, NodeNamer namer, const std::vector<array>& outputs) {
  auto list = [&](const auto& arrays) {
    std::string text;
    for (const array& a : arrays) {
      text += fmt::format("{}{}{} {}", text.empty() ? "" : ", ", namer.get_name(a),
                          to_string(a.shape()), dtype_name(a.dtype()));
    }
    return text;
  };
  for_each_node(outputs, [&](const array& node) {
    if (!node.has_primitive()) return;
    os << fmt::format("{} {} -> {}\n", name_of(node.node()), list(node.inputs()),
                      list(node.outputs()));
  });
}

void print_graph(std::ostream& os, const std::vector<array>& outputs) {
  print_graph(os, {}, outputs);
}

void export_to_dot(std::ostream& os, NodeNamer namer, const std::vector<array>& outputs) {
  os << "digraph {\n";
  for_each_node(outputs, [&](const array& node) {
    for (const array& output : node.outputs()) {
      os << fmt::format("  {0} [label=\"{0} {1} {2}\"];\n", namer.get_name(output),
                        to_string(output.shape()), dtype_name(output.dtype()));
    }
    if (!node.has_primitive()) return;
    std::uintptr_t op = node.primitive_id();
    os << fmt::format("  op{} [label=\"{}\", shape=rectangle];\n", op, name_of(node.node()));
    for (const array& input : node.inputs())
      os << fmt::format("  {} -> op{};\n", namer.get_name(input), op);
    for (const array& output : node.outputs())
      os << fmt::format("  op{} -> {};\n", op, namer.get_name(output));
  });
  os << "}\n";
}

void export_to_dot(std::ostream& os, const std::vector<array>& outputs) {
  export_to_dot(os, {}, outputs);
}

}  // namespace tarn
