// io_uring(7): multishot accept and receive into buffers that the kernel picks.
//
// The life of a receive: (1) a multishot request names buffer group 0; (2) the kernel takes the block at the
// head of the buffer ring, fills part of it and posts a completion with the block's number; (3) the
// completion becomes a record over those bytes; (4) when all records of a used-up block are consumed,
// `replenish` puts it back at the tail. With incremental buffers (kernel 6.12) a block serves many
// completions, else one.
#pragma once

#include <liburing.h>
#include <poll.h>

#include <sockman/engine.h>
#include <sockman/sockets.h>
#include <sockman/wakeup.h>

#include <deque>
#include <optional>
#include <vector>

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
    bool cancelling = false, starved = false, hungUp = false;
    bool forgetting = false, listed = false;
  };

  /// Creates the ring disabled: whoever enables it is its only submitter (DEFER_TASKRUN).
  static Result<std::unique_ptr<IoUringEngine>> open(ReceivePool& pool, uv_loop_s* nodeLoop);
  /// Everything was forgotten. The ring goes before the memory it writes to.
  ~IoUringEngine();

  void enable();
  void accept(Port& port, bool once);
  void stopAccepting(Port& port);
  void connect(Port& port);
  void receive(Port& port);
  void stopReceiving(Port& port);
  void send(Port& port);
  void forget(Port& port);
  void replenish();
  bool starving() const { return !starved_.empty(); }

  void wait(Time deadline);
  void wake() { wakeup_.signal(); }
  void submit();
  template <class Sink>
  void reap(Sink& sink);
  bool busy() const {
    return io_uring_sq_ready(&ring_) > 0 || io_uring_cq_ready(&ring_) > 0 || !forgotten_.empty() ||
           (IO_URING_READ_ONCE(*ring_.sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW));
  }

  int completionFd() const { return wakeup_.fd(); }
  void acknowledge() { wakeup_.clear(); }
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
  std::optional<Failure> registerBuffers();
  io_uring_sqe* next();
  void track(io_uring_sqe* sqe, Port& port, Tag tag);
  void armReceive(Port& port);
  void armWatch(Port& port);
  void cancel(Port& port, Tag tag);
  void armWake();
  void refill();
  void unlist(Port& port);
  void listIfForgotten(Port& port);
  template <class Sink>
  void complete(const io_uring_cqe& cqe, Sink& sink);
  template <class Sink>
  void received(Port& port, int result, uint32_t flags, Sink& sink);
  template <class Sink>
  void accepted(Port& port, int result, Sink& sink);

  io_uring ring_{};
  bool open_ = false;
  Wakeup wakeup_;
  ReceivePool& pool_;
  const bool inline_;
  uint32_t setupFlags_ = 0;
  bool incremental_ = false;
  bool limited_ = true;  // a multishot receive can be told where to end; until the kernel says no
  io_uring_buf_ring* buffers_ = nullptr;
  uint32_t bufferEntries_ = 0;
  uint32_t lent_ = 0;          // blocks in the buffer ring
  std::deque<Port*> starved_;  // wait for a block, first come, first served
  std::vector<Port*> served_;  // had one in this pass, and want the next
  std::vector<Port*> forgotten_;
  EngineCounters counters_;
};

template <class Sink>
void IoUringEngine::reap(Sink& sink) {
  for (size_t i = 0; i < forgotten_.size(); i++) sink.forgotten(*forgotten_[i]);
  forgotten_.clear();
  // Submitting and running deferred work are one call; without anything to do it is left out.
  const unsigned flags = IO_URING_READ_ONCE(*ring_.sq.kflags);
  if (inline_) counters_.wakeups.add();
  if (inline_ && (io_uring_sq_ready(&ring_) > 0 || (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)))) {
    if (flags & IORING_SQ_CQ_OVERFLOW) counters_.overflows.add();
    counters_.syscalls.add();
    io_uring_submit_and_get_events(&ring_);
  }
  unsigned head;
  io_uring_cqe* cqe;
  unsigned seen = 0;
  io_uring_for_each_cqe(&ring_, head, cqe) {
    if (!sink.hasRoom()) {
      counters_.overflows.add();
      break;
    }
    const io_uring_cqe copy = *cqe;
    seen++;
    complete(copy, sink);
  }
  io_uring_cq_advance(&ring_, seen);
  // Those that found no block come before those that had one.
  starved_.insert(starved_.end(), served_.begin(), served_.end());
  served_.clear();
  replenish();
}

template <class Sink>
void IoUringEngine::complete(const io_uring_cqe& cqe, Sink& sink) {
  const Tag tag = static_cast<Tag>(cqe.user_data & kTags);
  if (tag == Tag::wake) {
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
      if (port.forgetting || port.hungUp || cqe.res < 0) break;
      if (!(cqe.res & (POLLERR | POLLHUP))) {
        armWatch(port);
        break;
      }
      port.hungUp = true;
      if (!port.receiving) {
        sink.hungUp(port, takeSocketError(port.fd.get()));
      } else if (port.receiveArmed && !port.cancelling) {
        // A receive reports the end itself, after the data. But a multishot one can miss a reset that comes
        // while it hands over data (seen on kernel 6.18): asked again, it finds it.
        port.cancelling = true;
        cancel(port, Tag::receive);
      }
      break;
    default:
      break;
  }
  listIfForgotten(port);
}

template <class Sink>
void IoUringEngine::accepted(Port& port, int result, Sink& sink) {
  if (result >= 0) {
    if (port.once) port.accepting = false;
    sink.accepted(port, result);
  } else if (!port.forgetting && result != -ECANCELED) {
    port.accepting = false;
    sink.acceptFailed(port, -result);
  }
  if (port.accepting && !port.acceptArmed && !port.forgetting) accept(port, port.once);
}

template <class Sink>
void IoUringEngine::received(Port& port, int result, uint32_t flags, Sink& sink) {
  if (result > 0) {
    const uint32_t block = flags >> IORING_CQE_BUFFER_SHIFT;
    const size_t offset = pool_.fill(block, static_cast<size_t>(result));
    constexpr uint32_t kBufferMore = 1u << 4;  // IORING_CQE_F_BUF_MORE, kernel 6.12
    const bool done = !incremental_ || !(flags & kBufferMore);
    if (done) lent_--;
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
  sink.receiveEnded(port, -result);
}

}  // namespace sockman
