// loop-test            runs all tests
// loop-test --list     prints their names
// loop-test WORD       runs the tests whose name contains WORD
//
// The last line is `N passed, 0 failed`. A test that fails ends the process: stderr says where, and which
// seed repeats the failure (SOCKMAN_SEED).
#include <csignal>
#include <cstdio>
#include <cstring>

#include "test.h"

namespace {

using sockman::test::Test;
using sockman::test::tests;

void printSeed(int) {
  if (const uint32_t seed = sockman::test::current())
    std::fprintf(stderr, "SOCKMAN_SEED=%u repeats it\n", seed);
}

int list() {
  for (const Test& test : tests()) std::printf("%s\n", test.name);
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const char* word = count > 1 ? words[1] : "";
  if (std::strcmp(word, "--list") == 0) return list();
  // SOCKMAN_CHECK aborts: this handler returns, and the process ends as it would have without.
  std::signal(SIGABRT, printSeed);
  int passed = 0;
  for (const Test& test : tests()) {
    if (!std::strstr(test.name, word)) continue;
    std::printf("%s\n", test.name);
    std::fflush(stdout);
    test.run();
    passed++;
  }
  std::printf("%d passed, 0 failed\n", passed);
  return passed == 0;
}
