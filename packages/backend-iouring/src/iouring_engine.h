// io_uring(7): multishot accept and receive into buffers that the kernel picks.
//
// The life of a receive: (1) a multishot request names buffer group 0; (2) the kernel takes the block at the
// head of the buffer ring, fills part of it and posts a completion with the buffer's number; (3) the
// completion becomes a record over those bytes; (4) when all records of a used-up block are consumed,
// `replenish` puts it back at the tail. With incremental buffers (kernel 6.12) a block serves many
// completions, else one (N2). A number such as N2 is a line of docs/native.md.
#pragma once

#include <liburing.h>
#include <poll.h>

#include <sockman/engine.h>
#include <sockman/forgotten.h>
#include <sockman/roles.h>
#include <sockman/sockets.h>
#include <sockman/wakeup.h>

#include <deque>
#include <optional>
#include <vector>

#include "sys_uring.h"

namespace sockman {

class IoUringEngine {
 public:
  static constexpr bool kInline = true;
  static constexpr int kDescriptorLimit = kNoDescriptorLimit;

  struct Port : PortBase {
    msghdr message{};
    uint32_t inFlight = 0;  // requests whose terminal completion is outstanding
    bool accepting = false, once = false, receiving = false;  // wanted
    bool acceptArmed = false, receiveArmed = false, watchArmed = false;
    bool sendArmed = false, connectArmed = false;
    bool cancelling = false, starved = false;
    bool endSeen = false;                     // by the watch: the peer's end, or the end of both directions
    bool hungUp = false, hangUpTold = false;  // the watch has seen the latter, and the sink was told
    bool forgetting = false, listed = false;
  };

  /// Creates the ring disabled: whoever enables it is its only submitter (DEFER_TASKRUN; N47).
  static Result<std::unique_ptr<IoUringEngine>> open(ReceivePool& pool, uv_loop_s* nodeLoop);
  /// Everything was forgotten. The ring goes before the memory it writes to (N19).
  ~IoUringEngine();

  void enable() SOCKMAN_REQUIRES(drivingThread);
  void accept(Port& port, bool once) SOCKMAN_REQUIRES(drivingThread);
  void stopAccepting(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void connect(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void receive(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void stopReceiving(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void send(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void forget(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void replenish() SOCKMAN_REQUIRES(drivingThread);
  bool starving() const SOCKMAN_REQUIRES(drivingThread) { return !starved_.empty(); }

  void wait(Time deadline) SOCKMAN_REQUIRES(drivingThread);
  void wake() { wakeup_.signal(); }
  void submit() SOCKMAN_REQUIRES(drivingThread);
  template <class Sink>
  void reap(Sink& sink) SOCKMAN_REQUIRES(drivingThread);
  bool busy() const SOCKMAN_REQUIRES(drivingThread) {
    if (io_uring_cq_ready(&ring_) > 0 || reportsOwn()) return true;
    if (askAgain_ != 0) return false;
    return unsubmitted() ||
           (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
  }
  /// When the kernel, which has refused, is asked again; kNever when it has not.
  Time askAgain() const SOCKMAN_REQUIRES(drivingThread) { return askAgain_ == 0 ? kNever : askAgain_; }

  int completionFd() const SOCKMAN_REQUIRES(drivingThread) { return wakeup_.fd(); }
  void acknowledge() SOCKMAN_REQUIRES(drivingThread) { wakeup_.clear(); }
  Details details() const;
  static Details libraries();
  const EngineCounters& counters() const { return counters_; }

 private:
  /// In the low bits of user_data, above it the port.
  enum class Tag : uint64_t { none, accept, receive, send, connect, watch, cancel, wake };
  static constexpr uint64_t kTags = 7;
  static constexpr int kGroup = 0;

  IoUringEngine(Wakeup wakeup, ReceivePool& pool, bool inlineDrive)
      : wakeup_(std::move(wakeup)), pool_(pool), inline_(inlineDrive) {}

  std::optional<Failure> setUp();
  std::optional<Failure> tryOut();
  std::optional<Failure> registerBuffers() SOCKMAN_REQUIRES(drivingThread);
  io_uring_sqe* next() SOCKMAN_REQUIRES(drivingThread);
  [[nodiscard]] bool mayEnter() SOCKMAN_REQUIRES(drivingThread);
  void note(int answer) SOCKMAN_REQUIRES(drivingThread);
  /// Before the ring is entered, which hands over what found no room in the completion queue (N29).
  void noteOverflow(unsigned flags) SOCKMAN_REQUIRES(drivingThread) {
    if (flags & IORING_SQ_CQ_OVERFLOW) counters_.overflows.add();
  }
  /// Whether no request waits outside of the ring any more.
  [[nodiscard]] bool fill() SOCKMAN_REQUIRES(drivingThread);
  bool unsubmitted() const { return io_uring_sq_ready(&ring_) > 0 || submissions_.waiting(); }
  void cancelAgain(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void track(io_uring_sqe* sqe, Port& port, Tag tag) SOCKMAN_REQUIRES(drivingThread);
  void armReceive(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void armWatch(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void cancel(Port& port, Tag tag) SOCKMAN_REQUIRES(drivingThread);
  void armWake() SOCKMAN_REQUIRES(drivingThread);
  void refill() SOCKMAN_REQUIRES(drivingThread);
  void unlist(Port& port) SOCKMAN_REQUIRES(drivingThread);
  void listIfForgotten(Port& port) SOCKMAN_REQUIRES(drivingThread);
  template <class Sink>
  void complete(const io_uring_cqe& cqe, Sink& sink) SOCKMAN_REQUIRES(drivingThread);
  template <class Sink>
  void received(Port& port, int result, uint32_t flags, Sink& sink) SOCKMAN_REQUIRES(drivingThread);
  template <class Sink>
  void accepted(Port& port, int result, Sink& sink) SOCKMAN_REQUIRES(drivingThread);
  template <class Sink>
  void tellHangUp(Port& port, Sink& sink) SOCKMAN_REQUIRES(drivingThread);
  /// Whether there are reports that no completion brings.
  bool reportsOwn() const SOCKMAN_REQUIRES(drivingThread) { return !forgotten_.empty() || !hangUps_.empty(); }

  io_uring ring_{};
  sys::uring::Submissions submissions_;
  bool open_ = false, enabled_ = false;
  Time askAgain_ = 0;
  Wakeup wakeup_;
  ReceivePool& pool_;
  const bool inline_;
  uint32_t setupFlags_ = 0;
  bool incremental_ = false;
  bool limited_ = true;  // a multishot receive can be told where to end; until the kernel says no (N28)
  io_uring_buf_ring* buffers_ = nullptr;
  uint32_t bufferEntries_ = 0;
  uint32_t lent_ SOCKMAN_GUARDED_BY(drivingThread) = 0;  // blocks in the buffer ring
  /// The kernel's number of a buffer has 16 bits; that of a block may need more.
  std::vector<uint32_t> lentBlocks_ SOCKMAN_GUARDED_BY(drivingThread);   // by the buffer's number
  std::vector<uint32_t> freeBuffers_ SOCKMAN_GUARDED_BY(drivingThread);  // numbers below `bufferEntries_`
  std::deque<Port*> starved_ SOCKMAN_GUARDED_BY(drivingThread);  // wait for a block, first come, first served
  std::vector<Port*> served_ SOCKMAN_GUARDED_BY(drivingThread);  // had one in this pass, and want the next
  Forgotten<Port> forgotten_ SOCKMAN_GUARDED_BY(drivingThread);
  /// Hang-ups that were seen while the port received, which has stopped since (N57).
  std::vector<Port*> hangUps_ SOCKMAN_GUARDED_BY(drivingThread);
  EngineCounters counters_;
};

template <class Sink>
void IoUringEngine::reap(Sink& sink) {
  forgotten_.report(sink);
  for (Port* port : std::exchange(hangUps_, {})) {
    if (!port->receiving && !port->forgetting) tellHangUp(*port, sink);
  }
  // Submitting and running deferred work are one call, which is left out when there is neither (N11).
  const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
  if (inline_) counters_.wakeups.add();
  const bool due = unsubmitted() || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
  if (inline_ && mayEnter() && due && fill()) {
    noteOverflow(flags);
    counters_.syscalls.add();
    note(sys::uring::submitAndGetEvents(ring_));
  }
  unsigned head;
  io_uring_cqe* cqe;
  unsigned seen = 0;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    const io_uring_cqe copy = *cqe;
    seen++;
    complete(copy, sink);
  }
  io_uring_cq_advance(&ring_, seen);
  // Ports that found no block come before ports that had one (N5).
  starved_.insert(starved_.end(), served_.begin(), served_.end());
  served_.clear();
  replenish();
}

template <class Sink>
void IoUringEngine::complete(const io_uring_cqe& cqe, Sink& sink) {
  const Tag tag = static_cast<Tag>(cqe.user_data & kTags);
  if (tag == Tag::wake) {
    if (cqe.res < 0) askAgain_ = now() + kAskAgain;
    if (!(cqe.flags & IORING_CQE_F_MORE)) armWake();
    return;
  }
  Port& port = *reinterpret_cast<Port*>(cqe.user_data & ~kTags);
  const bool last = !(cqe.flags & IORING_CQE_F_MORE);
  if (last) port.inFlight--;
  switch (tag) {
    case Tag::accept:
      if (last) port.acceptArmed = false;
      accepted(port, cqe.res, sink);
      break;
    case Tag::receive:
      if (last) port.receiveArmed = port.cancelling = false;
      received(port, cqe.res, cqe.flags, sink);
      break;
    case Tag::send:
      port.sendArmed = false;
      if (port.forgetting && cqe.res < 0) break;
      sink.sent(port, cqe.res);
      break;
    case Tag::connect:
      port.connectArmed = false;
      if (port.forgetting) break;
      sink.connected(port, cqe.res < 0 ? -cqe.res : takeSocketError(port.fd.get()));
      break;
    case Tag::watch:
      if (last) port.watchArmed = false;
      if (port.forgetting || port.hungUp) break;
      if (cqe.res < 0) {
        // Without a watch the receive notices the end, and `stopReceiving` asks for a watch again. One that is
        // stopped has neither: it would never hear of a reset.
        if (port.receiving || cqe.res == -ECANCELED || std::exchange(port.hangUpTold, true)) break;
        sink.hungUp(port, -cqe.res);
        break;
      }
      port.hungUp = (cqe.res & (POLLERR | POLLHUP)) != 0;
      if (!port.hungUp) armWatch(port);
      if (port.hungUp && !port.receiving) tellHangUp(port, sink);
      // A receive reports the end itself, after the data. But a multishot receive can miss the end, so it is
      // cancelled and asked for again, single from now on (N18).
      if (!std::exchange(port.endSeen, true) && port.receiveArmed && !port.cancelling) {
        port.cancelling = true;
        cancel(port, Tag::receive);
      }
      break;
    case Tag::cancel:
      // Nothing to cancel any more, or it is about to end anyway: it will be told.
      if (cqe.res < 0 && cqe.res != -ENOENT && cqe.res != -EALREADY) cancelAgain(port);
      break;
    default:
      break;
  }
  listIfForgotten(port);
}

template <class Sink>
void IoUringEngine::tellHangUp(Port& port, Sink& sink) {
  if (std::exchange(port.hangUpTold, true)) return;
  // Without an error both directions came to an orderly end.
  if (const int error = takeSocketError(port.fd.get())) sink.hungUp(port, error);
}

template <class Sink>
void IoUringEngine::accepted(Port& port, int result, Sink& sink) {
  if (result >= 0) {
    if (port.once) port.accepting = false;
    sink.accepted(port, result);
  } else if (!port.forgetting && result != -ECANCELED && !isTransient(-result)) {
    port.accepting = false;
    sink.acceptFailed(port, -result);
  }
  if (port.accepting && !port.acceptArmed && !port.forgetting) accept(port, port.once);
}

template <class Sink>
void IoUringEngine::received(Port& port, int result, uint32_t flags, Sink& sink) {
  if (result > 0) {
    const uint32_t buffer = flags >> IORING_CQE_BUFFER_SHIFT;
    const uint32_t block = lentBlocks_[buffer];
    const size_t offset = pool_.fill(block, static_cast<size_t>(result));
    constexpr uint32_t kBufferMore = 1u << 4;  // IORING_CQE_F_BUF_MORE, kernel 6.12
    const bool done = !incremental_ || !(flags & kBufferMore);
    if (done) {
      lent_--;
      freeBuffers_.push_back(buffer);
    }
    sink.received(port, block, offset, static_cast<size_t>(result));
    if (done) pool_.finish(block);
    if (!port.receiving || port.receiveArmed) return;
    port.starved = true;
    served_.push_back(&port);
    return;
  }
  if (port.forgetting) return;
  if (result == -ENOBUFS) {
    counters_.exhausted.add();
    port.starved = port.receiving;
    if (port.receiving) starved_.push_back(&port);
    return;
  }
  if (result == -ECANCELED || isTransient(-result)) {
    if (port.receiving) armReceive(port);
    return;
  }
  if (result == -EINVAL && limited_) {
    limited_ = false;
    if (port.receiving) armReceive(port);
    return;
  }
  port.receiving = false;
  if (result < 0) port.hangUpTold = true;  // by this end (E29)
  sink.receiveEnded(port, -result);
}

}  // namespace sockman
