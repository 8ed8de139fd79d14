#include "tarn/base/device.h"

namespace tarn {

std::string to_string(const Device& device) {
  const char* type = device.type == Device::cpu ? "cpu" : "gpu";
  return std::string("Device(") + type + ", " + std::to_string(device.index) + ")";
}

std::string to_string(const Stream& stream) {
  return "Stream(" + to_string(stream.device) + ", " + std::to_string(stream.index) + ")";
}

}  // namespace tarn
