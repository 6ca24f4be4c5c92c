// All of it at once: random requests, from outside and from inside of reports, over real sockets. The client checks
// each report, and at the end each stream has come to what was written into it.
#include <deque>

#include "../seeds.h"
#include "world.h"

namespace sockman::test {
namespace {

class Chaos {
 public:
  Chaos(const Row& row, uint32_t seed)
      : world_(row, {.block = 4096, .initial = 2 + seed % 5, .most = 4 + seed % 29}), dice_(seed) {
    world_.client().inside = [this](Report report, TestPort& told) { during(report, told); };
  }

  void run() {
    for (int step = 0; step < 400; step++) {
      act();
      if (dice_.oneIn(3)) turn();
    }
    finish();
  }

 private:
  enum class Kind { connection, connecting, listener };
  struct End {
    Kind kind;
    TestPort* port;
    Peer peer;
    Address address;  // of a listener
    std::vector<Fd> clients;
    bool broken = false;  // closed or reset from the other side, in the middle
  };

  void turn() {
    if (dice_.oneIn(3)) world_.gather();
    // Without a wake, and with nothing to report, a wait would be for ever.
    if (world_.row.driven == Row::Driven::blocking && dice_.oneIn(4)) {
      world_.engine().wake();
      world_.turn(now() + 20'000 * kMillisecond);
    } else {
      world_.turn(0);
    }
  }

  void during(Report report, TestPort& told) {
    if (dice_.oneIn(2)) return;
    if (report != Report::forgotten && dice_.oneIn(2)) {
      for (End& end : ends_) {
        if (end.port == &told) return about(end);
      }
    }
    act();
  }

  void act() {
    const uint32_t what = dice_.roll(20);
    if (what == 0) world_.client().holding = dice_.oneIn(2);
    if (what == 1) world_.client().release();
    if (what == 2) world_.engine().replenish();
    if (world_.client().live() < 3 || (what == 3 && world_.client().live() < 14)) return begin();
    End& end = ends_[dice_.roll(static_cast<uint32_t>(ends_.size()))];
    if (!end.port->forgotten) about(end);
  }

  void begin() {
    const uint32_t what = dice_.roll(8);
    if (what == 0) {
      TestPort& port = world_.port(listenOnLoopback());
      const Address address = *localAddress(port.base->fd.get());
      ends_.push_back({Kind::listener, &port, {}, address, {}});
      ends_.back().port->once = dice_.oneIn(2);
    } else if (what == 1) {
      const Fd listener = listenOnLoopback();
      TestPort& port = world_.port(beginConnect(listener));
      ends_.push_back({Kind::connecting, &port, {Fd(sys::accept(listener.get())), port.tag}, {}, {}});
      world_.client().connect(port);
    } else {
      auto [port, peer] = world_.line(dice_.oneIn(2) ? Family::tcp : Family::local);
      ends_.push_back({Kind::connection, &port, std::move(peer), {}, {}});
    }
  }

  void about(End& end) {
    if (end.port->forgetting) return;
    if (dice_.oneIn(25)) return world_.client().forget(*end.port);
    if (end.kind == Kind::listener) return aboutListener(end);
    if (dice_.oneIn(2)) return aboutPeer(end);
    Client& client = world_.client();
    TestPort& port = *end.port;
    if (end.kind == Kind::connecting && port.connected != 0) return;
    switch (dice_.roll(4)) {
      case 0:
        return client.stopReceiving(port);
      case 1:
        // After an error SockLoop sends no more.
        if (!port.sending && port.lastSent >= 0) {
          client.send(port, 8 + dice_.roll(100'000), 1 + static_cast<int>(dice_.roll(PortBase::kMaxParts)));
        }
        return;
      default:
        if (port.ends > 3) return;
        port.base->room += dice_.roll(20'000) + (port.base->room == 0 ? 1 : 0);
        return client.receive(port);
    }
  }
  void aboutListener(End& end) {
    switch (dice_.roll(4)) {
      case 0:
        return world_.client().stopAccepting(*end.port);
      case 1:
        return world_.client().accept(*end.port, end.port->once);
      default:
        if (end.clients.size() < 100) end.clients.push_back(beginConnect(end.address));
    }
  }
  void aboutPeer(End& end) {
    Peer& peer = end.peer;
    if (!peer.fd) return;
    if (dice_.oneIn(40)) {
      end.broken = true;
      if (localAddress(peer.fd.get())->family() != AF_UNIX && dice_.oneIn(2)) return resetConnection(peer.fd);
      return peer.fd.reset();
    }
    if (dice_.oneIn(40)) return peer.endWriting();
    if (dice_.oneIn(2)) {
      peer.drain();
    } else {
      peer.write(1 + dice_.roll(20'000));
    }
  }

  /// What is left comes to its end.
  void finish() {
    Client& client = world_.client();
    client.inside = [](Report, TestPort&) {};
    client.holding = false;
    client.release();
    for (End& end : ends_) {
      if (end.kind == Kind::listener) {
        finishListener(end);
      } else {
        finishConnection(end);
      }
    }
  }
  void finishListener(End& end) {
    TestPort& port = *end.port;
    if (port.forgetting) return;
    world_.client().accept(port, false);
    world_.until([&] { return port.accepted.size() == end.clients.size(); });
  }
  void finishConnection(End& end) {
    TestPort& port = *end.port;
    Peer& peer = end.peer;
    if (port.forgetting || end.broken) {
      if (peer.fd) peer.drain();
      SOCKMAN_CHECK(port.received <= peer.wrote && peer.read <= port.sent + port.offered);
      return;
    }
    if (end.kind == Kind::connecting) {
      world_.until([&] { return port.connected.has_value(); });
      SOCKMAN_CHECK(port.connected == 0);
    }
    peer.endWriting();
    const int ends = port.ends;
    world_.until([&] {
      peer.drain();
      port.base->room = 1 << 20;
      if (!port.receiving && port.ends == ends) world_.client().receive(port);
      return port.ends > ends && !port.sending;
    });
    SOCKMAN_CHECK(port.endError == 0 && port.received == peer.wrote);
    peer.drainTo(port.sent);
  }

  World world_;
  Dice dice_;
  std::deque<End> ends_;
};

CASE(chaos, "random requests, from inside of reports too: every byte and every end comes to its own port") {
  forSeeds(60, [&row](uint32_t seed) { Chaos(row, seed).run(); });
}

}  // namespace
}  // namespace sockman::test
