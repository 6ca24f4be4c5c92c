#include <epoll_engine.h>
#include <poll_engine.h>
#include <select_engine.h>

#include "../test.h"
#include "drives.h"

namespace sockman::test {

const std::vector<Row>& rows() {
  static const std::vector<Row> all = [] {
    std::vector<Row> rows;
    for (auto& some : {readinessRows(), iouringRows(), libuvRows()})
      rows.insert(rows.end(), some.begin(), some.end());
    for (const Row& row : rows) {
      if (!row.leftOut.empty()) tests().push_back({row.name, [] {}, row.leftOut});
    }
    return rows;
  }();
  return all;
}

std::vector<Row> readinessRows() {
  return {
      {.name = "select",
       .descriptorLimit = SelectEngine::kDescriptorLimit,
       .takesLate = true,
       .open = openDrive<SelectEngine, BlockingDrive>},
      {.name = "poll",
       .descriptorLimit = PollEngine::kDescriptorLimit,
       .hangUps = true,
       .takesLate = true,
       .open = openDrive<PollEngine, BlockingDrive>},
      {.name = "epoll",
       .descriptorLimit = EpollEngine::kDescriptorLimit,
       .hangUps = true,
       .takesLate = true,
       .open = openDrive<EpollEngine, BlockingDrive>},
      {.name = "epoll:inline",
       .driven = Row::Driven::byDescriptor,
       .descriptorLimit = EpollEngine::kDescriptorLimit,
       .hangUps = true,
       .takesLate = true,
       .open = openDrive<EpollEngine, DescriptorDrive>},
  };
}

}  // namespace sockman::test
