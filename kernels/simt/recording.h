// A recording of work on Device::simt: its launches, copies and fills, in order. It stands for a captured
// CUDA graph, and shows whether a step can be one, as a replay runs nothing but the recording.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>
#include <vector>

namespace saccade::simt {

struct Command {
  enum Kind : uint8_t { launch, copy, fill } kind;
  const void* kernel;               // of a launch
  std::array<unsigned, 6> shape;    // of a launch: grid x, y, z and block x, y, z
  size_t bytes;                     // of dynamic shared memory, or copied, or filled
  std::vector<uint64_t> arguments;  // pointers and numbers; of a struct only the size
  std::function<void()> run;

  // Whether the other command is the same work on the same addresses.
  bool same_as(const Command& other) const {
    return kind == other.kind && kernel == other.kernel && shape == other.shape && bytes == other.bytes &&
           arguments == other.arguments;
  }
};

struct Recording {
  std::vector<Command> commands;
};

// The recording into which this thread's work goes; null if the work runs at once.
Recording*& active_recording();

template <class T>
uint64_t word_of(const T& argument) {
  if constexpr (std::is_pointer_v<T>) return reinterpret_cast<uintptr_t>(argument);
  uint64_t word = sizeof(T);  // for a struct, whose padding has no fixed value
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    word = 0;
    std::memcpy(&word, &argument, sizeof(T));
  }
  return word;
}

// Calls `run`, or records it if there is an active recording.
// All launches, copies and fills pass through here.
template <class Run, class... Arguments>
void submit(Command::Kind kind, const void* kernel, const std::array<unsigned, 6>& shape, size_t bytes,
            Run&& run, const Arguments&... arguments) {
  Recording* recording = active_recording();
  if (recording) [[unlikely]]
    recording->commands.push_back({kind, kernel, shape, bytes, {word_of(arguments)...}, run});
  else
    run();
}

}  // namespace saccade::simt
