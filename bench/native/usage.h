// CPU time of this process, so that every report can show what the other side of a measurement cost.
#pragma once

#include <sys/resource.h>

namespace bench {

struct CpuTime {
  double user = 0;    // seconds
  double system = 0;  // seconds
};

inline CpuTime ProcessCpuTime() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {seconds(usage.ru_utime), seconds(usage.ru_stime)};
}

}  // namespace bench
