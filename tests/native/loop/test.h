// As much of a test runner as is needed without a dependency.
#pragma once

#include <cstdint>
#include <vector>

namespace sockman::test {

/// A named test, which ends the process when something does not hold (`SOCKMAN_CHECK`).
struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
/// The seed under way, which a failure prints; 0 for none.
inline uint32_t& current() {
  static uint32_t seed = 0;
  return seed;
}

struct Registered {
  Registered(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

}  // namespace sockman::test

/// TEST(name, "what holds") { … }
#define TEST(function, name)                                            \
  static void function();                                               \
  static const ::sockman::test::Registered function##_(name, function); \
  static void function()
