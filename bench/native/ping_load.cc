// Load for `bench ping`: 32-byte requests in a closed loop, one outstanding per connection. One thread,
// epoll(7).
//
//   ping-load HOST PORT CONNECTIONS SECONDS WARM-UP-SECONDS
//
// stdout: {"requests":…,"seconds":…,"p50":…,"p99":…,"cpu":…}: latencies in microseconds, its own CPU as a
// share of the time (near 1 it is itself the bottleneck). Every answer is compared with its request; a wrong
// one ends it with 1.

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

#include "address.h"
#include "fatal.h"
#include "fd.h"
#include "usage.h"

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;
using Message = std::array<uint8_t, 32>;

constexpr int kStall = 5'000;  // ms without any answer: the server is gone

struct Connection {
  Fd fd;
  Message request{};
  Message answer{};
  size_t received = 0;
  Clock::time_point sent_at;
};

class Load {
 public:
  Load(const Address& address, size_t connections) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_.get() < 0) FatalErrno("epoll_create1");
    for (size_t i = 0; i < connections; i++) connections_.push_back(Connect(address, i));
  }

  /** Runs until `end`, and on to the first answer where none has come by then; latencies of answers from now on are kept. */
  void RunUntil(Clock::time_point end) {
    latencies_.clear();
    std::array<epoll_event, 512> events;
    for (Clock::time_point now = Clock::now(); now < end || latencies_.empty();) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - now).count();
      const int timeout = left > 0 ? static_cast<int>(std::min<int64_t>(left, kStall)) : kStall;
      const int count = epoll_wait(epoll_.get(), events.data(), events.size(), timeout);
      if (count < 0 && errno != EINTR) FatalErrno("epoll_wait");
      if (count == 0 && timeout == kStall) Fatal("ping-load: no answer for 5 s");
      for (int i = 0; i < count; i++) Receive(connections_[events[i].data.u64]);
      now = Clock::now();
    }
  }

  void Start() {
    for (Connection& connection : connections_) Send(connection);
  }

  /** Nanoseconds, unsorted. */
  std::vector<uint32_t>& latencies() { return latencies_; }

 private:
  Connection Connect(const Address& address, size_t index) {
    Fd fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0) FatalErrno("socket");
    if (connect(fd.get(), address.get(), address.size) < 0)
      FatalErrno(("connect " + address.ToString()).c_str());
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd.get(), &event) < 0) FatalErrno("epoll_ctl");
    Connection connection;
    connection.fd = std::move(fd);
    for (size_t i = 0; i < connection.request.size(); i++)
      connection.request[i] = static_cast<uint8_t>(index * 31 + i);
    return connection;
  }

  void Send(Connection& connection) {
    // A sequence number in front, so that a repeated or stale answer does not pass for the right one.
    uint64_t sequence = ++sequence_;
    std::memcpy(connection.request.data(), &sequence, sizeof sequence);
    connection.received = 0;
    connection.sent_at = Clock::now();
    const ssize_t sent =
        send(connection.fd.get(), connection.request.data(), connection.request.size(), MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(connection.request.size())) FatalErrno("ping-load: send");
  }

  void Receive(Connection& connection) {
    const size_t left = connection.answer.size() - connection.received;
    const ssize_t got = recv(connection.fd.get(), connection.answer.data() + connection.received, left, 0);
    if (got == 0) Fatal("ping-load: the server closed a connection");
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) FatalErrno("ping-load: recv");
    connection.received += static_cast<size_t>(got);
    if (connection.received < connection.answer.size()) return;
    if (connection.answer != connection.request) Fatal("ping-load: an answer differs from its request");
    const auto latency = std::chrono::nanoseconds(Clock::now() - connection.sent_at).count();
    latencies_.push_back(static_cast<uint32_t>(std::min<int64_t>(latency, UINT32_MAX)));
    Send(connection);
  }

  Fd epoll_;
  std::vector<Connection> connections_;
  std::vector<uint32_t> latencies_;
  uint64_t sequence_ = 0;
};

/** Nearest rank, in microseconds. */
double Percentile(const std::vector<uint32_t>& sorted, double share) {
  const size_t rank = static_cast<size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return static_cast<double>(sorted[rank > 0 ? rank - 1 : 0]) / 1e3;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  if (argc != 6) Fatal("usage: ping-load HOST PORT CONNECTIONS SECONDS WARM-UP-SECONDS");
  const auto seconds = [](const char* text) {
    return std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(std::strtod(text, nullptr)));
  };
  Load load(Address::Parse(argv[1], argv[2]), std::strtoul(argv[3], nullptr, 10));
  load.latencies().reserve(1 << 22);
  load.Start();
  load.RunUntil(Clock::now() + seconds(argv[5]));

  const CpuTime before = ProcessCpuTime();
  const Clock::time_point start = Clock::now();
  load.RunUntil(start + seconds(argv[4]));
  const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  const CpuTime after = ProcessCpuTime();

  std::vector<uint32_t>& latencies = load.latencies();
  std::sort(latencies.begin(), latencies.end());
  const double cpu = (after.user + after.system - before.user - before.system) / elapsed;
  std::printf("{\"requests\":%zu,\"seconds\":%.6f,\"p50\":%.2f,\"p99\":%.2f,\"cpu\":%.4f}\n",
              latencies.size(), elapsed, Percentile(latencies, 0.5), Percentile(latencies, 0.99), cpu);
  return 0;
}
