// Whom the driving thread knows.
#pragma once

#include <cstdint>
#include <vector>

#include "check.h"
#include "name.h"
#include "roles.h"

namespace sockman {

/// The connections, or listeners, between the command that introduces each and the record that ends it. Owned
/// by the driving thread, and so are the generations in it: those of `Slots` are the JavaScript thread's, and
/// reading them here would be a race (docs/native.md, N30).
template <class T>
class Roster {
 public:
  /// The object's first command is being executed.
  void enter(T& object) SOCKMAN_REQUIRES(drivingThread) {
    const auto slot = static_cast<size_t>(object.name.slot);
    if (slot >= seats_.size()) seats_.resize(slot + 1);
    Seat& seat = seats_[slot];
    SOCKMAN_CHECK(!seat.object && seat.generation != object.name.generation);
    seat = {&object, object.name.generation};
    size_++;
  }
  /// Its last record is being written.
  void leave(T& object) SOCKMAN_REQUIRES(drivingThread) {
    Seat& seat = seats_[static_cast<size_t>(object.name.slot)];
    SOCKMAN_CHECK(seat.object == &object);
    seat.object = nullptr;
    size_--;
  }

  /// Null when the object is gone already, which JavaScript had not learned when it named the object. A name
  /// of any but the slot's latest owner cannot come (docs/native.md, N32).
  T* find(Name name) const SOCKMAN_REQUIRES(drivingThread) {
    const auto slot = static_cast<size_t>(name.slot);
    SOCKMAN_CHECK(slot < seats_.size() && seats_[slot].generation == name.generation);
    return seats_[slot].object;
  }

  size_t size() const SOCKMAN_REQUIRES(drivingThread) { return size_; }
  bool empty() const SOCKMAN_REQUIRES(drivingThread) { return size_ == 0; }
  /// `visit` may not let anybody enter or leave.
  template <class Visit>
  void each(Visit&& visit) const SOCKMAN_REQUIRES(drivingThread) {
    size_t left = size_;
    for (size_t slot = 0; left > 0; slot++) {
      if (!seats_[slot].object) continue;
      left--;
      visit(*seats_[slot].object);
    }
  }

 private:
  struct Seat {
    T* object = nullptr;
    uint32_t generation = 0;  // of the latest owner, also when that is gone
  };

  std::vector<Seat> seats_ SOCKMAN_GUARDED_BY(drivingThread);  // by slot
  size_t size_ SOCKMAN_GUARDED_BY(drivingThread) = 0;
};

}  // namespace sockman
