// What the cases run on: each engine under each drive that sockman has for it.
#pragma once

#include <sockman/receive_pool.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "any_engine.h"

namespace sockman::test {

/// Runs an engine as a drive of sockman does, and owns it.
class Drive {
 public:
  explicit Drive(std::unique_ptr<AnyEngine> engine) : engine_(std::move(engine)) {}
  virtual ~Drive() = default;
  AnyEngine& engine() const { return *engine_; }

  /// Hands over to the kernel what was asked, and waits for something to reap, `deadline` at most.
  virtual void wait(Time deadline) = 0;

 protected:
  std::unique_ptr<AnyEngine> engine_;
};

struct Row {
  enum class Driven {
    blocking,      // a thread of its own blocks in `wait`
    byDescriptor,  // another loop watches `completionFd`
    hosted,        // the engine lives in a loop of libuv's
  };

  std::string name;
  /// Why this machine does not have the engine; empty when it has.
  std::string leftOut;
  Driven driven = Driven::blocking;
  int descriptorLimit = 0;
  /// Whether the mechanism tells a reset of a port that does not receive.
  bool hangUps = false;
  /// Whether the engine lends the initial pool to the kernel; else it fills one block.
  bool lends = false;
  /// Whether the engine takes nothing before it is told to report it: then a stop leaves nothing in flight.
  bool takesLate = false;
  std::function<Result<std::unique_ptr<Drive>>(ReceivePool&)> open;
};

const std::vector<Row>& rows();

/// Those of one engine. Where it is missing, one row that says why.
std::vector<Row> readinessRows();
std::vector<Row> iouringRows();
std::vector<Row> libuvRows();

}  // namespace sockman::test
