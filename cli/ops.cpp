// tarn ops: the operations there are, from the lists that the library is made of.
#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/report.h"
#include "cli/text.h"
#include "tarn/ops/elementwise_op.h"
#include "tarn/ops/kernel_ops.h"
#include "tarn/ops/shape_ops.h"

namespace tarn::cli {

namespace {

struct OpRow {
  const char* family;
  OpInfo info;
  DtypeKinds accepts = kAllKinds;
};

std::vector<OpRow> all_ops() {
  std::vector<OpRow> rows;
  constexpr const char* kFamilies[] = {"unary", "binary", "ternary"};
  for (const ElementwiseTraits& traits : kElementwiseTraits) {
    rows.push_back({kFamilies[traits.arity - 1], traits.info, traits.dtypes.accepts});
  }
  for (const OpInfo& info : kReduceInfo) rows.push_back({"reduction", info});
#define TARN_ROW(Type) rows.push_back({"kernel", ops::Type::info});
  TARN_KERNEL_OPS(TARN_ROW)
#undef TARN_ROW
#define TARN_ROW(Type) rows.push_back({"shape", ops::Type::info});
  TARN_SHAPE_OPS(TARN_ROW)
#undef TARN_ROW
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
