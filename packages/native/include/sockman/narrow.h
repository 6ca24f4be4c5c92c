// Values in smaller types.
#pragma once

#include <concepts>
#include <utility>

#include "check.h"

namespace sockman {

/// `value` in a type that may be too small for it. Cut silently, a length of 4 GiB would be none, and a block's number another
/// block's.
template <std::integral To, std::integral From>
constexpr To narrow(From value) {
  SOCKMAN_CHECK(std::in_range<To>(value));
  return static_cast<To>(value);
}

}  // namespace sockman
