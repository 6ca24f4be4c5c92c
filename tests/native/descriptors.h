// The descriptors of this process.
#pragma once

#include <dirent.h>

#include <cstddef>

namespace sockman::test {

/// How many are open, the one that counts included: only the difference of two counts means something.
inline size_t openDescriptors() {
  DIR* directory = opendir("/proc/self/fd");
  size_t count = 0;
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}

}  // namespace sockman::test
