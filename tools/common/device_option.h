// The --device option, as every program takes it.
#pragma once

#include <string>

#include "kernels/common/device.h"

namespace saccade {

struct DeviceChoice {
  Device device = Device::cpu;
  int index = 0;
};

// "auto" (cuda where it works, else cpu), "cpu", "simt", "cuda" or "cuda:N". InputError for anything else, and for a
// device that this machine or this binary lacks.
inline DeviceChoice choose_device(const std::string& text) {
  if (text == "auto") return {is_available(Device::cuda) ? Device::cuda : Device::cpu, 0};
  if (text == "cpu") return {};
  DeviceChoice choice;
  if (text == "simt") {
    choice.device = Device::simt;
  } else {
    const bool indexed = text.starts_with("cuda:") && text.size() > 5 && text.size() < 9 &&
                         text.find_first_not_of("0123456789", 5) == std::string::npos;
    check_input(text == "cuda" || indexed, "--device ", text, ": not one of auto, cpu, cuda, cuda:N");
    choice.device = Device::cuda;
    if (indexed) choice.index = std::stoi(text.substr(5));
  }
  std::string reason;
  check_input(is_available(choice.device, &reason), "--device ", text, ": ", reason);
  return choice;
}

}  // namespace saccade
