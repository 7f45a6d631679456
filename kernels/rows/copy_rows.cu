#include "kernels/rows/copy_rows.h"

#include <algorithm>

#include "kernels/common/divider.h"
#include "kernels/rows/move_rows.h"

namespace saccade {

namespace {
constexpr unsigned kThreads = 256;
constexpr int kInFlight = 4;  // words that a thread moves
constexpr int kParts = 8;     // parts of a launch

// Nothing is computed, so the kernel moves words of bytes and knows no element type.
// The columns of a launch are the words 0 .. end[kParts - 1] of a row; part k has those
// from end[k - 1] up to but not including end[k].
struct PartTable {
  uint8_t* at[kParts];
  uint32_t end[kParts];

  // The address of a word in its part; null if the part has no data.
  template <int Bytes>
  __device__ __forceinline__ uint8_t* find(uint32_t row, uint32_t column) const {
    uint8_t* data = at[0];
    uint32_t first = 0, last = end[0];
#pragma unroll
    for (int k = 1; k < kParts; ++k)
      if (column >= end[k - 1]) data = at[k], first = end[k - 1], last = end[k];
    return data ? data + (static_cast<int64_t>(row) * (last - first) + column - first) * Bytes : nullptr;
  }
};

// kCut: copies from the rows of `whole`, which are `pitch` words apart, into the parts. Otherwise copies from
// the parts into `whole`, with zeros where a part has no data.
template <int Bytes, bool kCut>
__global__ void __launch_bounds__(kThreads)
    move_columns(uint32_t words, Divider width, PartTable parts, uint8_t* __restrict__ whole, int64_t pitch) {
  const uint32_t first = blockIdx.x * kInFlight * kThreads + threadIdx.x;
  Pack<uint8_t, Bytes> word[kInFlight] = {};
  uint8_t* to[kInFlight] = {};
#pragma unroll
  for (int u = 0; u < kInFlight; ++u) {
    uint32_t row = first + u * kThreads;
    if (row >= words) continue;
    const uint32_t column = width.split(row);
    uint8_t* const part = parts.template find<Bytes>(row, column);
    uint8_t* const in_whole = whole + (row * pitch + column) * Bytes;
    const uint8_t* const from = kCut ? (part ? in_whole : nullptr) : part;
    to[u] = kCut ? part : in_whole;
    if (from) word[u] = load<Bytes, Use::once>(from);
  }
#pragma unroll
  for (int u = 0; u < kInFlight; ++u)
    if (to[u]) store<Bytes>(to[u], word[u]);
}

// Moves `count` parts in one launch; `whole` points to the first row of their first column.
template <bool kCut, class T, class U>
void run(Context& context, int64_t rows, const Columns<T>* parts, int count, U* whole, int64_t pitch) {
  while (kCut && count > 0 && !parts[count - 1].data) --count;
  while (kCut && count > 0 && !parts->data) whole += parts->width, ++parts, --count;
  int64_t width = 0;
  uint64_t together = reinterpret_cast<uintptr_t>(whole) | static_cast<uint64_t>(pitch * sizeof(T));
  for (int k = 0; k < count; ++k) {
    width += parts[k].width;
    together |=
        reinterpret_cast<uintptr_t>(parts[k].data) | static_cast<uint64_t>(parts[k].width * sizeof(T));
  }
  if (rows * width == 0) return;
  with_largest_word(together, [&]<int Bytes>() {
    constexpr int64_t kPerBlock = kInFlight * static_cast<int64_t>(kThreads), kBytes = sizeof(T);
    const int64_t words = rows * (width * kBytes / Bytes);
    check(words < (int64_t{1} << 31) - kPerBlock, "a matrix of ", rows, " x ", width,
          " elements is too large for one launch");
    PartTable table{};
    int64_t end = 0;
    for (int k = 0; k < kParts; ++k) {
      if (k < count) {
        end += parts[k].width * kBytes / Bytes;
        table.at[k] = reinterpret_cast<uint8_t*>(const_cast<std::remove_const_t<T>*>(parts[k].data));
      }
      table.end[k] = static_cast<uint32_t>(end);
    }
    launch(move_columns<Bytes, kCut>, blocks_for(words, kPerBlock), kThreads, 0, context.stream(), words,
           Divider(end), table, reinterpret_cast<uint8_t*>(const_cast<std::remove_const_t<U>*>(whole)),
           pitch * kBytes / Bytes);
  });
}

template <bool kCut, class T, class U>
void run_all(Context& context, int64_t rows, const std::vector<Columns<T>>& parts, U* whole) {
  check_element<std::remove_const_t<T>>(context);
  const int64_t pitch = total_width(parts);
  for (size_t first = 0; first < parts.size(); first += kParts) {
    const size_t count = std::min<size_t>(kParts, parts.size() - first);
    run<kCut>(context, rows, &parts[first], static_cast<int>(count), whole, pitch);
    for (size_t k = first; k < first + count; ++k) whole += parts[k].width;
  }
}
}  // namespace

template <>
template <class T>
void CopyRows<kGpu>::join(Context& context, int64_t rows, const std::vector<Columns<const T>>& parts, T* y) {
  run_all<false>(context, rows, parts, y);
}
template void CopyRows<kGpu>::join(Context&, int64_t, const std::vector<Columns<const float>>&, float*);
template void CopyRows<kGpu>::join(Context&, int64_t, const std::vector<Columns<const bf16>>&, bf16*);

template <>
template <class T>
void CopyRows<kGpu>::cut(Context& context, int64_t rows, const T* x, const std::vector<Columns<T>>& parts) {
  run_all<true>(context, rows, parts, x);
}
template void CopyRows<kGpu>::cut(Context&, int64_t, const float*, const std::vector<Columns<float>>&);
template void CopyRows<kGpu>::cut(Context&, int64_t, const bf16*, const std::vector<Columns<bf16>>&);

}  // namespace saccade
