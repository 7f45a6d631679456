// The sizes of a dense row-major tensor.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "kernels/common/error.h"

namespace saccade {

class Shape {
 public:
  static constexpr int kMaxRank = 6;

  Shape() = default;  // rank 0: one element
  Shape(std::initializer_list<int64_t> sizes) : Shape(sizes.begin(), static_cast<int>(sizes.size())) {}
  explicit Shape(const std::vector<int64_t>& sizes) : Shape(sizes.data(), static_cast<int>(sizes.size())) {}

  int rank() const { return rank_; }
  // The size of a dimension; a negative one counts from the end: shape[-1] is the last. Error if it has none.
  int64_t operator[](int dimension) const {
    const int d = dimension < 0 ? dimension + rank_ : dimension;
    check(d >= 0 && d < rank_, "dimension ", dimension, " of a tensor of rank ", rank_);
    return sizes_[static_cast<size_t>(d)];
  }
  int64_t count() const {
    int64_t product = 1;
    for (int d = 0; d < rank_; ++d) product *= sizes_[static_cast<size_t>(d)];
    return product;
  }
  // The product of all sizes but the last: the rows of a matrix whose columns are the last dimension.
  int64_t rows() const { return rank_ == 0 ? 1 : count_before(rank_ - 1); }
  // The product of the sizes of the dimensions before this one.
  int64_t count_before(int dimension) const {
    int64_t product = 1;
    for (int d = 0; d < dimension; ++d) product *= (*this)[d];
    return product;
  }
  const int64_t* begin() const { return sizes_.data(); }
  const int64_t* end() const { return sizes_.data() + rank_; }
  bool operator==(const Shape&) const = default;  // unused sizes are zero
  std::string text() const {                      // "[2,3]"
    std::ostringstream out;
    for (int d = 0; d < rank_; ++d) out << (d ? "," : "[") << sizes_[static_cast<size_t>(d)];
    return rank_ ? out.str() + "]" : "[]";
  }

 private:
  Shape(const int64_t* sizes, int rank) : rank_(rank) {
    check(rank <= kMaxRank, "a tensor has at most ", kMaxRank, " dimensions, not ", rank);
    for (int d = 0; d < rank; ++d) {
      check(sizes[d] >= 0, "negative size in a shape");
      sizes_[static_cast<size_t>(d)] = sizes[d];
    }
  }
  std::array<int64_t, kMaxRank> sizes_{};
  int rank_ = 0;
};

}  // namespace saccade
