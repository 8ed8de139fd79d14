// The runtime's core under the model: streams, batches and outcomes as they are, with steps whose
// bodies are a few lines.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "checker.h"
#include "model_sync.h"
#include "reference.h"
#include "tarn/runtime/batch.h"
#include "tarn/runtime/outcome.h"
#include "tarn/runtime/stream_queue.h"
#include "tarn/runtime/worker_pool.h"

namespace tarn {

// Outcomes that share a bucket depend on each other, which multiplies the executions: so each has
// its own here, and tests of shared buckets say so.
struct ModelBuckets {
  static constexpr int kMax = 8;
  int n_used = kMax;
  WaitBucket<model::ModelSync> bucket[kMax];
};

template <>
inline WaitBucket<model::ModelSync>& wait_bucket<model::ModelSync>(const void* outcome) noexcept {
  // Addresses differ between executions: the bucket is that of the outcome's place in its array.
  auto place = reinterpret_cast<uintptr_t>(outcome) / sizeof(BasicOutcome<model::ModelSync>);
  auto& buckets = model::per_execution<ModelBuckets>();
  return buckets.bucket[place % buckets.n_used];
}

template <>
inline BasicThreadOwner<model::ModelSync>*& owner_of_this_thread<model::ModelSync>() noexcept {
  struct Owners {
    BasicThreadOwner<model::ModelSync>* of_thread[16] = {};
  };
  return model::per_execution<Owners>().of_thread[model::Execution::current().running()];
}

}  // namespace tarn

namespace tarn::model {

using ModelOutcome = BasicOutcome<ModelSync>;
using ModelAnnouncement = BasicAnnouncement<ModelSync>;
using ModelTask = BasicTask<ModelSync>;

// Runs each submission on a thread of its own: the least that a pool can do, so that exploring the
// queues is not multiplied by exploring a pool. The real pool is explored by itself.
class ThreadPerSubmission {
 public:
  explicit ThreadPerSubmission(std::optional<ModelSync::clock::duration> = {}) {}
  bool submit(BasicRunnable<ModelSync>& runnable) noexcept {
    try {
      ModelSync::thread([&runnable] { runnable.run(); }).detach();
      return true;
    } catch (const std::system_error&) {
      return false;
    }
  }
};

inline FailurePtr make_record(FailureKind kind, uint64_t node) {
  auto record = std::make_shared<Failure>();
  record->kind = kind;
  record->node = node;
  return record;
}

// For streams that find no thread.
template <int kStream>
FailurePtr no_thread_record() noexcept {
  return make_record(FailureKind::abandoned, kNoThreadRecord + kStream);
}
constexpr MakeFailure kNoThreadRecords[] = {no_thread_record<0>, no_thread_record<1>,
                                            no_thread_record<2>, no_thread_record<3>};

inline Ending ending_of(const ModelOutcome& outcome) {
  FailurePtr failure = outcome.failure();
  if (!failure) return {};
  switch (failure->kind) {
    case FailureKind::cancelled:
      return {Ending::cancelled, failure->node};
    case FailureKind::abandoned:
      return {Ending::abandoned, failure->node};
    default:
      return {Ending::failed, failure->node};
  }
}

// What a step of the model refers to in its world.
struct ModelStep {
  std::vector<ModelOutcome*> inputs;
  ModelOutcome* outcome;
  Plain<int>* value;                 // what the node computes; a race if read too early
  std::function<FailurePtr()> body;  // null: a value

  size_t n_inputs() const noexcept { return inputs.size(); }
  const ModelOutcome* input(size_t i) const noexcept { return inputs[i]; }
  FailurePtr compute() noexcept {
    for (const ModelOutcome* input : inputs) {
      if (FailurePtr failure = input->last_failure()) return failure;
    }
    return body ? body() : nullptr;
  }
  void settle_value(ModelAnnouncement& announcement) noexcept {
    *value = 1;
    outcome->settle_value(announcement);
  }
  void settle_failure(const FailurePtr& failure, ModelAnnouncement& announcement) noexcept {
    outcome->settle_failure(failure, announcement);
  }
  void finish() noexcept {}
};
using ModelBatch = BasicBatch<ModelSync, ModelStep>;

// A graph of nodes on streams. Lives until all threads of the execution have ended: see make_world.
template <class Pool = ThreadPerSubmission>
class ModelWorld {
 public:
  using Queue = BasicStreamQueue<ModelSync, Pool>;

  explicit ModelWorld(Graph graph, int n_streams)
      : graph_(std::move(graph)),
        outcomes_(new ModelOutcome[graph_.size()]),
        values_(new Plain<int>[graph_.size()]) {
    for (int s = 0; s < n_streams; ++s) {
      queues_.push_back(std::make_unique<Queue>(pool_, kNoThreadRecords[s]));
    }
    for (auto& body : bodies_) body = nullptr;
  }

  size_t size() const { return graph_.size(); }
  const Graph& graph() const { return graph_; }
  ModelOutcome& outcome(int node) { return outcomes_[node]; }
  int value(int node) { return values_[node]; }
  Queue& queue(int stream) { return *queues_[stream]; }
  void set_body(int node, std::function<FailurePtr()> body) { bodies_[node] = std::move(body); }

  // One batch per stream with these nodes, in order; all batches enter their queues at one instant.
  // What they need is claimed, and looked at, when the ticket is drawn.
  std::vector<ModelBatch*> post(const std::vector<int>& nodes, bool cancellable = false) {
    return post(nodes, cancellable, false);
  }
  // The same, run by the calling thread if the stream is idle.
  void post_inline(const std::vector<int>& nodes) { post(nodes, false, true); }

  // A failed node can be posted again afterwards.
  bool reset(int node) { return outcomes_[node].reset(next_ticket_.fetch_add(1)); }
  // As an evaluation does that retries.
  void retry(const Nodes& again) {
    std::vector<int> nodes;
    for (int node : all_nodes()) {
      if (again[size_t(node)]) nodes.push_back(node);
    }
    for (size_t i = nodes.size(); i-- > 0;) {
      check(reset(nodes[i]), "what is to be retried has not failed");
    }
    post(nodes);
  }

  // Settles what has not settled of these batches, as far as it is among `cancelled`, as an
  // evaluation that is cancelled does.
  void cancel(const std::vector<ModelBatch*>& batches, const Nodes& cancelled) {
    const FailurePtr why = make_record(FailureKind::cancelled, kCancelled);
    ModelAnnouncement announcement;
    for (size_t s = 0; s < batches.size(); ++s) {
      if (batches[s] == nullptr) continue;
      for (size_t i = 0; i < batches[s]->n_steps(); ++i) {
        ModelOutcome& outcome = *batches[s]->step(i).outcome;
        if (!cancelled[size_t(&outcome - outcomes_.get())]) continue;
        if (batches[s]->claim(i)) outcome.settle_failure(why, announcement);
      }
      queues_[s]->wake();
      batches[s]->drop();
    }
  }

  std::vector<int> all_nodes() const {
    std::vector<int> nodes;
    for (size_t i = 0; i < graph_.size(); ++i) nodes.push_back(int(i));
    return nodes;
  }

 private:
  std::vector<ModelBatch*> post(const std::vector<int>& nodes, bool cancellable, bool run_inline) {
    const uint64_t ticket = next_ticket_.fetch_add(1);
    std::vector<std::vector<ModelStep>> steps(queues_.size());
    for (int node : nodes) {
      ModelStep step{{}, &outcomes_[node], &values_[node], bodies_[node]};
      for (int input : graph_[node].inputs) step.inputs.push_back(&outcomes_[input]);
      steps[graph_[node].stream].push_back(std::move(step));
    }
    std::vector<ModelBatch*> batches(queues_.size());
    for (size_t s = 0; s < queues_.size(); ++s) {
      if (steps[s].empty()) continue;
      batches[s] = new ModelBatch(std::move(steps[s]), ticket, cancellable);
      batches[s]->commit([]() noexcept { return make_record(FailureKind::abandoned, 101); });
      if (cancellable) batches[s]->share();
      queues_[s]->mutex().lock();
    }
    std::vector<bool> must_start(queues_.size());
    for (size_t s = 0; s < queues_.size(); ++s) {
      if (batches[s] != nullptr) must_start[s] = queues_[s]->push(*batches[s]);
    }
    for (size_t s = 0; s < queues_.size(); ++s) {
      if (batches[s] != nullptr) queues_[s]->mutex().unlock();
    }
    for (size_t s = 0; s < queues_.size(); ++s) {
      if (!must_start[s]) continue;
      if (run_inline) {
        queues_[s]->run_inline(*batches[s]);
      } else {
        queues_[s]->start();
      }
    }
    return batches;
  }

  Graph graph_;
  std::unique_ptr<ModelOutcome[]> outcomes_;
  std::unique_ptr<Plain<int>[]> values_;
  std::function<FailurePtr()> bodies_[8];
  ModelSync::atomic<uint64_t> next_ticket_{1};
  Pool pool_{std::nullopt};
  std::vector<std::unique_ptr<Queue>> queues_;
};

template <class Pool = ThreadPerSubmission>
ModelWorld<Pool>& make_world(const Graph& graph, int n_streams) {
  auto& world = per_execution<std::unique_ptr<ModelWorld<Pool>>>();
  world = std::make_unique<ModelWorld<Pool>>(graph, n_streams);
  return *world;
}

}  // namespace tarn::model
