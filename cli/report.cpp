#include "cli/report.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "cli/text.h"

namespace tarn::cli {

namespace {

// In ASCII: names may have what steers a terminal, and paths need not be UTF-8.
std::string to_text(const Json& json, int indent) {
  return json.dump(indent, ' ', true, Json::error_handler_t::replace);
}

// -1 in a record means unknown.
Json known(int64_t value) { return value < 0 ? Json() : Json(value); }

// What the message does not say.
std::string rest_text(const Failure& failure) {
  std::vector<std::string> parts;
  const auto add = [&](std::string part) {
    if (failure.message.find(part) == std::string::npos) parts.push_back(std::move(part));
  };
  if (!failure.path.empty()) add(failure.path);
  if (failure.offset >= 0) add(fmt::format("offset {}", failure.offset));
  if (failure.wanted >= 0) add(fmt::format("wanted {} bytes", failure.wanted));
  if (failure.got >= 0) add(fmt::format("got {}", failure.got));
  if (failure.error_number != 0) add(fmt::format("errno {}", failure.error_number));
  return fmt::format("{}", fmt::join(parts, ", "));
}

// Files and tensors that share a record: those of one broken file, or of one cancelled run.
struct FailedTogether {
  const Failure* failure;
  std::vector<std::string_view> subjects;
};

std::vector<FailedTogether> failed_together(const Inventory& inventory) {
  std::vector<FailedTogether> groups;
  std::map<const Failure*, size_t> group_of;
  const auto add = [&](const FailurePtr& failure, std::string_view subject) {
    if (!failure) return;
    const auto [found, is_new] = group_of.emplace(failure.get(), groups.size());
    if (is_new) groups.push_back({failure.get(), {}});
    groups[found->second].subjects.push_back(subject);
  };
  for (const FileRow& file : inventory.files) add(file.failure, file.path);
  for (const TensorRow& row : inventory.tensors) add(row.failure, row.place.name);
  return groups;
}

void print_failure(const FailedTogether& group) {
  // A run that ends early leaves more than anybody wants to see.
  constexpr size_t kMaxShown = 20;
  const bool is_end = is_end_of_run(group.failure->kind);
  const size_t n_subjects = group.subjects.size();
  const size_t n_shown = is_end && n_subjects > kMaxShown ? kMaxShown / 2 : n_subjects;
  for (size_t i = 0; i < n_shown; ++i) fmt::print("  {}\n", printable(group.subjects[i]));
  if (n_shown < n_subjects)
    fmt::print("  … and {} more\n", count_text(double(n_subjects - n_shown)));
  const std::string rest = rest_text(*group.failure);
  fmt::print("    {}{}\n", failure_text(*group.failure),
             rest.empty() ? std::string() : fmt::format(" ({})", printable(rest)));
}

std::string failed_text(const Inventory& inventory) {
  const size_t n_files = inventory.n_failed_files(), n_tensors = inventory.n_failed_tensors();
  std::string text;
  if (n_files > 0) text += quantity_text(n_files, "file");
  if (n_files > 0 && n_tensors > 0) text += " and ";
  if (n_tensors > 0) text += quantity_text(n_tensors, "tensor");
  return text + " failed";
}

}  // namespace

Json failure_json(const Failure& failure) {
  Json inputs = Json::array();
  for (const InputSpec& input : failure.inputs) {
    inputs.push_back({{"shape", std::vector<int>(input.shape.begin(), input.shape.end())},
                      {"dtype", dtype_name(input.dtype)}});
  }
  return {{"kind", failure_kind_name(failure.kind)},
          {"message", failure.message},
          {"op", failure.op},
          {"node", failure.node},
          {"stream", failure.stream.index},
          {"device", to_string(failure.device)},
          {"inputs", std::move(inputs)},
          {"path", failure.path},
          {"tensor", failure.tensor},
          {"offset", known(failure.offset)},
          {"wanted", known(failure.wanted)},
          {"got", known(failure.got)},
          {"error_number", failure.error_number},
          {"origin", failure.origin}};
}

Json tensor_json(const Inventory& inventory, const TensorRow& row) {
  Json json{{"name", row.place.name}, {"dtype", nullptr},
            {"shape", nullptr},       {"file", inventory.files[row.file].path},
            {"offset", nullptr},      {"nbytes", nullptr}};
  if (row.is_known()) {
    json["dtype"] = row.dtype;
    json["shape"] = row.place.shape;
    json["offset"] = row.place.begin;
    json["nbytes"] = row.place.nbytes;
  }
  if (row.failure) json["failure"] = failure_json(*row.failure);
  return json;
}

void add_stats(Json& tensor, const TensorRow& row) {
  const TensorStats& stats = row.stats;
  const auto of_numbers = [&](double value) { return stats.finite > 0 ? Json(value) : Json(); };
  const auto extreme = [&](double value, double rest) {
    if (stats.finite == 0 || !row.has_integers()) return of_numbers(value);
    const __int128 exact = exact_integer(value, rest);
    return exact < 0 ? Json(int64_t(exact)) : Json(uint64_t(exact));
  };
  tensor["min"] = extreme(stats.min, stats.min_rest);
  tensor["max"] = extreme(stats.max, stats.max_rest);
  tensor["mean"] = of_numbers(stats.mean);
  tensor["std"] = of_numbers(standard_deviation(stats));
  const auto of_counts = [&](double count) { return row.format ? Json(uint64_t(count)) : Json(); };
  tensor["zeros"] = of_counts(stats.zeros);
  tensor["nan"] = of_counts(stats.nan);
  tensor["inf"] = of_counts(stats.inf);
}

void add_scan(Json& summary, const ScanResult& result) {
  summary["nbytes_read"] = result.nbytes_read;
  summary["seconds"] = result.seconds;
  summary["ended_by"] = result.ended_by ? Json(failure_kind_name(*result.ended_by)) : Json();
}

Json summary_json(const Inventory& inventory) {
  Json failed_files = Json::array();
  for (const FileRow& file : inventory.files) {
    if (file.failure) {
      failed_files.push_back({{"file", file.path}, {"failure", failure_json(*file.failure)}});
    }
  }
  Json problems = Json::array();
  for (const Problem& problem : inventory.problems) {
    problems.push_back(
        {{"file", problem.file}, {"tensor", problem.tensor}, {"message", problem.message}});
  }
  return {{"files", inventory.files.size()},
          {"tensors", inventory.tensors.size()},
          {"nbytes", inventory.nbytes()},
          {"failed_tensors", inventory.n_failed_tensors()},
          {"failed_files", std::move(failed_files)},
          {"problems", std::move(problems)}};
}

void print_json(const Json& json) { fmt::print("{}\n", to_text(json, 2)); }

void print_json(const Inventory& inventory, const AddTo& add_to, const Json& summary) {
  fmt::print("{{\n\"tensors\": [");
  const char* separator = "\n";
  for (const TensorRow& row : inventory.tensors) {
    Json tensor = tensor_json(inventory, row);
    if (!row.failure) add_to(tensor, row);
    fmt::print("{}{}", std::exchange(separator, ",\n"), to_text(tensor, -1));
  }
  fmt::print("\n],\n\"summary\": {}\n}}\n", to_text(summary, 2));
}

double standard_deviation(const TensorStats& stats) {
  return stats.finite > 0 ? std::sqrt(stats.m2 / stats.finite) / stats.scale
                          : std::numeric_limits<double>::quiet_NaN();
}

__int128 exact_integer(double extreme, double rest) { return __int128(extreme) + __int128(rest); }

std::string failure_text(const Failure& failure) {
  return fmt::format("{}: {}", failure_kind_name(failure.kind), printable(failure.message));
}

void print_failures(const Inventory& inventory) {
  if (inventory.has_failed()) fmt::print("\n{}:\n", failed_text(inventory));
  for (const FailedTogether& group : failed_together(inventory)) print_failure(group);
  if (!inventory.problems.empty()) {
    fmt::print("\n{}:\n", quantity_text(inventory.problems.size(), "problem"));
  }
  for (const Problem& problem : inventory.problems) {
    fmt::print("  ");
    if (!problem.file.empty()) fmt::print("{}: ", printable(problem.file));
    if (!problem.tensor.empty()) fmt::print("{} ", printable(problem.tensor));
    fmt::print("{}\n", printable(problem.message));
  }
}

std::string summary_text(const Inventory& inventory) {
  std::string text =
      fmt::format("{}, {} in {}", quantity_text(inventory.tensors.size(), "tensor"),
                  bytes_text(inventory.nbytes()), quantity_text(inventory.files.size(), "file"));
  if (inventory.has_failed()) text += "; " + failed_text(inventory);
  return text;
}

}  // namespace tarn::cli
