#include "autograd/functions/retrieval.h"

#include <algorithm>

#include "kernels/retrieval/topk.ref.h"

namespace saccade {

Best topk(Tape& tape, const Tensor& x, int64_t k, bool largest, int64_t pieces) {
  tape.begin("topk");
  check_input(x.shape().rank() == 2, "topk: x ", x.shape().text(), " does not fit [rows,columns]");
  const int64_t rows = x.size(0), columns = x.size(1);
  check_input(0 <= k && k <= columns, "topk: k = ", k, " of ", columns, " columns");
  check_input(pieces >= 1, "topk: ", pieces, " pieces");
  const Best best{tape.empty({rows, k}, x.dtype()), tape.empty({rows, k}, DType::i64)};
  dispatch(tape.context(), x.dtype(), [&]<Device D, class T>() {
    T* values = best.values.data<T>();
    int64_t* indices = best.indices.data<int64_t>();
    if (pieces == 1)
      return TopK<D>::forward(tape.context(), rows, columns, k, largest, x.data<T>(), values, indices);
    TopK<D>::clear(tape.context(), rows, k, values, indices);
    const int64_t width = std::max<int64_t>(1, (columns + pieces - 1) / pieces);
    for (int64_t end = columns; end > 0; end -= std::min(end, width)) {
      const int64_t first = std::max<int64_t>(0, end - width);
      TopK<D>::update(tape.context(), rows, end - first, first, k, largest, x.data<T>() + first, columns,
                      values, indices);
    }
  });
  return best;
}

}  // namespace saccade
