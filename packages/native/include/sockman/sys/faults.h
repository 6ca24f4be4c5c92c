// Whether a call is to fail. In a released addon never, which the compiler knows: nothing of a fault point is left in
// the code. With SOCKMAN_FAULTS, which tests/faults/binding.gyp alone defines, the switch of the environment decides.
#pragma once

#include "points.h"

#ifdef SOCKMAN_FAULTS
#include "fault_switch.h"
#endif

namespace sockman::sys {

#ifdef SOCKMAN_FAULTS

/// The errno that the call behind `point` fails with now, which is then not made; 0 when the call is made.
inline int faultAt(Point point) {
  FaultSwitch* faults = FaultSwitch::ofThisThread();
  return faults ? faults->ask(point) : 0;
}

/// What a thread takes along from the thread that starts it.
class FaultContext {
 public:
  /// First on the new thread.
  void adopt() const { FaultSwitch::ofThisThread() = faults_; }

 private:
  FaultSwitch* faults_ = FaultSwitch::ofThisThread();
};

/// A fault that was decided before a request and is told in its completion.
class PendingFault {
 public:
  /// Whether there is one from now on.
  bool ask(Point point) { return (error_ = faultAt(point)) != 0; }
  /// The errno, once; 0 for none.
  int take() { return std::exchange(error_, 0); }

 private:
  int error_ = 0;
};

/// Counts a piece of memory that a room gave out (1), or got back (-1), for tests to see what a refused call leaves.
inline void hold(int pieces) {
  FaultSwitch::held += pieces;
}

#else

constexpr int faultAt(Point) {
  return 0;
}

class FaultContext {
 public:
  void adopt() const {}
};

class PendingFault {
 public:
  constexpr bool ask(Point) { return false; }
  constexpr int take() { return 0; }
};

constexpr void hold(int) {}

#endif

}  // namespace sockman::sys
