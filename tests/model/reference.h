// The reference: what each node of a graph must come to, computed node by node, without streams,
// batches or threads. Where several endings are allowed, because something may come before or after
// another, the choice is an argument: a test reads it off what it sees, and compares the rest.
#pragma once

#include <cstdint>
#include <vector>

#include "tarn/base/failure.h"

namespace tarn::model {

// One node of a graph: its inputs are nodes before it.
struct ModelNode {
  int stream;
  std::vector<int> inputs;
};
using Graph = std::vector<ModelNode>;
using Nodes = std::vector<bool>;  // a set of them

inline Nodes none_of(const Graph& graph) { return Nodes(graph.size()); }
inline Nodes all_of(const Graph& graph) { return Nodes(graph.size(), true); }

// How a node ends. Roots: node i that fails by itself has root i + 1.
struct Ending {
  enum Status { value, failed, cancelled, abandoned } status = value;
  uint64_t root = 0;

  bool operator==(const Ending&) const = default;
};
using Endings = std::vector<Ending>;

constexpr uint64_t kCancelled = 50;
constexpr uint64_t kNoThreadRecord = 100;  // and the number of the stream that found none

// What happens to a graph besides that its nodes are computed.
struct Events {
  Nodes fail;       // if they are computed
  Nodes cancelled;  // by the evaluation's end, whatever they were doing
  Nodes abandoned;  // with their stream
  // A retry, before which the nodes had come to `before`: these are run `again`, and of the others
  // these took what their inputs had been before.
  Nodes again = {};
  Endings before = {};
  Nodes saw_before = {};
};

inline Events no_events(const Graph& graph) {
  return {none_of(graph), none_of(graph), none_of(graph), all_of(graph), {}, none_of(graph)};
}

// None if `failing` is negative.
inline Events one_failure(const Graph& graph, int failing) {
  Events events = no_events(graph);
  if (failing >= 0) events.fail[size_t(failing)] = true;
  return events;
}

inline Endings expected(const Graph& graph, const Events& events) {
  Endings endings;
  for (size_t i = 0; i < graph.size(); ++i) {
    Ending ending;
    if (!events.again[i] && i < events.before.size()) {
      ending = events.before[i];
    } else if (events.cancelled[i]) {
      ending = {Ending::cancelled, kCancelled};
    } else if (events.abandoned[i]) {
      ending = {Ending::abandoned, kNoThreadRecord + uint64_t(graph[i].stream)};
    } else {
      // The failed input of the lowest position.
      for (int input : graph[i].inputs) {
        const size_t k = size_t(input);
        const bool sees_before = events.saw_before[i] && k < events.before.size();
        const Ending& of_input = sees_before ? events.before[k] : endings[k];
        if (ending.status == Ending::value) ending = of_input;
      }
      if (ending.status == Ending::value && events.fail[i]) ending = {Ending::failed, i + 1};
    }
    endings.push_back(ending);
  }
  return endings;
}

// What is cancelled with an evaluation of `asked`: not what others want, nor what that needs.
inline Nodes cancelled_with(const Graph& graph, Nodes asked, Nodes wanted) {
  for (size_t i = graph.size(); i-- > 0;) {
    if (!wanted[i]) continue;
    asked[i] = false;
    for (int input : graph[i].inputs) wanted[size_t(input)] = true;
  }
  return asked;
}

// What a retry of `outputs` runs again.
inline Nodes retried(const Graph& graph, const Endings& endings, Nodes outputs) {
  for (size_t i = graph.size(); i-- > 0;) {
    outputs[i] = outputs[i] && endings[i].status != Ending::value;
    if (!outputs[i]) continue;
    for (int input : graph[i].inputs) outputs[size_t(input)] = true;
  }
  return outputs;
}

// A stream without a thread loses all that is in its queue: with the first node that was lost, of
// those that were posted at once, all behind it.
inline Nodes abandoned_with(const Graph& graph, const Endings& seen) {
  Nodes abandoned = none_of(graph);
  for (size_t i = 0; i < graph.size(); ++i) {
    const Ending own{Ending::abandoned, kNoThreadRecord + uint64_t(graph[i].stream)};
    abandoned[i] = seen[i] == own;
    for (size_t k = 0; k < i; ++k) {
      if (abandoned[k] && graph[k].stream == graph[i].stream) abandoned[i] = true;
    }
  }
  return abandoned;
}

}  // namespace tarn::model
