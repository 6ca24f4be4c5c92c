// poll(2): a dense array, and in each port its place in it.
#pragma once

#include <sockman/narrow.h>
#include <sockman/readiness_engine.h>
#include <sockman/sys/wait.h>
#include <sockman/wakeup.h>

#include <algorithm>
#include <vector>

namespace sockman {

class PollPoller {
 public:
  static constexpr bool kInline = false;  // it must block: nothing of it can be watched by another loop
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;
  using Port = ReadinessPort<size_t>;  // its place in the arrays

  static Result<PollPoller> open() {
    auto wakeup = Wakeup::open();
    if (!wakeup) return wakeup.failure();
    return PollPoller(std::move(*wakeup));
  }

  void add(Port& port) {
    port.index = ports_.size();
    ports_.push_back(&port);
    entries_.push_back({port.fd.get(), 0, 0});
  }
  void remove(Port& port) {
    const size_t index = port.index;
    ports_.back()->index = index;
    ports_[index] = ports_.back();
    entries_[index] = entries_.back();
    ports_.pop_back();
    entries_.pop_back();
  }
  void update(Port& port, bool read, bool write) {
    pollfd& entry = entries_[port.index];
    entry.fd = port.fd.get();
    entry.events = narrow<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0));
  }
  /// A negative descriptor is passed over by poll(2), its hang-up too (docs/native.md, N18).
  void mute(Port& port) { entries_[port.index].fd = -1; }

  void wait(Time deadline) {
    int count = sys::poll(entries_.data(), entries_.size(), millisecondsUntil(deadline));
    if (count == -EINVAL) count = pollSlices();
    if (count <= 0) {
      for (pollfd& entry : entries_) entry.revents = 0;
    }
    if (count < 0 && count != -EINTR) wakeup_.awaitInstead(deadline);
    if (entries_[0].revents != 0) wakeup_.clear();
  }
  void wake() const { wakeup_.signal(); }

  template <class Visit>
  void ready(Visit&& visit) {
    // Backwards: removal moves the last entry, which was visited already and has nothing left to report.
    for (size_t i = entries_.size(); i-- > 1;) {
      if (i >= entries_.size()) continue;
      const short found = std::exchange(entries_[i].revents, 0);
      if (found == 0) continue;
      visit(*ports_[i], (found & POLLIN) != 0, (found & POLLOUT) != 0,
            (found & (POLLERR | POLLHUP | POLLNVAL)) != 0);
    }
  }

 private:
  /// RLIMIT_NOFILE was lowered below what is open: without waiting, some at a time. Where nothing is found the
  /// refusal stands, and the next wait asks again (docs/native.md, N66).
  int pollSlices() {
    const size_t most = std::max<size_t>(1, sys::mostPolled());
    int found = 0;
    for (size_t begin = 0; begin < entries_.size(); begin += most) {
      const int count = sys::poll(&entries_[begin], std::min(most, entries_.size() - begin), 0);
      if (count < 0) return count;
      found += count;
    }
    return found > 0 ? found : -EINVAL;
  }

  explicit PollPoller(Wakeup wakeup) : wakeup_(std::move(wakeup)) {
    entries_.push_back({wakeup_.fd(), POLLIN, 0});
    ports_.push_back(nullptr);
  }

  Wakeup wakeup_;
  std::vector<pollfd> entries_;
  std::vector<Port*> ports_;
};

using PollEngine = ReadinessEngine<PollPoller>;

}  // namespace sockman
