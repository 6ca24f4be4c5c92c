// The room of io_uring. liburing's calls answer a negative errno themselves.
//
// A request that is to fail is replaced before the kernel sees it, by one that does nothing and completes with the
// errno: a result that was overwritten afterwards would leak a descriptor or lose bytes. So a multishot request fails
// only as a whole.
#pragma once

#include <liburing.h>
#include <sockman/narrow.h>
#include <sockman/sys/call.h>

#include <bit>
#include <deque>
#include <vector>

#ifdef __SANITIZE_THREAD__
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#endif

namespace sockman::sys::uring {

/// The order between rings of different threads that may come to lie at one address: the kernel gives an address out
/// again only after munmap(2). liburing maps rings by system calls of its own, which the thread sanitizer does not see,
/// so without being told it takes a new ring's writes for a race with those to the ring before.
struct Mappings {
  static void taken() {
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(&address);
#endif
  }
  static void givenBack() {
#ifdef __SANITIZE_THREAD__
    __tsan_release(&address);
#endif
  }
  static inline char address;
};

[[nodiscard]] inline int setUp(unsigned entries, io_uring& ring, io_uring_params& params) {
  const int error = faultAt(Point::uring_setup);
  if (error) return -error;
  const int result = io_uring_queue_init_params(entries, &ring, &params);
  Mappings::taken();
  return result;
}
inline void tearDown(io_uring& ring) {
  Mappings::givenBack();
  io_uring_queue_exit(&ring);
}
template <class Call>
[[nodiscard]] int registered(Point point, Call&& call) {
  const int error = faultAt(point);
  return error ? -error : call();
}
[[nodiscard]] inline int enable(io_uring& ring) {
  return registered(Point::uring_enable, [&] { return io_uring_enable_rings(&ring); });
}
[[nodiscard]] inline int watchBy(io_uring& ring, int eventfd) {
  return registered(Point::uring_register, [&] { return io_uring_register_eventfd(&ring, eventfd); });
}
[[nodiscard]] inline int registerBuffers(io_uring& ring, io_uring_buf_reg& registration) {
  return registered(Point::uring_register,
                    [&] { return io_uring_register_buf_ring(&ring, &registration, 0); });
}
/// Whether the kernel knows all of `opcodes`: 0, or a negative errno, EINVAL for an opcode that it does not know.
template <class Opcodes>
[[nodiscard]] int probe(io_uring& ring, const Opcodes& opcodes) {
  constexpr unsigned kMost = 256;
  std::vector<std::byte> memory(sizeof(io_uring_probe) + kMost * sizeof(io_uring_probe_op));
  auto* found = reinterpret_cast<io_uring_probe*>(memory.data());
  const int error =
      registered(Point::uring_probe, [&] { return io_uring_register_probe(&ring, found, kMost); });
  if (error < 0) return error;
  for (const int opcode : opcodes) {
    if (!io_uring_opcode_supported(found, opcode)) return -EINVAL;
  }
  return 0;
}

template <class Call>
[[nodiscard]] int entered(Call&& call) {
  const int error = faultAt(Point::uring_enter);
  return error ? -error : call();
}
/// Of a ring that is disabled: EBADFD when all is well.
[[nodiscard]] inline int tryToEnter(const io_uring& ring) {
  return entered([&] { return io_uring_enter(narrow<unsigned>(ring.ring_fd), 0, 0, 0, nullptr); });
}
[[nodiscard]] inline int submit(io_uring& ring) {
  return entered([&] { return io_uring_submit(&ring); });
}
[[nodiscard]] inline int submitAndGetEvents(io_uring& ring) {
  return entered([&] { return io_uring_submit_and_get_events(&ring); });
}
[[nodiscard]] inline int submitAndWait(io_uring& ring) {
  return entered([&] { return io_uring_submit_and_wait(&ring, 1); });
}
/// Without a time: until there is a completion.
[[nodiscard]] inline int submitAndWait(io_uring& ring, __kernel_timespec* time) {
  io_uring_cqe* cqe;
  return entered([&] { return io_uring_submit_and_wait_timeout(&ring, &cqe, 1, time, nullptr); });
}
/// Whether an enter was refused: neither a signal nor the time ended it.
inline bool isRefused(int answer) {
  return answer < 0 && answer != -EINTR && answer != -ETIME;
}

/// Last of a request's preparation: it is replaced where it is to fail. `user_data` stays.
inline void mayFail([[maybe_unused]] Point point, [[maybe_unused]] io_uring_sqe* sqe) {
#ifdef SOCKMAN_FAULTS
  constexpr uint32_t kInjectResult = 1;  // IORING_NOP_INJECT_RESULT, kernel 6.10
  const int error = faultAt(point);
  if (error == 0) return;
  const uint64_t data = sqe->user_data;
  io_uring_prep_nop(sqe);
  sqe->rw_flags = kInjectResult;
  sqe->len = std::bit_cast<uint32_t>(-error);
  sqe->user_data = data;
#endif
}

/// Requests on their way into a ring. A ring that is full, and whose kernel takes none now, keeps nobody waiting: what
/// has no room there waits here, in order.
class Submissions {
 public:
  /// Where to prepare the next request.
  io_uring_sqe* next(io_uring& ring) {
    io_uring_sqe* sqe = backlog_.empty() ? io_uring_get_sqe(&ring) : nullptr;
    return sqe ? sqe : &backlog_.emplace_back();
  }
  bool waiting() const { return !backlog_.empty(); }
  /// Moves what waits into the ring, submitting as often as that is full. 0, or why the kernel takes no more.
  [[nodiscard]] int fill(io_uring& ring) {
    while (!backlog_.empty()) {
      io_uring_sqe* sqe = io_uring_get_sqe(&ring);
      if (sqe) {
        *sqe = backlog_.front();
        backlog_.pop_front();
        continue;
      }
      const int answer = submit(ring);
      if (answer < 0 && answer != -EINTR) return answer;
    }
    return 0;
  }

 private:
  std::deque<io_uring_sqe> backlog_;
};

}  // namespace sockman::sys::uring
