// A number such as N47 is a line of docs/native.md.
#include "iouring_engine.h"

#include <sockman/narrow.h>

#include <algorithm>
#include <bit>

namespace sockman {
namespace {

constexpr unsigned kSubmissions = 512;
constexpr unsigned kCompletions = 8 * kSubmissions;  // N29
constexpr uint16_t kIncremental = 2;                 // IOU_PBUF_RING_INC, kernel 6.12
constexpr uint32_t kMostBuffers = 32768;

/// Best first; the next is tried on EINVAL (N47). SINGLE_ISSUER and DEFER_TASKRUN: kernel 6.1; COOP_TASKRUN:
/// 5.19.
constexpr uint32_t kLadder[] = {
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
        IORING_SETUP_TASKRUN_FLAG,
    IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
    0,
};

/// What the engine submits.
constexpr int kOpcodes[] = {IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_SENDMSG, IORING_OP_POLL_ADD,
                            IORING_OP_ASYNC_CANCEL};

/// For people: what the kernel says of itself (io_uring_setup(2)).
constexpr std::pair<uint32_t, const char*> kFeatures[] = {
    {IORING_FEAT_SINGLE_MMAP, "SINGLE_MMAP"},        {IORING_FEAT_NODROP, "NODROP"},
    {IORING_FEAT_SUBMIT_STABLE, "SUBMIT_STABLE"},    {IORING_FEAT_FAST_POLL, "FAST_POLL"},
    {IORING_FEAT_POLL_32BITS, "POLL_32BITS"},        {IORING_FEAT_EXT_ARG, "EXT_ARG"},
    {IORING_FEAT_NATIVE_WORKERS, "NATIVE_WORKERS"},  {IORING_FEAT_CQE_SKIP, "CQE_SKIP"},
    {1u << 14 /* kernel 6.10 */, "RECVSEND_BUNDLE"},
};

}  // namespace

Result<std::unique_ptr<IoUringEngine>> IoUringEngine::open(ReceivePool& pool, uv_loop_s* nodeLoop) {
  auto wakeup = Wakeup::open();
  if (!wakeup) return wakeup.failure();
  std::unique_ptr<IoUringEngine> engine(new IoUringEngine(std::move(*wakeup), pool, nodeLoop != nullptr));
  if (auto failure = engine->setUp()) return *failure;
  if (auto failure = engine->tryOut()) return *failure;
  drivingThread.assertHeld();  // nobody drives yet
  if (auto failure = engine->registerBuffers()) return *failure;
  return engine;
}

std::optional<Failure> IoUringEngine::setUp() {
  for (uint32_t flags : kLadder) {
    io_uring_params params{};
    setupFlags_ = params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
    params.cq_entries = kCompletions;
    const int error = sys::uring::setUp(kSubmissions, ring_, params);
    if (error == 0) {
      open_ = true;
      break;
    }
    if (error != -EINVAL) return Failure::of(error, "io_uring_setup");
  }
  if (!open_) return Failure{EINVAL, "io_uring_setup"};
  if (!inline_) return std::nullopt;
  const int error = sys::uring::watchBy(ring_, wakeup_.fd());
  return error ? std::optional(Failure::of(error, "io_uring_register")) : std::nullopt;
}

/// Whether what is used is there and allowed: a filter may pass io_uring_setup and refuse the calls that
/// follow (N47).
std::optional<Failure> IoUringEngine::tryOut() {
  // With nothing to submit a disabled ring answers EBADFD.
  const int answer = sys::uring::tryToEnter(ring_);
  if (answer != -EBADFD) return Failure::of(answer, "io_uring_enter");
  const int error = sys::uring::probe(ring_, kOpcodes);
  return error ? std::optional(Failure::of(error, "io_uring_register")) : std::nullopt;
}

std::optional<Failure> IoUringEngine::registerBuffers() {
  bufferEntries_ = std::min(kMostBuffers, std::bit_ceil(pool_.most()));
  const size_t size = bufferEntries_ * sizeof(io_uring_buf);
  int refused = 0;
  void* memory = sys::map(size, refused);
  if (!memory) return Failure{refused, "mmap"};
  buffers_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(memory);
  registration.ring_entries = bufferEntries_;
  registration.bgid = kGroup;
  registration.pad = kIncremental;  // the field newer headers call flags
  int error = sys::uring::registerBuffers(ring_, registration);
  incremental_ = error == 0;
  if (error == -EINVAL) {
    registration.pad = 0;
    error = sys::uring::registerBuffers(ring_, registration);
  }
  if (error != 0) return Failure::of(error, "io_uring_register");
  io_uring_buf_ring_init(buffers_);
  lentBlocks_.resize(bufferEntries_);
  for (uint32_t buffer = 0; buffer < bufferEntries_; buffer++) freeBuffers_.push_back(buffer);
  refill();
  return std::nullopt;
}

IoUringEngine::~IoUringEngine() {
  if (open_) {
    // The kernel may refuse this for a network thread's ring (EEXIST), which takes the buffers along (N19).
    if (buffers_) sys::ignored(io_uring_unregister_buf_ring(&ring_, kGroup));
    sys::uring::tearDown(ring_);
  }
  if (buffers_) sys::unmap(buffers_, bufferEntries_ * sizeof(io_uring_buf));
}

void IoUringEngine::enable() {
  // Refused, it is tried again where the ring is to be entered.
  sys::ignored(mayEnter());
  if (!inline_) armWake();
}

Details IoUringEngine::details() const {
  const char* setup = setupFlags_ & IORING_SETUP_DEFER_TASKRUN  ? "DEFER_TASKRUN"
                      : setupFlags_ & IORING_SETUP_COOP_TASKRUN ? "COOP_TASKRUN"
                                                                : "plain";
  std::string features;
  for (const auto& [bit, name] : kFeatures) {
    if (ring_.features & bit) features.append(features.empty() ? "" : " ").append(name);
  }
  return {{"setup", setup}, {"buffers", incremental_ ? "incremental" : "whole"}, {"features", features}};
}

Details IoUringEngine::libraries() {
  return {{"liburing", SOCKMAN_LIBURING_VERSION}};
}

io_uring_sqe* IoUringEngine::next() {
  if (io_uring_sq_space_left(&ring_) == 0) submit();
  return submissions_.next(ring_);
}

void IoUringEngine::track(io_uring_sqe* sqe, Port& port, Tag tag) {
  static constexpr sys::Point kPoints[] = {
      /* none */ sys::Point::uring_wake, sys::Point::uring_accept,    sys::Point::uring_recv,
      sys::Point::uring_sendmsg,         sys::Point::uring_connected, sys::Point::uring_watch,
      sys::Point::uring_cancel,
  };
  sqe->user_data = reinterpret_cast<uintptr_t>(&port) | static_cast<uint64_t>(tag);
  sys::uring::mayFail(kPoints[static_cast<size_t>(tag)], sqe);
  port.inFlight++;
}

/// Whether the kernel may be asked: not for a moment after it refused, so that a shortage is not met by a spin.
bool IoUringEngine::mayEnter() {
  if (askAgain_ != 0 && now() < askAgain_) return false;
  askAgain_ = 0;
  if (!enabled_) note(sys::uring::enable(ring_));
  enabled_ = askAgain_ == 0;
  return enabled_;
}

/// What the kernel answered. It is busy when completions wait: to reap them is the way on.
void IoUringEngine::note(int answer) {
  if (sys::uring::isRefused(answer) && io_uring_cq_ready(&ring_) == 0) askAgain_ = now() + kAskAgain;
}

void IoUringEngine::armWake() {
  // Multishot, and the eventfd is never read: each signal is a completion, whatever the count has come to
  // (N47).
  io_uring_sqe* sqe = next();
  io_uring_prep_poll_multishot(sqe, wakeup_.fd(), POLLIN);
  sqe->user_data = static_cast<uint64_t>(Tag::wake);
  sys::uring::mayFail(sys::Point::uring_wake, sqe);
}

void IoUringEngine::accept(Port& port, bool once) {
  port.accepting = true;
  port.once = once;
  if (port.acceptArmed || port.forgetting) return;
  port.acceptArmed = true;
  io_uring_sqe* sqe = next();
  if (once) {
    io_uring_prep_accept(sqe, port.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } else {
    io_uring_prep_multishot_accept(sqe, port.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  }
  track(sqe, port, Tag::accept);
}

void IoUringEngine::stopAccepting(Port& port) {
  port.accepting = false;
  if (port.acceptArmed) cancel(port, Tag::accept);
}

void IoUringEngine::connect(Port& port) {
  io_uring_sqe* sqe = next();
  io_uring_prep_poll_add(sqe, port.fd.get(), POLLOUT);
  port.connectArmed = true;
  track(sqe, port, Tag::connect);
}

void IoUringEngine::receive(Port& port) {
  port.receiving = true;
  if (port.receiveArmed || port.starved || port.forgetting) return;
  armReceive(port);
}

void IoUringEngine::armReceive(Port& port) {
  port.receiveArmed = true;
  armWatch(port);
  io_uring_sqe* sqe = next();
  const size_t block = pool_.blockSize();
  // Multishot where the receive can be told to stay within the room (kernel 6.17: at most `len` at a time,
  // and none once `optlen`, file_index in older headers, or more has come). Else, with little room, with few
  // free blocks, which one port should not take all, or after the peer's end: one receive, cut to fit (N28).
  if (limited_ && !port.endSeen && port.room >= 2 * block && lent_ * 2 >= pool_.initial()) {
    io_uring_prep_recv_multishot(sqe, port.fd.get(), nullptr, 0, 0);
    sqe->len = narrow<uint32_t>(block);
    sqe->file_index = narrow<uint32_t>(port.room - block + 1);
  } else {
    io_uring_prep_recv(sqe, port.fd.get(), nullptr, std::min(port.room, block), 0);
  }
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kGroup;
  track(sqe, port, Tag::receive);
}

void IoUringEngine::stopReceiving(Port& port) {
  if (port.forgetting) return;
  port.receiving = false;
  unlist(port);
  if (port.receiveArmed && !port.cancelling) {
    port.cancelling = true;
    cancel(port, Tag::receive);
  }
  // The watch saw the end while the port received, and left the report to the receive, which is no more: the
  // next `reap` reports it (N57).
  if (port.hungUp && !port.hangUpTold) hangUps_.push_back(&port);
  armWatch(port);
}

/// Looks for the peer's end, and for what poll(2) reports without being asked: an error, or the end of both
/// directions. Multishot, since a reset may follow the peer's end (N18).
void IoUringEngine::armWatch(Port& port) {
  if (port.watchArmed || port.hungUp) return;
  port.watchArmed = true;
  io_uring_sqe* sqe = next();
  io_uring_prep_poll_multishot(sqe, port.fd.get(), POLLRDHUP);
  track(sqe, port, Tag::watch);
}

void IoUringEngine::send(Port& port) {
  port.message.msg_iov = port.parts;
  port.message.msg_iovlen = static_cast<size_t>(port.partCount);
  io_uring_sqe* sqe = next();
  io_uring_prep_sendmsg(sqe, port.fd.get(), &port.message, MSG_NOSIGNAL);
  port.sendArmed = true;
  track(sqe, port, Tag::send);
}

void IoUringEngine::cancel(Port& port, Tag tag) {
  io_uring_sqe* sqe = next();
  io_uring_prep_cancel64(sqe, reinterpret_cast<uintptr_t>(&port) | static_cast<uint64_t>(tag), 0);
  track(sqe, port, Tag::cancel);
}

/// close(2) cancels nothing: each request is cancelled by its own name, and its terminal completion awaited,
/// before the descriptor may go (N19).
void IoUringEngine::forget(Port& port) {
  if (port.forgetting) return;
  port.forgetting = true;
  port.accepting = port.receiving = false;
  unlist(port);
  std::erase(hangUps_, &port);
  listIfForgotten(port);
  if (port.acceptArmed) cancel(port, Tag::accept);
  if (port.receiveArmed) cancel(port, Tag::receive);
  if (port.watchArmed) cancel(port, Tag::watch);
  if (port.sendArmed) cancel(port, Tag::send);
  if (port.connectArmed) cancel(port, Tag::connect);
}

/// A report may lead to `forget` of its own port: listed once all the same.
void IoUringEngine::listIfForgotten(Port& port) {
  if (!port.forgetting || port.listed || port.inFlight > 0) return;
  port.listed = true;
  forgotten_.add(port);
}

void IoUringEngine::unlist(Port& port) {
  if (!port.starved) return;
  port.starved = false;
  std::erase(starved_, &port);
  std::erase(served_, &port);
}

/// The kernel takes blocks first in, first out: no more blocks are lent than the initial pool has, so that
/// they stay in the cache (N27).
void IoUringEngine::refill() {
  int added = 0;
  const int mask = narrow<int>(bufferEntries_ - 1);
  while (lent_ < pool_.initial() && !freeBuffers_.empty()) {
    const uint32_t block = pool_.claim();
    if (block == ReceivePool::kNone) break;
    const uint32_t buffer = freeBuffers_.back();
    freeBuffers_.pop_back();
    lentBlocks_[buffer] = block;
    io_uring_buf_ring_add(buffers_, pool_.at(block), narrow<unsigned>(pool_.blockSize()),
                          narrow<uint16_t>(buffer), mask, added++);
    lent_++;
  }
  if (added > 0) io_uring_buf_ring_advance(buffers_, added);
}

/// All ports that starve are armed as soon as there is a block: a port without data would keep another from
/// the block for ever (N5).
void IoUringEngine::replenish() {
  refill();
  while (!starved_.empty() && lent_ > 0) {
    Port& port = *starved_.front();
    starved_.pop_front();
    port.starved = false;
    if (port.receiving && !port.receiveArmed) armReceive(port);
  }
}

/// A cancel that was refused: what was to end has not, and nobody else would ask.
void IoUringEngine::cancelAgain(Port& port) {
  askAgain_ = now() + kAskAgain;
  if (port.acceptArmed && !port.accepting) cancel(port, Tag::accept);
  if (port.receiveArmed && (port.cancelling || port.forgetting)) cancel(port, Tag::receive);
  if (!port.forgetting) return;
  if (port.watchArmed) cancel(port, Tag::watch);
  if (port.sendArmed) cancel(port, Tag::send);
  if (port.connectArmed) cancel(port, Tag::connect);
}

bool IoUringEngine::fill() {
  const int answer = submissions_.fill(ring_);
  note(answer);
  return answer == 0;
}

void IoUringEngine::submit() {
  if (!unsubmitted() || !mayEnter() || !fill()) return;
  counters_.syscalls.add();
  note(sys::uring::submit(ring_));
}

void IoUringEngine::wait(Time deadline) {
  counters_.syscalls.add();
  const bool due = reportsOwn() || io_uring_cq_ready(&ring_) > 0;
  if (!mayEnter() || !fill()) {
    wakeup_.awaitInstead(due ? 0 : deadline);
  } else {
    const Time left = due ? 0 : deadline == kNever ? kNever : std::max<Time>(0, deadline - now());
    __kernel_timespec time{left / 1'000'000'000, left % 1'000'000'000};
    noteOverflow(IO_URING_READ_ONCE(*ring_.sq.kflags));
    note(left == kNever ? sys::uring::submitAndWait(ring_) : sys::uring::submitAndWait(ring_, &time));
  }
  counters_.wakeups.add();
}

}  // namespace sockman
