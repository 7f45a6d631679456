// A value together with S, the sum of the absolute terms that went into it.
//
// Every reference kernel is templated on its scalar. With `double` it is the oracle; with `Bound` the same
// code also returns S. The test |out - ref| <= c * eps * S + atol is then equally strict for a sum of one
// term and of a thousand, without a line of extra code in any reference.
#pragma once

#include <cmath>

namespace saccade {

struct Bound {
  double value = 0;
  double magnitude = 0;  // S

  Bound() = default;
  Bound(double v) : value(v), magnitude(std::fabs(v)) {}  // implicit: constants appear in references
  Bound(double v, double m) : value(v), magnitude(m) {}
  explicit operator double() const { return value; }
  explicit operator float() const { return static_cast<float>(value); }

  Bound& operator+=(Bound b) { return *this = Bound(value + b.value, magnitude + b.magnitude); }
  Bound& operator-=(Bound b) { return *this = Bound(value - b.value, magnitude + b.magnitude); }
  Bound& operator*=(Bound b) { return *this = Bound(value * b.value, magnitude * b.magnitude); }
  Bound& operator/=(Bound b) {
    // A relative error of S_b / |b| in the divisor is one in the quotient.
    const double divisor = std::fabs(b.value);
    return *this = Bound(value / b.value, magnitude / divisor * (b.magnitude / divisor));
  }
  friend Bound operator+(Bound a, Bound b) { return a += b; }
  friend Bound operator-(Bound a, Bound b) { return a -= b; }
  friend Bound operator*(Bound a, Bound b) { return a *= b; }
  friend Bound operator/(Bound a, Bound b) { return a /= b; }
  friend Bound operator-(Bound a) { return {-a.value, a.magnitude}; }
  friend bool operator<(Bound a, Bound b) { return a.value < b.value; }
  friend bool operator>(Bound a, Bound b) { return a.value > b.value; }
  friend bool operator<=(Bound a, Bound b) { return a.value <= b.value; }
  friend bool operator>=(Bound a, Bound b) { return a.value >= b.value; }
  friend bool operator==(Bound a, Bound b) { return a.value == b.value; }
  friend bool operator!=(Bound a, Bound b) { return a.value != b.value; }
};

// f(a): an absolute error of S_a in the argument becomes |f'(a)| * S_a, and f itself rounds by |f(a)|.
inline Bound bound_of(double f, double derivative, Bound a) {
  // Where f is flat it passes no error on, not even an infinite one (exp of -infinity).
  return {f, std::fabs(f) + (derivative == 0 ? 0 : std::fabs(derivative) * a.magnitude)};
}
inline Bound exp(Bound a) {
  return bound_of(std::exp(a.value), std::exp(a.value), a);
}
inline Bound log(Bound a) {
  return bound_of(std::log(a.value), 1 / a.value, a);
}
inline Bound sqrt(Bound a) {
  const double root = std::sqrt(a.value);
  return root == 0 ? Bound(0, std::sqrt(a.magnitude)) : bound_of(root, 0.5 / root, a);
}
inline Bound tanh(Bound a) {
  const double t = std::tanh(a.value);
  return bound_of(t, 1 - t * t, a);
}
inline Bound erf(Bound a) {
  return bound_of(std::erf(a.value), 1.1283791670955126 * std::exp(-a.value * a.value), a);
}
inline Bound pow(Bound a, Bound p) {
  const double f = std::pow(a.value, p.value);
  if (a.value <= 0) return {f, std::fabs(f)};
  return {f, std::fabs(f) * (1 + std::fabs(p.value) * a.magnitude / a.value +
                             std::fabs(std::log(a.value)) * p.magnitude)};
}
inline Bound fabs(Bound a) {
  return {std::fabs(a.value), a.magnitude};
}
inline Bound abs(Bound a) {
  return fabs(a);
}
inline bool isnan(Bound a) {
  return std::isnan(a.value);
}

}  // namespace saccade
