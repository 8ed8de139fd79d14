#include "tarn/runtime/streams.h"

#include <fmt/format.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>

#include "tarn/base/error.h"
#include "tarn/runtime/record_failure.h"
#include "tarn/runtime/running_queue.h"
#include "tarn/runtime/runtime.h"

namespace tarn {

namespace {

// What a thread calls its own.
struct ThreadStreams {
  struct Default {
    std::optional<Stream> current;
    // From the runtime, which gets it back when the thread ends. Not when another becomes current:
    // the thread may hold it, or return to it, and other threads would then share it.
    std::optional<Stream> borrowed;
  };
  Default default_cpu;
  Default default_gpu;
  std::map<int, Stream> thread_local_streams;  // by the index of the ThreadLocalStream

  ~ThreadStreams() {
    for (const Default& each : {default_cpu, default_gpu}) {
      if (each.borrowed) Runtime::instance().return_default_stream(*each.borrowed);
    }
  }

  Default& default_of(Device device) { return device == Device::cpu ? default_cpu : default_gpu; }
};

ThreadStreams& this_thread() {
  thread_local ThreadStreams streams;
  return streams;
}

// The bits of a Device: clang calls libatomic for an atomic struct.
std::atomic<uint64_t>& default_device_slot() {
  static std::atomic<uint64_t> device(std::bit_cast<uint64_t>(
      Device(Runtime::instance().has_device(Device::gpu) ? Device::gpu : Device::cpu)));
  return device;
}

}  // namespace

Device default_device() {
  return std::bit_cast<Device>(default_device_slot().load(std::memory_order_relaxed));
}

void set_default_device(const Device& device) {
  Runtime::instance().backend(device);  // throws when there is none
  default_device_slot().store(std::bit_cast<uint64_t>(device), std::memory_order_relaxed);
}

bool is_available(const Device& device) { return Runtime::instance().has_device(device); }

int device_count(Device::DeviceType type) {
  int count = 0;
  while (Runtime::instance().has_device(Device(type, count))) ++count;
  return count;
}

Stream default_stream(Device device) {
  ThreadStreams::Default& own = this_thread().default_of(device);
  if (!own.current || own.current->device != device) {
    own.current = own.borrowed = Runtime::instance().borrow_default_stream(device);
  }
  return *own.current;
}

void set_default_stream(Stream stream) {
  Runtime::instance().stream(stream);  // throws for a handle of no stream
  this_thread().default_of(stream.device).current = stream;
}

Stream new_stream(Device device) { return Runtime::instance().new_stream(device); }

Stream new_thread_unsafe_stream(Device device) { return new_stream(device); }

ThreadLocalStream new_thread_local_stream(Device device) {
  // The index is only a key of this_thread().thread_local_streams; negative, so that it is no
  // stream's.
  static std::atomic<int> next{-1};
  Runtime::instance().backend(device);  // throws when there is none
  return ThreadLocalStream(next.fetch_sub(1), device);
}

Stream stream_from_thread_local_stream(ThreadLocalStream stream) {
  auto& known = this_thread().thread_local_streams;
  auto found = known.find(stream.index);
  if (found == known.end()) found = known.emplace(stream.index, new_stream(stream.device)).first;
  return found->second;
}

Stream to_stream(StreamOrDevice s) {
  if (s.index() == 0) return default_stream(default_device());
  return to_stream(s, default_device());
}

Stream to_stream(StreamOrDevice s, Device default_) {
  if (auto* stream = std::get_if<Stream>(&s)) return *stream;
  if (auto* stream = std::get_if<ThreadLocalStream>(&s))
    return stream_from_thread_local_stream(*stream);
  if (auto* device = std::get_if<Device>(&s)) return default_stream(*device);
  if (auto* type = std::get_if<Device::DeviceType>(&s)) return default_stream(*type);
  return default_stream(default_);
}

StreamContext::StreamContext(StreamOrDevice s) : previous_device_(default_device()) {
  if (s.index() == 0) return;
  Stream stream = to_stream(s);
  previous_stream_ = default_stream(stream.device);
  set_default_device(stream.device);
  set_default_stream(stream);
}

StreamContext::~StreamContext() {
  if (!previous_stream_) return;
  set_default_device(previous_device_);
  set_default_stream(*previous_stream_);
}

std::vector<Stream> get_streams() { return Runtime::instance().streams(); }

void clear_streams() {
  // Not handed on: other threads would then share what this one still enqueues on through its
  // handles.
  ThreadStreams& own = this_thread();
  own.default_cpu = own.default_gpu = {};
  own.thread_local_streams.clear();
}

void synchronize(Stream stream) {
  StreamState& state = Runtime::instance().stream(stream);
  check<std::runtime_error>(!RunningQueue::is(&state.queue), "synchronize",
                            "work on stream {} cannot wait for its own end.", stream.index);
  if (auto reached = mark(state.queue)) reached->wait();
  std::vector<FailurePtr> failures = state.failures.take();
  if (!failures.empty()) throw_failure(failures.front(), {}, std::span(failures).subspan(1));
}

void synchronize(ThreadLocalStream stream) { synchronize(stream_from_thread_local_stream(stream)); }

void synchronize() { synchronize(default_stream(default_device())); }

}  // namespace tarn
