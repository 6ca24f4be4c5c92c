#include <cstring>

#include "drives.h"

#ifdef SOCKMAN_LIBURING_VERSION
#include <iouring_engine.h>

namespace sockman::test {

std::vector<Row> iouringRows() {
  constexpr size_t kSize = 1 << 16;
  ReceivePool pool(*Region::map(kSize), kSize, kSize, kSize);
  std::string leftOut;
  if (const auto engine = IoUringEngine::open(pool, nullptr); !engine)
    leftOut = std::string(engine.failure().syscall) + ": " + std::strerror(engine.failure().error);
  return {
      {.name = "iouring",
       .leftOut = leftOut,
       .descriptorLimit = IoUringEngine::kDescriptorLimit,
       .hangUps = true,
       .lends = true,
       .open = openDrive<IoUringEngine, BlockingDrive>},
      {.name = "iouring:inline",
       .leftOut = leftOut,
       .driven = Row::Driven::byDescriptor,
       .descriptorLimit = IoUringEngine::kDescriptorLimit,
       .hangUps = true,
       .lends = true,
       .open = openDrive<IoUringEngine, DescriptorDrive>},
  };
}

}  // namespace sockman::test
#else
namespace sockman::test {

std::vector<Row> iouringRows() {
  return {{.name = "iouring", .leftOut = "liburing is missing: apt-get install -y liburing-dev"}};
}

}  // namespace sockman::test
#endif
