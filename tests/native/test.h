// As much of a test runner as is needed without a dependency.
#pragma once

#include <sockman/roles.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace sockman::test {

/// A named test, which ends the process when something does not hold (`SOCKMAN_CHECK`).
struct Test {
  std::string name;
  std::function<void()> run;
  /// Why this machine cannot run the test; empty when it can.
  std::string leftOut;
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
  Registered(std::string name, std::function<void()> run) {
    tests().push_back({std::move(name), std::move(run), {}});
  }
};

}  // namespace sockman::test

/// TEST(name, "what holds") { … }
/// The thread that runs a test plays both threads of the model.
#define TEST(function, name)                                                                      \
  static void function() SOCKMAN_REQUIRES(::sockman::javascriptThread, ::sockman::drivingThread); \
  static const ::sockman::test::Registered function##_(name, function);                           \
  static void function()
