#include "cli/report.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "cli/text.h"

namespace tarn::cli {

namespace {

// -1 in a record means unknown.
Json known(int64_t value) { return value < 0 ? Json() : Json(value); }

std::string where_text(const Failure& failure) {
  std::vector<std::string> parts;
  if (failure.offset >= 0) parts.push_back(fmt::format("offset {}", failure.offset));
  if (failure.wanted >= 0) parts.push_back(fmt::format("wanted {} bytes", failure.wanted));
  if (failure.got >= 0) parts.push_back(fmt::format("got {}", failure.got));
  if (failure.error_number != 0) {
    parts.push_back(
        fmt::format("errno {} ({})", failure.error_number, std::strerror(failure.error_number)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

void print_failure(std::string_view subject, const Failure& failure) {
  fmt::print("  {}\n    {}\n", printable(subject), failure_text(failure));
  const std::string where = where_text(failure);
  if (!where.empty())
    fmt::print("    {}{}{}\n", printable(failure.path), failure.path.empty() ? "" : ": ", where);
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

void add_stats(Json& tensor, const TensorStats& stats) {
  const auto of_numbers = [&](double value) { return stats.finite > 0 ? Json(value) : Json(); };
  tensor["min"] = of_numbers(stats.min);
  tensor["max"] = of_numbers(stats.max);
  tensor["mean"] = of_numbers(stats.mean);
  tensor["std"] = of_numbers(standard_deviation(stats));
  tensor["zeros"] = uint64_t(stats.zeros);
  tensor["nan"] = uint64_t(stats.nan);
  tensor["inf"] = uint64_t(stats.inf);
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
          {"failed", inventory.n_failed()},
          {"failed_files", std::move(failed_files)},
          {"problems", std::move(problems)}};
}

void print_json(const Json& json) {
  // Paths need not be UTF-8.
  fmt::print("{}\n", json.dump(2, ' ', false, Json::error_handler_t::replace));
}

double standard_deviation(const TensorStats& stats) {
  return stats.finite > 0 ? std::sqrt(stats.m2 / stats.finite)
                          : std::numeric_limits<double>::quiet_NaN();
}

std::string failure_text(const Failure& failure) {
  return fmt::format("{}: {}", failure_kind_name(failure.kind), printable(failure.message));
}

void print_failures(const Inventory& inventory) {
  const size_t n_failed = inventory.n_failed();
  if (n_failed > 0) fmt::print("\n{} failed:\n", count_text(double(n_failed)));
  for (const FileRow& file : inventory.files) {
    if (file.failure) print_failure(file.path, *file.failure);
  }
  // The tensors of one broken file, or of one cancelled run, share a record.
  std::set<const Failure*> told;
  for (const FileRow& file : inventory.files) told.insert(file.failure.get());
  for (const TensorRow& row : inventory.tensors) {
    if (!row.failure) continue;
    if (told.insert(row.failure.get()).second) {
      print_failure(row.place.name, *row.failure);
    } else {
      fmt::print("  {}\n    as before\n", printable(row.place.name));
    }
  }
  if (!inventory.problems.empty()) {
    fmt::print("\n{}:\n", quantity_text(inventory.problems.size(), "problem"));
  }
  for (const Problem& problem : inventory.problems) {
    fmt::print("  {}{}{} {}\n", printable(problem.file), problem.tensor.empty() ? ":" : ": ",
               printable(problem.tensor), problem.message);
  }
}

std::string summary_text(const Inventory& inventory) {
  std::string text =
      fmt::format("{}, {} in {}", quantity_text(inventory.tensors.size(), "tensor"),
                  bytes_text(inventory.nbytes()), quantity_text(inventory.files.size(), "file"));
  if (inventory.n_failed() > 0) text += fmt::format("; {} failed", inventory.n_failed());
  return text;
}

}  // namespace tarn::cli
