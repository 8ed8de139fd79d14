// Handles to a device and to a stream: plain values, no behaviour.
#pragma once

#include <compare>
#include <string>

namespace tarn {

struct Device {
  enum class DeviceType { cpu, gpu };

  static constexpr DeviceType cpu = DeviceType::cpu;
  static constexpr DeviceType gpu = DeviceType::gpu;

  constexpr Device(DeviceType type, int index = 0) : type(type), index(index) {}

  friend bool operator==(const Device&, const Device&) noexcept = default;
  friend auto operator<=>(const Device&, const Device&) noexcept = default;

  DeviceType type;
  int index;
};

inline bool operator==(const Device& device, Device::DeviceType type) {
  return device.type == type;
}

// An ordered queue of work on a device. Indices grow over the life of the process and are never
// reused.
struct Stream {
  constexpr explicit Stream(int index, Device device) : index(index), device(device) {}

  friend bool operator==(const Stream&, const Stream&) = default;
  friend auto operator<=>(const Stream&, const Stream&) = default;

  int index;
  Device device;
};

// Names one stream per thread: resolved to a stream of the calling thread where it is used.
struct ThreadLocalStream : Stream {
  using Stream::Stream;
};

std::string to_string(const Device& device);  // "Device(cpu, 0)"
std::string to_string(const Stream& stream);  // "Stream(Device(cpu, 0), 3)"

}  // namespace tarn
