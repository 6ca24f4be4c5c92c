#include "iouring_engine.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

namespace sockman {
namespace {

constexpr unsigned kSubmissions = 512;
constexpr unsigned kCompletions = 8 * kSubmissions;
constexpr uint16_t kIncremental = 2;  // IOU_PBUF_RING_INC, kernel 6.12
constexpr uint32_t kMostBuffers = 32768;

/// Best first; the next is tried on EINVAL. SINGLE_ISSUER and DEFER_TASKRUN: kernel 6.1; COOP_TASKRUN: 5.19.
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
  if (auto failure = engine->registerBuffers()) return *failure;
  return engine;
}

std::optional<Failure> IoUringEngine::setUp() {
  for (uint32_t flags : kLadder) {
    io_uring_params params{};
    setupFlags_ = params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED;
    params.cq_entries = kCompletions;
    const int error = io_uring_queue_init_params(kSubmissions, &ring_, &params);
    if (error == 0) {
      open_ = true;
      break;
    }
    if (error != -EINVAL) return Failure{-error, "io_uring_setup"};
  }
  if (!open_) return Failure{EINVAL, "io_uring_setup"};
  if (!inline_) return std::nullopt;
  const int error = io_uring_register_eventfd(&ring_, wakeup_.fd());
  return error ? std::optional(Failure{-error, "io_uring_register"}) : std::nullopt;
}

/// Whether what is used is there and allowed: a filter may pass io_uring_setup and refuse the calls that
/// follow.
std::optional<Failure> IoUringEngine::tryOut() {
  // With nothing to submit a disabled ring answers EBADFD.
  const int answer = io_uring_enter(static_cast<unsigned>(ring_.ring_fd), 0, 0, 0, nullptr);
  if (answer != -EBADFD) return Failure{-answer, "io_uring_enter"};
  const std::unique_ptr<io_uring_probe, decltype(&io_uring_free_probe)> probe(io_uring_get_probe_ring(&ring_),
                                                                              io_uring_free_probe);
  if (!probe) return Failure{EINVAL, "io_uring_register"};
  for (int opcode : kOpcodes) {
    if (!io_uring_opcode_supported(probe.get(), opcode)) return Failure{EINVAL, "io_uring_register"};
  }
  return std::nullopt;
}

std::optional<Failure> IoUringEngine::registerBuffers() {
  bufferEntries_ = std::min(kMostBuffers, std::bit_ceil(pool_.most()));
  const size_t size = bufferEntries_ * sizeof(io_uring_buf);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return Failure::last("mmap");
  buffers_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(memory);
  registration.ring_entries = bufferEntries_;
  registration.bgid = kGroup;
  registration.pad = kIncremental;  // the field newer headers call flags
  int error = io_uring_register_buf_ring(&ring_, &registration, 0);
  incremental_ = error == 0;
  if (error == -EINVAL) {
    registration.pad = 0;
    error = io_uring_register_buf_ring(&ring_, &registration, 0);
  }
  if (error != 0) return Failure{-error, "io_uring_register"};
  io_uring_buf_ring_init(buffers_);
  refill();
  return std::nullopt;
}

IoUringEngine::~IoUringEngine() {
  if (open_) {
    if (buffers_) io_uring_unregister_buf_ring(&ring_, kGroup);
    io_uring_queue_exit(&ring_);
  }
  if (buffers_) ::munmap(buffers_, bufferEntries_ * sizeof(io_uring_buf));
}

void IoUringEngine::enable() {
  io_uring_enable_rings(&ring_);
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
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  while (!sqe) {
    submit();
    sqe = io_uring_get_sqe(&ring_);
  }
  return sqe;
}

void IoUringEngine::track(io_uring_sqe* sqe, Port& port, Tag tag) {
  sqe->user_data = reinterpret_cast<uintptr_t>(&port) | static_cast<uint64_t>(tag);
  port.inFlight++;
}

void IoUringEngine::armWake() {
  // Multishot, and never read: each signal is a completion, whatever the count has come to.
  io_uring_sqe* sqe = next();
  io_uring_prep_poll_multishot(sqe, wakeup_.fd(), POLLIN);
  sqe->user_data = static_cast<uint64_t>(Tag::wake);
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
  // Multishot where it can be told to stay within the room there is (kernel 6.17: at most `len` at a time,
  // and none after the first that makes it `optlen`, file_index in older headers, or more). Else, with little
  // room, or with few free blocks, of which the first should not take them all: one receive, cut to fit.
  if (limited_ && !port.hungUp && port.room >= 2 * block && lent_ * 2 >= pool_.initial()) {
    io_uring_prep_recv_multishot(sqe, port.fd.get(), nullptr, 0, 0);
    sqe->len = static_cast<uint32_t>(block);
    sqe->file_index = static_cast<uint32_t>(port.room - block + 1);
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
  armWatch(port);
}

/// Reports what poll(2) reports without being asked: an error, or the end of both directions. Multishot,
/// since this poll reports the peer's end too (POLLRDHUP), and a reset may follow that.
void IoUringEngine::armWatch(Port& port) {
  if (port.watchArmed || port.hungUp) return;
  port.watchArmed = true;
  io_uring_sqe* sqe = next();
  io_uring_prep_poll_multishot(sqe, port.fd.get(), 0);
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

/// close(2) cancels nothing: cancel, await every terminal completion, then the descriptor may go. One by one:
/// a cancel by descriptor finds nothing, or another's requests, when that was closed behind our back.
void IoUringEngine::forget(Port& port) {
  if (port.forgetting) return;
  port.forgetting = true;
  port.accepting = port.receiving = false;
  unlist(port);
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
  forgotten_.push_back(&port);
}

void IoUringEngine::unlist(Port& port) {
  if (!port.starved) return;
  port.starved = false;
  std::erase(starved_, &port);
  std::erase(served_, &port);
}

/// The kernel takes blocks first in, first out: no more are lent than the initial pool, so that they stay in
/// cache.
void IoUringEngine::refill() {
  int added = 0;
  const int mask = static_cast<int>(bufferEntries_ - 1);
  while (lent_ < pool_.initial() && lent_ < bufferEntries_) {
    const uint32_t block = pool_.claim();
    if (block == ReceivePool::kNone) break;
    io_uring_buf_ring_add(buffers_, pool_.at(block), static_cast<unsigned>(pool_.blockSize()),
                          static_cast<uint16_t>(block), mask, added++);
    lent_++;
  }
  if (added > 0) io_uring_buf_ring_advance(buffers_, added);
}

/// All that starve are armed as soon as there is a block: one that has no data yet would keep another from it
/// for ever.
void IoUringEngine::replenish() {
  refill();
  while (!starved_.empty() && lent_ > 0) {
    Port& port = *starved_.front();
    starved_.pop_front();
    port.starved = false;
    if (port.receiving && !port.receiveArmed) armReceive(port);
  }
}

void IoUringEngine::submit() {
  if (io_uring_sq_ready(&ring_) == 0) return;
  counters_.syscalls.add();
  io_uring_submit(&ring_);
}

void IoUringEngine::wait(Time deadline) {
  counters_.syscalls.add();
  const Time left = !forgotten_.empty()  ? 0
                    : deadline == kNever ? kNever
                                         : std::max<Time>(0, deadline - now());
  if (left == kNever) {
    io_uring_submit_and_wait(&ring_, 1);
  } else {
    __kernel_timespec time{left / 1'000'000'000, left % 1'000'000'000};
    io_uring_cqe* cqe;
    io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &time, nullptr);
  }
  counters_.wakeups.add();
}

}  // namespace sockman
