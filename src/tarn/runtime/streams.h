// The streams of the process: which exist, which a thread uses by default, and what runs on them.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "tarn/base/device.h"

namespace tarn {

// The device of operations that name none. Process-wide.
Device default_device();
void set_default_device(
    const Device& device);  // std::invalid_argument when there is no such device
bool is_available(const Device& device);
int device_count(Device::DeviceType type);

// The calling thread's default stream on `device`; made, or taken over from a thread that ended, at
// first use.
Stream default_stream(Device device);
void set_default_stream(Stream stream);

// A stream can be used from any thread, however it was made.
Stream new_stream(Device device);
Stream new_thread_unsafe_stream(Device device);
// One stream per thread: materialised by stream_from_thread_local_stream.
ThreadLocalStream new_thread_local_stream(Device device);
Stream stream_from_thread_local_stream(ThreadLocalStream stream);

// Where an operation runs: by default on the calling thread's stream of the default device.
using StreamOrDevice =
    std::variant<std::monostate, Stream, ThreadLocalStream, Device, Device::DeviceType>;
Stream to_stream(StreamOrDevice s);
// The same with another default device.
Stream to_stream(StreamOrDevice s, Device default_);

// Makes a device or stream the default while it lives; for streams, that of the calling thread.
struct StreamContext {
  explicit StreamContext(StreamOrDevice s);
  ~StreamContext();
  StreamContext(const StreamContext&) = delete;
  StreamContext& operator=(const StreamContext&) = delete;

 private:
  Device previous_device_;
  std::optional<Stream> previous_stream_;
};

// All streams that were made, in order.
std::vector<Stream> get_streams();
// The calling thread forgets its streams and makes new ones at their next use. get_streams() goes
// on listing them.
void clear_streams();

// Waits until all that was enqueued on `stream` is done. Then throws the failure with the lowest
// creation number of those that happened on the stream since its last synchronize; cancelled work
// is none. Clears no array. Throws std::runtime_error, at once, inside of work on `stream`, which
// would wait for itself.
void synchronize(Stream stream);
void synchronize(ThreadLocalStream stream);
// The calling thread's default stream on the default device.
void synchronize();

}  // namespace tarn
