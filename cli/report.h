// What commands say about an inventory: as JSON, and in words.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

#include "cli/inventory.h"
#include "cli/scan.h"

namespace tarn::cli {

using Json = nlohmann::ordered_json;

// The fields of the record.
Json failure_json(const Failure& failure);
// `name`, `dtype`, `shape`, `file`, `offset` and `nbytes`, null where unknown; with `failure` if
// there is one.
Json tensor_json(const Inventory& inventory, const TensorRow& row);
// Adds `min`, `max`, `mean`, `std`, `zeros`, `nan` and `inf` of a tensor that was read; null where
// there is no number, or nobody can tell.
void add_stats(Json& tensor, const TensorRow& row);
// Adds `nbytes_read`, `seconds` and `ended_by`: null, or the kind of failure.
void add_scan(Json& summary, const ScanResult& result);
// `files`, `tensors`, `nbytes`, `failed_tensors`, and what is wrong: `failed_files` and `problems`.
Json summary_json(const Inventory& inventory);
void print_json(const Json& json);
// {"tensors": […], "summary": …}: a tensor in a line, made when it is printed, because there may be
// very many. `add_to` gives those that have not failed more members.
using AddTo = std::function<void(Json& tensor, const TensorRow& row)>;
void print_json(const Inventory& inventory, const AddTo& add_to, const Json& summary);

// The distance from the mean, in the root mean square. NaN if there is no number.
double standard_deviation(const TensorStats& stats);
// Of integers, whose extremes come with a rest.
__int128 exact_integer(double extreme, double rest);

// "io: the file ends at byte 12: …", in one line.
std::string failure_text(const Failure& failure);
// All failures of files and tensors, and all problems, with an empty line before each of the two.
void print_failures(const Inventory& inventory);
// "12 tensors, 1.5 GiB in 3 files; 2 failed"
std::string summary_text(const Inventory& inventory);

}  // namespace tarn::cli
