// Rows and columns of matrices: picking, joining, cutting, turning, normalizing.
#pragma once

#include <vector>

#include "autograd/tape.h"

namespace saccade {

// y[k] = x[index[k]].   x [R,...], index i64 [K] -> [K,...]. An index out of range is an InputError.
Variable gather_rows(Tape& tape, const Variable& x, const Tensor& index);

// y[j] = sum of x[k] over the k with index[k] = j.   x [K,...], index i64 [K] -> [rows,...].
Variable scatter_add_rows(Tape& tape, const Variable& x, const Tensor& index, int64_t rows);

// The same elements in the same order under another shape; nothing is copied.
Variable reshape(Tape& tape, const Variable& x, const Shape& shape);

// Joins along the last dimension; the others are equal.
Variable concat(Tape& tape, const std::vector<Variable>& parts);

// Cuts the last dimension into parts of these widths, which fill it.
std::vector<Variable> split(Tape& tape, const Variable& x, const std::vector<int64_t>& widths);

// Columns [begin, end) of the last dimension.
Variable slice_columns(Tape& tape, const Variable& x, int64_t begin, int64_t end);

// [R,C] -> [C,R].
Variable transpose2d(Tape& tape, const Variable& x);

// Each row (the last dimension) divided by max(its Euclidean norm, epsilon).
Variable l2_normalize(Tape& tape, const Variable& x, double epsilon = 1e-12);

}  // namespace saccade
