// Where the randomness of a test comes from.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>

#include "test.h"

namespace sockman::test {

/// Everything random in a test comes from one of these, so that a seed repeats it.
class Dice {
 public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  /// 0 to `sides` - 1.
  uint32_t roll(uint32_t sides) { return engine_() % sides; }
  bool oneIn(uint32_t sides) { return roll(sides) == 0; }

 private:
  std::mt19937 engine_;
};

/// Seeds from 1 to `count`, or SOCKMAN_SEED alone when it is set.
template <class Run>
void forSeeds(uint32_t count, Run&& run) {
  const char* only = std::getenv("SOCKMAN_SEED");
  const uint32_t first = only ? static_cast<uint32_t>(std::atoi(only)) : 1;
  for (uint32_t seed = first; seed < first + (only ? 1 : count); seed++) {
    current() = seed;
    run(seed);
  }
  current() = 0;
}

}  // namespace sockman::test
