// Who may move how many bytes now, where rates are limited: of a connection, and of all of them together. Owned by
// the driving thread. A number such as N74 is a line of docs/native.md.
//
// A direction that may not go on waits: for its own bucket with a deadline, or for that of all in a line, first come,
// first served. `expire` visits those whose time has come, and they ask again. Without limits nobody asks at all.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "bucket.h"
#include "deadlines.h"

namespace sockman {

enum class Flow : uint8_t { receive, send };

/// One direction of a connection. The connection owns it, and leaves the pacer before it ends.
template <class Owner>
struct Paced {
  Paced(Owner& owner, Flow flow) : owner(owner), flow(flow) {}
  Paced(const Paced&) = delete;

  bool waits() const { return deadline || inLine; }

  Owner& owner;
  const Flow flow;
  Bucket own;
  size_t granted = SIZE_MAX;  // what may still be received of what was granted
  bool unlimited = false;     // the send under way began before there was a rate of its own
  typename Deadlines<Paced>::Place deadline;
  bool inLine = false;
  Paced *before = nullptr, *behind = nullptr;  // in the line
};

template <class Owner>
class Pacer {
 public:
  using Direction = Paced<Owner>;

  /// Bytes per second over all connections, 0 for no limit.
  Pacer(int64_t receiveRate, int64_t sendRate) {
    const Time time = now();
    sides_[0].all.setRate(receiveRate, time);
    sides_[1].all.setRate(sendRate, time);
  }

  /// Whether each connection is limited by the sum of all.
  bool limitsAll() const { return sides_[0].all.limits() || sides_[1].all.limits(); }

  /// So many connections share the sum of all from now on. Whether the share of each has become less: what was granted
  /// is more than it, then.
  bool divide(size_t connections) {
    const size_t before = sharers_;
    if (connections > sharers_) sharers_ = std::bit_ceil(connections);
    // Not at once: a number that goes up and down would change the shares each time.
    if (connections < sharers_ / 4) sharers_ = std::max(kLeastSharers, sharers_ / 2);
    return sharers_ > before;
  }
  /// The most that is granted at once. All the grants together, which may be used at one moment or never, are no more
  /// than a burst, where that has a byte for each.
  size_t share(Flow flow) const {
    const Bucket& all = sides_[static_cast<size_t>(flow)].all;
    return all.limits() ? share(all) : SIZE_MAX;
  }

  /// How many bytes may go in this direction; 0: the direction waits from now on, and `expire` visits it.
  size_t grant(Direction& d) {
    const Time time = std::max(now(), judged_);
    size_t most = SIZE_MAX;
    if (d.own.limits()) {
      most = d.own.level(time);
      if (most == 0) {
        own_.set(d, withOthers(d.own.readyAt()));
        return 0;
      }
    }
    Side& side = of(d);
    if (!side.all.limits()) return most;
    const size_t left = side.all.level(time);
    if (left == 0 || (side.first && !serving_)) {
      enter(side, d);
      return 0;
    }
    return std::min({most, left, share(side.all)});
  }
  /// So many bytes went.
  void took(Direction& d, size_t bytes) {
    if (!std::exchange(d.unlimited, false) && d.own.limits()) d.own.take(bytes);
    if (of(d).all.limits()) of(d).all.take(bytes);
  }
  /// A new rate of its own. What waits for the one before waits no more; a place in the line is kept, as the rate may
  /// be set again and again.
  void setRate(Direction& d, int64_t rate) {
    own_.cancel(d);
    d.own.setRate(rate, now());
  }
  /// The direction waits no more.
  void leave(Direction& d) {
    own_.cancel(d);
    if (d.inLine) remove(of(d), d);
  }

  Time next() const {
    Time next = own_.next();
    for (const Side& side : sides_) {
      if (side.first) next = std::min(next, side.all.readyAt());
    }
    return next;
  }
  /// Visits what may go on.
  template <class Visit>
  void expire(Time time, Visit&& visit) {
    judged_ = time;
    own_.expire(time, visit);
    for (Side& side : sides_) {
      if (!side.first || side.all.readyAt() > time) continue;
      serving_ = true;
      // What is granted here is taken later, or never.
      size_t left = side.all.level(time);
      const size_t each = share(side.all);
      while (left > 0 && side.first) {
        Direction& d = *side.first;
        remove(side, d);
        left -= std::min(left, each);
        visit(d);
      }
      serving_ = false;
    }
  }

 private:
  /// A few connections have a share as if they were so many: else the first would be granted a whole burst, the second
  /// half of one, and so on, and all of that could be used at one moment.
  static constexpr size_t kLeastSharers = 16;

  struct Side {
    Bucket all;
    Direction *first = nullptr, *last = nullptr;
  };

  static Time withOthers(Time at) {
    constexpr Time kStep = Bucket::kLeast;
    return at >= kNever - kStep ? kNever : (at + kStep - 1) / kStep * kStep;
  }
  Side& of(const Direction& d) { return sides_[static_cast<size_t>(d.flow)]; }
  size_t share(const Bucket& all) const {
    const double share = all.most() / static_cast<double>(sharers_);
    return share < 1 ? 1 : static_cast<size_t>(share);
  }
  static void enter(Side& side, Direction& d) {
    d.inLine = true;
    d.before = side.last;
    d.behind = nullptr;
    (side.last ? side.last->behind : side.first) = &d;
    side.last = &d;
  }
  static void remove(Side& side, Direction& d) {
    d.inLine = false;
    (d.before ? d.before->behind : side.first) = d.behind;
    (d.behind ? d.behind->before : side.last) = d.before;
  }

  Side sides_[2];
  size_t sharers_ = kLeastSharers;  // no fewer than there are connections
  Deadlines<Direction> own_;
  Time judged_ = 0;       // the time that `expire` was called with: what waits for it is not told to wait on
  bool serving_ = false;  // the line: who is first in it does not stand behind the others
};

}  // namespace sockman
