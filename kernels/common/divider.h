// Division by a number that is known at the launch but not to the compiler: a multiplication and a shift
// instead of some twenty instructions. Exact for dividends below 2^31 and divisors from 1 to 2^31.
//
// With s = ceil(log2 d) and m = floor(2^32 (2^s - d) / d) + 1:  x / d = (x * m / 2^32 + x) / 2^s.
// Source: Granlund and Montgomery, "Division by Invariant Integers using Multiplication", figure 4.1.
#pragma once

#include <cstdint>

#include "kernels/common/error.h"
#include "kernels/common/host_device.h"

namespace saccade {

class Divider {
 public:
  explicit Divider(int64_t divisor = 1) : divisor_(static_cast<uint32_t>(divisor)) {
    check(divisor >= 1 && divisor < int64_t{1} << 31, "a divisor of ", divisor, " is not in 1..2^31-1");
    while ((uint64_t{1} << shift_) < divisor_) ++shift_;
    const uint64_t gap = (uint64_t{1} << shift_) - divisor_;
    multiplier_ = static_cast<uint32_t>((gap << 32) / divisor_ + 1);
  }

  SACCADE_HD uint32_t divisor() const { return divisor_; }
  SACCADE_HD uint32_t quotient(uint32_t x) const {
    const uint32_t high = static_cast<uint32_t>(static_cast<uint64_t>(x) * multiplier_ >> 32);
    return (high + x) >> shift_;
  }
  // x = quotient * divisor + rest; x becomes the quotient.
  SACCADE_HD uint32_t split(uint32_t& x) const {
    const uint32_t q = quotient(x), rest = x - q * divisor_;
    x = q;
    return rest;
  }

 private:
  uint32_t divisor_, multiplier_ = 1, shift_ = 0;
};

}  // namespace saccade
