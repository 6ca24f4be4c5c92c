// PROGRAM            runs all tests
// PROGRAM --list     prints their names, and after a tab why one is left out
// PROGRAM NAME       runs the test of that name, or, where there is none, those whose name contains NAME
//
// The last line is `N passed, 0 failed`. A test that fails ends the process: stderr says where, and which
// seed repeats the failure (SOCKMAN_SEED).
#include <algorithm>
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
  for (const Test& test : tests())
    std::printf("%s%s%s\n", test.name.c_str(), test.leftOut.empty() ? "" : "\t", test.leftOut.c_str());
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const char* word = count > 1 ? words[1] : "";
  if (std::strcmp(word, "--list") == 0) return list();
  // SOCKMAN_CHECK aborts: this handler returns, and the process ends as it would have without.
  std::signal(SIGABRT, printSeed);
  int passed = 0;
  const bool exact =
      std::any_of(tests().begin(), tests().end(), [&](auto& test) { return test.name == word; });
  for (const Test& test : tests()) {
    if (exact ? test.name != word : !std::strstr(test.name.c_str(), word)) continue;
    if (!test.leftOut.empty()) {
      std::printf("left out %s: %s\n", test.name.c_str(), test.leftOut.c_str());
      continue;
    }
    std::printf("%s\n", test.name.c_str());
    std::fflush(stdout);
    test.run();
    passed++;
  }
  std::printf("%d passed, 0 failed\n", passed);
  return passed == 0;
}
