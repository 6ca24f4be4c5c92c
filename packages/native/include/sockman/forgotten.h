// The ports that an engine has forgotten and not yet reported.
#pragma once

#include <vector>

#include "roles.h"

namespace sockman {

template <class Port>
class Forgotten {
 public:
  void add(Port& port) { ports_.push_back(&port); }
  bool empty() const { return ports_.empty(); }
  /// What these reports forget in their turn is for the next reap (E17).
  template <class Sink>
  void report(Sink& sink) SOCKMAN_REQUIRES(drivingThread) {
    reporting_.swap(ports_);
    for (Port* port : reporting_) sink.forgotten(*port);
    reporting_.clear();
  }

 private:
  std::vector<Port*> ports_, reporting_;
};

}  // namespace sockman
