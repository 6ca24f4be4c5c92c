// Serves blocks to downloading clients: one thread, epoll(7), independent of the engines under test.
//
//   serve HOST PORT MAGIC(hex) sendfile|send   3< block messages
//
// stdout: {"listening":"127.0.0.1:8333","blocks":128,"bytes":197231959} once it listens, and for every line
// on stdin {"user":…,"system":…,"bytesSent":…} (CPU seconds, bytes so far). It ends when stdin does, so that
// it cannot outlive the process that started it, and on SIGTERM and SIGINT.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#include <array>
#include <cinttypes>
#include <csignal>
#include <memory>
#include <unordered_map>

#include "address.h"
#include "block_image.h"
#include "client.h"
#include "fatal.h"
#include "usage.h"

namespace bench {
namespace {

class Server {
 public:
  Server(Address address, Service& service) : service_(service), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_.get() < 0) FatalErrno("epoll_create1");
    Listen(address);
    BlockSignals();
    Watch(EPOLL_CTL_ADD, listener_.get(), EPOLLIN);
    Watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN);
    Watch(EPOLL_CTL_ADD, signals_.get(), EPOLLIN);
  }

  void Run() {
    std::array<epoll_event, 64> events;
    for (;;) {
      const int count = epoll_wait(epoll_.get(), events.data(), events.size(), -1);
      if (count < 0 && errno != EINTR) FatalErrno("epoll_wait");
      for (int i = 0; i < count; i++) {
        const int fd = events[i].data.fd;
        if (fd == signals_.get()) return;
        if (fd == STDIN_FILENO) {
          if (!ReportUsage()) return;
        } else if (fd == listener_.get()) {
          Accept();
        } else {
          Serve(fd, events[i].events);
        }
      }
    }
  }

 private:
  void Listen(Address address) {
    listener_ = Fd(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int on = 1;
    if (listener_.get() < 0) FatalErrno("socket");
    setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener_.get(), address.get(), address.size) < 0)
      FatalErrno(("bind " + address.ToString()).c_str());
    if (listen(listener_.get(), SOMAXCONN) < 0) FatalErrno("listen");
    address.size = sizeof address.storage;
    getsockname(listener_.get(), address.get(), &address.size);
    std::printf("{\"listening\":\"%s\",\"blocks\":%zu,\"bytes\":%" PRIu64 "}\n", address.ToString().c_str(),
                service_.image.blocks().size(), service_.image.size());
    std::fflush(stdout);
  }

  void BlockSignals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = Fd(signalfd(-1, &set, SFD_CLOEXEC));
    if (signals_.get() < 0) FatalErrno("signalfd");
  }

  /** False at the end of stdin. */
  bool ReportUsage() {
    std::array<char, 256> lines;
    const ssize_t got = read(STDIN_FILENO, lines.data(), lines.size());
    if (got <= 0) return got < 0 && (errno == EAGAIN || errno == EINTR);
    for (ssize_t i = 0; i < got; i++) {
      if (lines[i] != '\n') continue;
      const CpuTime cpu = ProcessCpuTime();
      std::printf("{\"user\":%.6f,\"system\":%.6f,\"bytesSent\":%" PRIu64 "}\n", cpu.user, cpu.system,
                  service_.bytes_sent);
    }
    std::fflush(stdout);
    return true;
  }

  void Accept() {
    Fd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() < 0) return;  // Gone again, or out of descriptors: the next one may work.
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // Not paced by a timer (bbr), whatever the machine's default: the server must not be the bottleneck.
    setsockopt(fd.get(), IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    // A window's worth, as a peer across a network has: more would only pile up between the two and leave the
    // cache.
    const int window = 128 << 10;
    setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &window, sizeof window);
    const int number = fd.get();
    Watch(EPOLL_CTL_ADD, number, EPOLLIN);
    clients_.emplace(number, std::make_unique<Client>(std::move(fd), service_)).first->second->interest =
        EPOLLIN;
  }

  void Serve(int fd, uint32_t ready) {
    Client& client = *clients_.at(fd);
    const bool lives = (!(ready & (EPOLLIN | EPOLLHUP | EPOLLERR)) || client.OnReadable()) &&
                       (!(ready & EPOLLOUT) || client.OnWritable());
    if (!lives) {
      if (!client.reason().empty())
        std::fprintf(stderr, "serve: client dropped: %s\n", client.reason().c_str());
      clients_.erase(fd);  // Closing takes it out of epoll as well.
      return;
    }
    const uint32_t interest = (client.wants_read() ? EPOLLIN : 0u) | (client.wants_write() ? EPOLLOUT : 0u);
    if (interest != client.interest) Watch(EPOLL_CTL_MOD, fd, interest);
    client.interest = interest;
  }

  void Watch(int operation, int fd, uint32_t interest) {
    epoll_event event{};
    event.events = interest;
    event.data.fd = fd;
    if (epoll_ctl(epoll_.get(), operation, fd, &event) < 0) FatalErrno("epoll_ctl");
  }

  Service& service_;
  Fd epoll_, listener_, signals_;
  std::unordered_map<int, std::unique_ptr<Client>> clients_;
};

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  using namespace bench;
  const std::string_view path = argc == 5 ? argv[4] : "";
  if (path != "sendfile" && path != "send")
    Fatal("usage: serve HOST PORT MAGIC sendfile|send  3< block messages");
  const uint32_t magic = static_cast<uint32_t>(std::strtoul(argv[3], nullptr, 16));
  signal(SIGPIPE, SIG_IGN);  // sendfile(2) has no MSG_NOSIGNAL.
  Fd pipe(3);
  const BlockImage image(pipe.get(), magic);
  Service service{image, magic, path == "send" ? SendPath::kSend : SendPath::kSendfile};
  Server(Address::Parse(argv[1], argv[2]), service).Run();
  return 0;
}
