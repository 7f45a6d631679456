#include "autograd/functions/image.h"

#include <algorithm>

#include "autograd/functions/common.h"
#include "kernels/image/augment.ref.h"

namespace saccade {

namespace {

std::vector<Augmentation> table_of(Context& context, int64_t images, const Tensor& placement,
                                   const Tensor& colour) {
  const std::vector<int32_t> p = placement.to_host<int32_t>(context);
  const std::vector<float> c = floats(context, colour);
  std::vector<Augmentation> table(static_cast<size_t>(placement.size(0)));
  for (size_t n = 0; n < table.size(); ++n) {
    const int32_t* place = p.data() + n * 8;
    const float* tone = c.data() + n * 7;
    check_input(place[0] >= 0 && place[0] < images, "augment: placement[", n, "] names image ", place[0],
                " of ", images);
    Augmentation& a = table[n];
    a.image = place[0];
    a.flip = place[1];
    a.shift_y = place[2], a.shift_x = place[3];
    a.erase_y = place[4], a.erase_x = place[5];
    a.erase_height = place[6], a.erase_width = place[7];
    a.brightness = tone[0], a.contrast = tone[1], a.saturation = tone[2];
    a.gray_mean = tone[3];
    std::copy(tone + 4, tone + 7, a.fill);
  }
  return table;
}

}  // namespace

AugmentTables::AugmentTables(Tape& tape, const Shape& images, const Tensor& placement, const Tensor& colour,
                             const Tensor& moments) {
  tape.begin("augment");
  const int64_t count = placement.shape().rank() ? placement.size(0) : 0;
  check_input(images.rank() == 4 && images[3] == 3, "augment: images ", images.text(),
              " do not fit [I,H,W,3]");
  check_input(placement.shape() == Shape{count, 8} && colour.shape() == Shape{count, 7} &&
                  moments.shape() == Shape{2, 3},
              "augment: placement ", placement.shape().text(), ", colour ", colour.shape().text(),
              " and normalization ", moments.shape().text(), " do not fit [N,8], [N,7] and [2,3]");
  Context& context = tape.context();
  const std::vector<Augmentation> table = table_of(context, images[0], placement, colour);
  const size_t bytes = table.size() * sizeof(Augmentation);
  samples = Tensor::from_host(context, {static_cast<int64_t>(bytes)}, DType::u8, table.data(), bytes);
  const std::vector<float> by = floats(context, moments);
  std::copy(by.begin(), by.begin() + 3, normalization.mean);
  std::copy(by.begin() + 3, by.end(), normalization.std);
}

Tensor augment(Tape& tape, const Tensor& images, const Tensor& table, const Normalization& normalization,
               DType dtype) {
  tape.begin("augment");
  const Shape& shape = images.shape();
  constexpr auto kEntry = static_cast<int64_t>(sizeof(Augmentation));
  check_input(shape.rank() == 4 && shape[3] == 3, "augment: images ", shape.text(), " do not fit [I,H,W,3]");
  check_input(table.count() % kEntry == 0, "augment: a table of ", table.count(), " bytes");
  const int64_t count = table.count() / kEntry;
  const Tensor y = tape.empty({count, shape[1], shape[2], 3}, dtype);
  dispatch(tape.context(), dtype, [&]<Device D, class T>() {
    Augment<D>::forward(tape.context(), count, shape[1], shape[2], images.data<uint8_t>(),
                        reinterpret_cast<const Augmentation*>(table.raw()), normalization, y.data<T>());
  });
  return y;
}

}  // namespace saccade
