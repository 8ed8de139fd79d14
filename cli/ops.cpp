// tarn ops: the operations there are, from the lists that the library is made of. All run on the
// CPU; none has rules for derivatives or vmap.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <type_traits>

#include "cli/commands.h"
#include "cli/report.h"
#include "cli/text.h"
#include "tarn/ops/composed.h"
#include "tarn/ops/elementwise_op.h"
#include "tarn/ops/graph_ops.h"
#include "tarn/ops/kernel_ops.h"
#include "tarn/ops/shape_ops.h"

namespace tarn::cli {

namespace {

struct OpRow {
  const char* family;
  OpInfo info;
  DtypeKinds accepts = kAllKinds;
};

// Kernels of functions that are listed by their own names.
template <class T>
constexpr bool kHasOtherNames =
    std::is_same_v<T, ops::Reduce> || std::is_same_v<T, ops::ArgReduce> ||
    std::is_same_v<T, ops::Scan> || std::is_same_v<T, ops::RandomBits> ||
    std::is_same_v<T, ops::RandomUniform> || std::is_same_v<T, ops::ScatterAxis>;

template <class T>
void add_row(std::vector<OpRow>& rows, const char* family) {
  if constexpr (kHasOtherNames<T>) return;
  if constexpr (requires { T::accepts; }) {
    rows.push_back({family, T::info, T::accepts});
  } else {
    rows.push_back({family, T::info});
  }
}

std::vector<OpRow> all_ops() {
  std::vector<OpRow> rows;
  for (const ElementwiseTraits& traits : kElementwiseTraits) {
    rows.push_back({"elementwise", traits.info, traits.dtypes.accepts});
  }
  for (const OpInfo& info : kReduceInfo) rows.push_back({"reduce", info});
  for (const OpInfo& info : kScanInfo) rows.push_back({"scan", info});
  for (const OpInfo& info : kForwardingInfo) rows.push_back({"graph", info});
#define TARN_ROW(Type) add_row<ops::Type>(rows, "kernel");
  TARN_KERNEL_OPS(TARN_ROW)
#undef TARN_ROW
#define TARN_ROW(Type) add_row<ops::Type>(rows, "shape");
  TARN_SHAPE_OPS(TARN_ROW)
#undef TARN_ROW
  for (const ComposedOp& op : kComposedOps) rows.push_back({op.family, op.info, op.accepts});
  std::sort(rows.begin(), rows.end(), [](const OpRow& a, const OpRow& b) {
    return std::string_view(a.info.name) < b.info.name;
  });
  return rows;
}

std::string dtypes_text(DtypeKinds kinds) {
  if (kinds == kAllKinds) return "all";
  constexpr std::pair<DtypeKinds, const char*> kNames[] = {{kBoolKind, "bool"},
                                                           {kUnsignedKind, "unsigned"},
                                                           {kSignedKind, "signed"},
                                                           {kFloatingKind, "floating"},
                                                           {kComplexKind, "complex"}};
  std::string text;
  for (const auto& [kind, name] : kNames) {
    if ((kinds & kind) != 0) text += (text.empty() ? "" : ", ") + std::string(name);
  }
  return text;
}

}  // namespace

int run_ops(bool json) {
  const std::vector<OpRow> rows = all_ops();
  if (json) {
    Json ops = Json::array();
    for (const OpRow& row : rows) {
      ops.push_back({{"name", row.info.name},
                     {"arguments", row.info.args},
                     {"family", row.family},
                     {"dtypes", dtypes_text(row.accepts)},
                     {"devices", {"cpu"}},
                     {"derivative", false},
                     {"vmap", false},
                     {"doc", row.info.doc}});
    }
    print_json({{"ops", std::move(ops)}});
    return kAllWell;
  }
  Table table({{"operation"}, {"family"}, {"dtypes"}, {"what it gives"}});
  for (const OpRow& row : rows) {
    table.add({fmt::format("{}({})", row.info.name, row.info.args), row.family,
               dtypes_text(row.accepts), row.info.doc});
  }
  table.print();
  return kAllWell;
}

}  // namespace tarn::cli
