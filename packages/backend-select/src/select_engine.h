// select(2): two sets of descriptors, where a descriptor's number is its place. A number such as N25 is a
// line of docs/native.md.
#pragma once

#include <sockman/narrow.h>
#include <sockman/readiness_engine.h>
#include <sockman/sys/wait.h>
#include <sockman/wakeup.h>

#include <algorithm>
#include <array>
#include <bit>

namespace sockman {

class SelectPoller {
 public:
  static constexpr bool kInline = false;  // it must block: nothing of it can be watched by another loop
  static constexpr int kDescriptorLimit = FD_SETSIZE;  // a set has no place for others (N25)
  static constexpr bool kErrorsLookReady = true;       // select(2) on Linux: no set is for them (N46)
  struct NoIndex {};
  using Port = ReadinessPort<NoIndex>;

  static Result<SelectPoller> open() {
    auto wakeup = Wakeup::open();
    if (!wakeup) return wakeup.failure();
    if (wakeup->fd() >= kDescriptorLimit) return Failure::unwatchable(wakeup->fd());
    return SelectPoller(std::move(*wakeup));
  }

  void add(Port& port) { ports_[static_cast<size_t>(port.fd.get())] = &port; }
  void remove(Port& port) {
    mute(port);
    ports_[static_cast<size_t>(port.fd.get())] = nullptr;
  }
  void update(Port& port, bool read, bool write) {
    put(wanted_.read, port.fd.get(), read);
    put(wanted_.write, port.fd.get(), write);
  }
  void mute(Port& port) { update(port, false, false); }

  void wait(Time deadline) {
    found_ = wanted_;  // select(2) overwrites its sets
    timeval left{};
    if (deadline != kNever) {
      const Time microseconds = std::max<Time>(0, (deadline - now() + 999) / 1000);
      left = {microseconds / 1'000'000, microseconds % 1'000'000};
    }
    const int count =
        sys::select(end(), set(found_.read), set(found_.write), deadline == kNever ? nullptr : &left);
    if (count < 0) found_ = count == -EBADF ? closedElsewhere() : Sets{};
    if (count < 0 && count != -EBADF && count != -EINTR) wakeup_.awaitInstead(deadline);
    if (has(found_.read, wakeup_.fd())) {
      put(found_.read, wakeup_.fd(), false);
      wakeup_.clear();
    }
  }
  void wake() const { wakeup_.signal(); }

  template <class Visit>
  void ready(Visit&& visit) {
    for (size_t word = 0; word < kWords; word++) {
      const Word readable = std::exchange(found_.read[word], 0);
      const Word writable = std::exchange(found_.write[word], 0);
      for (Word left = readable | writable; left != 0; left &= left - 1) {
        const auto bit = static_cast<size_t>(std::countr_zero(left));
        // None: removed while another was visited.
        if (Port* port = ports_[word * kBits + bit])
          visit(*port, (readable >> bit & 1) != 0, (writable >> bit & 1) != 0, false);
      }
    }
  }

 private:
  // The layout of fd_set, which its macros hide: they know one descriptor at a time.
  using Word = unsigned long;
  static constexpr size_t kBits = 8 * sizeof(Word);
  static constexpr size_t kWords = FD_SETSIZE / kBits;
  using Set = std::array<Word, kWords>;
  static_assert(sizeof(Set) == sizeof(fd_set));
  struct Sets {
    Set read{}, write{};
  };

  explicit SelectPoller(Wakeup wakeup) : wakeup_(std::move(wakeup)) { put(wanted_.read, wakeup_.fd(), true); }

  static fd_set* set(Set& words) { return reinterpret_cast<fd_set*>(words.data()); }
  static bool has(const Set& words, int fd) {
    return (words[static_cast<size_t>(fd) / kBits] >> static_cast<size_t>(fd) % kBits & 1) != 0;
  }
  static void put(Set& words, int fd, bool in) {
    Word& word = words[static_cast<size_t>(fd) / kBits];
    const Word bit = Word{1} << static_cast<size_t>(fd) % kBits;
    word = in ? word | bit : word & ~bit;
  }
  /// One more than the highest descriptor in a set, rounded up to a word.
  int end() const {
    size_t words = kWords;
    while (wanted_.read[words - 1] == 0 && wanted_.write[words - 1] == 0) words--;
    return narrow<int>(words * kBits);
  }
  /// One bad descriptor fails the call for all: those are reported, and what is done about them says EBADF.
  Sets closedElsewhere() const {
    Sets bad;
    for (int fd = 0; fd < end(); fd++) {
      const bool read = has(wanted_.read, fd), write = has(wanted_.write, fd);
      if ((!read && !write) || sys::isOpen(fd)) continue;
      put(bad.read, fd, read);
      put(bad.write, fd, write);
    }
    return bad;
  }

  Wakeup wakeup_;
  Sets wanted_, found_;
  std::array<Port*, FD_SETSIZE> ports_{};
};

using SelectEngine = ReadinessEngine<SelectPoller>;

}  // namespace sockman
