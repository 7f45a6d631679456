// A kernel of some inputs and one output, held to its reference.
#pragma once

#include <deque>

#include "tests/kernels/backends.h"

namespace saccade {

// Where a kernel's arrays start, and whether it writes over its first input.
struct Placing {
  size_t offset = 0;  // elements past a multiple of 256 bytes
  bool in_place = false;
};

// run.operator()<Device, scalar>(context, inputs, output) on the device and on the reference. Fails where
// they differ by more than c eps S; returns the largest error in eps S.
template <Device D, class T, class Run>
double check_held(Context& context, const std::string& what, const std::vector<std::vector<T>>& inputs,
                  int64_t count, const Placing& placing, Run run, double c = 8) {
  std::deque<DeviceArray<T>> arrays;
  std::vector<const T*> in;
  for (const auto& values : inputs) in.push_back(arrays.emplace_back(context, values, placing.offset).data());
  DeviceArray<T> output(context, static_cast<size_t>(count), placing.offset);
  DeviceArray<T>& y = placing.in_place ? arrays.front() : output;
  run.template operator()<D, T>(context, in, y.data());

  Context host;
  const auto reference = [&]<class S>(std::vector<S> out) {
    std::vector<std::vector<S>> values;
    std::vector<const S*> pointers;
    for (const auto& v : inputs) values.push_back(as<S>(v));
    for (const auto& v : values) pointers.push_back(v.data());
    run.template operator()<Device::reference, S>(host, pointers, out.data());
    return out;
  };
  const size_t size = static_cast<size_t>(count);
  return check_close(what, y.host(), reference(std::vector<double>(size)),
                     reference(std::vector<Bound>(size)), c);
}

}  // namespace saccade
