// Random graphs over several streams, with operations that fail, evaluated and retried at random:
// status, root and value of every node must be those of the reference model (P7, P8, P10, P11, P25,
// P26).
#include <gtest/gtest.h>

#include <memory>
#include <random>

#include "tests/contract/programs.h"
#include "tests/contract/reference_model.h"

namespace tarn::model {
namespace {

// Streams are made once: a thousand graphs do not need thousands of them.
Stream stream_number(size_t i) {
  static const std::vector<Stream> streams{contract::cpu_stream(), contract::cpu_stream(),
                                           contract::cpu_stream(), contract::cpu_stream()};
  return streams[i];
}

class RandomGraph {
 public:
  explicit RandomGraph(unsigned seed)
      : random_(seed), n_streams_(2 + pick(3)), failure_rate_(pick(4)) {
    for (int i = 0; i < 3; ++i) add_user();
  }

  void act() {
    const size_t action = pick(20);
    if (action < 12) return add_node();
    const std::vector<size_t> outputs = some_nodes();
    if (action < 14) {
      async_eval(arrays_of(outputs));
      model_.eval(outputs);
    } else if (action < 16) {
      model_.eval(outputs);
      expect_throw(outputs, [&] { eval(arrays_of(outputs)); });
    } else if (action < 17) {
      model_.eval(outputs);
      const EvalReport report = try_eval(arrays_of(outputs));
      for (size_t i = 0; i < outputs.size(); ++i) {
        expect_state(outputs[i], report.arrays[i].status, report.arrays[i].failure);
      }
    } else if (action < 19) {
      contract::settle_everything();  // what has not failed yet is not retried
      model_.retry(outputs);
      expect_throw(outputs, [&] { retry(arrays_of(outputs)); });
    } else {
      drop_a_handle();
    }
  }

  void check() {
    contract::settle_everything();
    for (size_t i = 0; i < model_.size(); ++i) {
      SCOPED_TRACE("node " + std::to_string(i));
      EXPECT_EQ(runs_[i] ? runs_[i]->load() : model_[i].n_attempts, model_[i].n_attempts);
      if (!arrays_[i]) continue;
      expect_state(i, arrays_[i]->status(), arrays_[i]->failure());
      if (model_[i].status != Node::value || !arrays_[i]->is_available()) continue;
      const array row_major = contiguous(*arrays_[i]);
      array(row_major).eval();
      for (size_t k = 0; k < 3; ++k) {
        EXPECT_EQ(row_major.data<float>()[k], float(model_[i].values[k]));
      }
    }
  }

 private:
  size_t pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }
  Stream any_stream() { return stream_number(pick(n_streams_)); }
  size_t any_node() {
    for (;;) {
      const size_t i = pick(2) == 0 ? pick(model_.size())
                                    : model_.size() - 1 - pick(std::min<size_t>(3, model_.size()));
      if (arrays_[i]) return i;
    }
  }
  std::vector<size_t> some_nodes() {
    std::vector<size_t> nodes;
    for (size_t n = 1 + pick(3); n > 0; --n) nodes.push_back(any_node());
    return nodes;
  }
  std::vector<array> arrays_of(const std::vector<size_t>& nodes) const {
    std::vector<array> arrays;
    for (size_t node : nodes) arrays.push_back(*arrays_[node]);
    return arrays;
  }

  void enter(Node node, array a, contract::Runs runs = nullptr) {
    model_.add(std::move(node));
    arrays_.emplace_back(std::move(a));
    runs_.push_back(std::move(runs));
  }

  void add_node() {
    const Stream s = any_stream();
    const Kind kind = static_cast<Kind>(pick(5));
    if (kind == Kind::user) return add_user();
    const size_t a = any_node(), b = any_node();
    const array &x = *arrays_[a], &y = *arrays_[b];
    switch (kind) {
      case Kind::add:  // the sum has no handle: it may be but a part of a fused program
        return enter({kind, {a, b}}, remainder(add(x, y, s), array(17.0f), s));
      case Kind::maximum:
        return enter({kind, {a, b}}, maximum(x, y, s));
      case Kind::reverse:
        return enter({kind, {a}}, slice(x, {2}, {-4}, {-1}, s));
      case Kind::total: {  // nor has the product: it is summed as it is computed
        array total = sum(multiply(x, array(1.0f), s), true, s);
        return enter({kind, {a}}, broadcast_to(remainder(total, array(17.0f), s), {3}, s));
      }
      case Kind::user:
        break;
    }
  }

  void add_user() {
    Node node{Kind::user, {}};
    std::vector<array> inputs;
    for (size_t n = model_.size() == 0 ? 0 : pick(3); n > 0; --n) {
      node.inputs.push_back(any_node());
      inputs.push_back(*arrays_[node.inputs.back()]);
    }
    node.constant = int(pick(17));
    if (pick(10) < failure_rate_) node.n_failures = 1 + int(pick(3));
    const contract::Runs runs = contract::count_runs();
    auto body = [runs, number = model_.size(), constant = node.constant,
                 n_failures = node.n_failures](auto& operands, auto& results) {
      const int attempt = ++*runs;
      if (attempt <= n_failures) throw std::runtime_error(message_of({number, attempt}));
      contract::fill_output(results[0], 0);
      for (size_t k = 0; k < 3; ++k) {
        int total = constant + int(k);
        for (const array& operand : operands) {
          total += int(operand.template data<float>()[int64_t(k) * operand.strides(0)]);
        }
        results[0].template data<float>()[k] = float(modulo(total));
      }
    };
    array a = contract::operation("user", any_stream(), inputs, body);
    enter(std::move(node), std::move(a), runs);
  }

  void drop_a_handle() {
    if (std::count_if(arrays_.begin(), arrays_.end(), [](auto& a) { return bool(a); }) < 8) return;
    arrays_[pick(model_.size() - 3)].reset();
  }

  template <class Call>
  void expect_throw(const std::vector<size_t>& outputs, Call call) {
    const std::optional<Root> wanted = model_.thrown(outputs);
    try {
      call();
      EXPECT_FALSE(wanted) << "nothing was thrown and not " << message_of(*wanted);
    } catch (const EvalError& error) {
      EXPECT_EQ(error.failure()->message, wanted ? message_of(*wanted) : "nothing");
      std::multiset<std::string> got, all;
      for (const FailurePtr& other : error.others()) got.insert(other->message);
      for (Root root : model_.others(outputs)) all.insert(message_of(root));
      EXPECT_EQ(got, all);
    }
  }

  void expect_state(size_t i, array::Status status, const FailurePtr& failure) const {
    static constexpr array::Status kStatuses[] = {array::Status::unscheduled,
                                                  array::Status::available, array::Status::failed};
    EXPECT_EQ(status, kStatuses[model_[i].status]) << "node " << i;
    EXPECT_EQ(failure ? failure->message : "", model_[i].root ? message_of(*model_[i].root) : "");
  }

  std::mt19937 random_;
  const size_t n_streams_;
  const size_t failure_rate_;  // of ten operations of the user
  Model model_;
  std::vector<std::optional<array>> arrays_;  // none: the handle has been dropped
  std::vector<contract::Runs> runs_;          // of bodies of the user's operations
};

TEST(Contract, contract_p08_random_graphs_end_as_the_reference_model_says) {
  contract::UnobservedFailures unobserved;
  for (unsigned seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RandomGraph graph(seed);
    for (int i = 0; i < 60; ++i) {
      graph.act();
      if (i % 20 == 19) graph.check();
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace tarn::model
