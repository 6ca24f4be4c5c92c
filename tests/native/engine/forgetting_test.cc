// E10, E12, E17 and E18: how a port leaves.
#include "world.h"

namespace sockman::test {
namespace {

/// Each thing that can be in flight for a port, and what makes it so.
struct Flight {
  const char* what;
  void (*begin)(World&, std::vector<Fd>& others, TestPort*& port);
};

/// Keeps the far end in `others`.
TestPort& connection(World& world, std::vector<Fd>& others, Family family = Family::tcp) {
  auto line = world.line(family);
  others.push_back(std::move(line.peer.fd));
  return line.port;
}

const Flight kFlights[] = {
    {"nothing", [](World& w, auto& others, auto& port) { port = &connection(w, others); }},
    {"accept",
     [](World& w, auto&, auto& port) {
       port = &w.port(listenOnLoopback());
       w.client().accept(*port, false);
     }},
    {"accept once, with connections that wait",
     [](World& w, auto& others, auto& port) {
       port = &w.port(listenOnLoopback());
       w.client().accept(*port, true);
       for (int i = 0; i < 3; i++) others.push_back(beginConnect(port->base->fd));
     }},
    {"accept, with connections that wait",
     [](World& w, auto& others, auto& port) {
       port = &w.port(listenOnLoopback());
       w.client().accept(*port, false);
       for (int i = 0; i < 3; i++) others.push_back(beginConnect(port->base->fd));
     }},
    {"connect",
     [](World& w, auto& others, auto& port) {
       others.push_back(listenOnLoopback(0));
       for (int i = 0; i < 2; i++) others.push_back(beginConnect(others[0]));
       port = &w.port(beginConnect(others[0]));
       w.client().connect(*port);
     }},
    {"a connect that is done",
     [](World& w, auto& others, auto& port) {
       others.push_back(listenOnLoopback());
       port = &w.port(beginConnect(others[0]));
       w.client().connect(*port);
     }},
    {"receive",
     [](World& w, auto& others, auto& port) {
       port = &connection(w, others);
       w.client().receive(*port);
     }},
    {"receive, with bytes",
     [](World& w, auto& others, auto& port) {
       port = &connection(w, others, Family::local);
       w.client().receive(*port);
       Peer peer{std::move(others.back()), port->tag};
       peer.write(100'000);
       others.back() = std::move(peer.fd);
     }},
    {"receive, with the end",
     [](World& w, auto& others, auto& port) {
       port = &connection(w, others);
       w.client().receive(*port);
       ::shutdown(others.back().get(), SHUT_WR);
     }},
    {"a stopped receive",
     [](World& w, auto& others, auto& port) {
       port = &connection(w, others);
       w.client().receive(*port);
       w.settle();
       w.client().stopReceiving(*port);
     }},
    {"send, receive",
     [](World& w, auto& others, auto& port) {
       port = &connection(w, others);
       w.client().receive(*port);
       while (!port->sending) {
         w.client().send(*port, 200'000, 2);
         w.settle();
       }
     }},
    {"a send that is done",
     [](World& w, auto& others, auto& port) {
       port = &connection(w, others, Family::local);
       w.client().send(*port, 1000);
     }},
};

/// Nobody refers to the socket any more: the other end meets the end now, and not some time.
void expectClosed(const Fd& other) {
  std::byte bytes[4096];
  ssize_t n;
  while ((n = ::recv(other.get(), bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
  }
  SOCKMAN_CHECK(n == 0 || !isTransient(errno));
}

CASE(inFlight, "E17 forget ends in forgotten whatever is in flight, and before and after it was begun") {
  for (const Flight& flight : kFlights) {
    for (const bool settled : {false, true}) {
      World world(row);
      std::vector<Fd> others;
      TestPort* port = nullptr;
      flight.begin(world, others, port);
      if (settled) world.settle();
      world.client().forget(*port);
      SOCKMAN_CHECK(!port->forgotten);
      world.until([&] { return port->forgotten; });
      world.settle();  // the client refuses whatever is told after it
    }
  }
}

CASE(
    untold,
    "E17 what happened and was not told is told before forgotten, or never, and nothing of it is left open") {
  for (const Flight& flight : kFlights) {
    World world(row);
    std::vector<Fd> others;
    TestPort* port = nullptr;
    flight.begin(world, others, port);
    world.gather();
    world.client().forget(*port);
    world.gather();
    world.until([&] { return port->forgotten; });
  }
}

CASE(closed, "E18 a forgotten port's socket is closed: the peer meets the end") {
  for (const Family family : kFamilies) {
    for (const bool stopped : {false, true}) {
      World world(row);
      auto [port, peer] = world.line(family);
      world.client().receive(port);
      world.settle();
      if (stopped) world.client().stopReceiving(port);
      world.client().send(port, 1000);
      world.client().forget(port);
      world.until([&] { return port.forgotten; });
      expectClosed(peer.fd);
    }
  }
}

CASE(listenerClosed, "E18 a forgotten listener's address is free again") {
  for (const bool once : {false, true}) {
    World world(row);
    TestPort& port = world.port(listenOnLoopback());
    Address address = *localAddress(port.base->fd.get());
    world.client().accept(port, once);
    world.settle();
    world.client().forget(port);
    world.until([&] { return port.forgotten; });
    const Fd next(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SOCKMAN_CHECK(::bind(next.get(), address.get(), address.length) == 0);
    SOCKMAN_CHECK(::listen(next.get(), 1) == 0);
  }
}

CASE(twice, "E12 forget twice is as once, and what is stopped after it stays stopped") {
  for (const Flight& flight : kFlights) {
    World world(row);
    std::vector<Fd> others;
    TestPort* port = nullptr;
    flight.begin(world, others, port);
    for (int i = 0; i < 3; i++) {
      world.client().forget(*port);
      world.engine().stopAccepting(*port->base);
    }
    world.until([&] { return port->forgotten; });
    world.settle();
  }
}

CASE(many, "E10 many ports at once: each is forgotten once, and those that stay go on") {
  World world(row);
  std::vector<World::Line> lines;
  for (int i = 0; i < 40; i++) {
    lines.push_back(world.line(i % 2 ? Family::tcp : Family::local));
    world.client().receive(lines.back().port);
    lines.back().peer.write(5000);
  }
  world.turn(0);
  for (size_t i = 0; i < lines.size(); i++) {
    if (i % 4 != 0) world.client().forget(lines[i].port);
  }
  world.until([&] {
    return std::all_of(lines.begin(), lines.end(), [&](auto& line) {
      return line.port.forgotten || (!line.port.forgetting && line.port.received == 5000);
    });
  });
  for (size_t i = 0; i < lines.size(); i += 4) {
    lines[i].peer.write(5000);
    world.until([&] { return lines[i].port.received == 10'000; });
  }
}

CASE(sameNumber, "E10 a port is not told what was the last one's with the same number") {
  World world(row);
  uint64_t old = 0;
  for (int i = 0; i < 50; i++) {
    auto [port, peer] = world.line(i % 2 ? Family::tcp : Family::local);
    world.client().receive(port);
    peer.write(500);
    if (i % 3 == 0) world.turn(0);
    if (i % 5 == 0) world.client().send(port, 1000);
    peer.fd.reset();
    world.client().forget(port);
    world.until([&] { return port.forgotten; });
    old += port.received;
  }
  SOCKMAN_CHECK(old <= 25'000);
}

CASE(openedMeanwhile, "E17 what is opened before forgotten stays open, whoever has closed the descriptor") {
  World world(row);
  for (int i = 0; i < 4; i++) {
    TestPort& port = world.line().port;
    world.client().receive(port);
    world.settle();
    world.client().forget(port);
    world.engine().submit();
    auto next = world.line(i % 2 ? Family::tcp : Family::local);
    world.until([&] { return port.forgotten; });
    world.client().receive(next.port);
    SOCKMAN_CHECK(next.peer.write(1000) == 1000);
    world.until([&] { return next.port.received == 1000; });
  }
}

CASE(duplicate, "E10 a forgotten port is watched no more, although its socket is open elsewhere") {
  for (const Family family : kFamilies) {
    World world(row);
    auto [port, peer] = world.line(family);
    const Fd duplicate(::dup(port.base->fd.get()));
    world.client().receive(port);
    world.settle();
    world.client().forget(port);
    world.until([&] { return port.forgotten; });
    peer.write(1000);
    peer.endWriting();
    world.settle();
    SOCKMAN_CHECK(world.turnsWhileIdle() <= kFew);
  }
}

CASE(sameMoment, "E10 a new port is not told what was found for the port before it, at the same moment") {
  for (const bool receives : {false, true}) {
    World world(row);
    auto first = world.line(), second = world.line();
    world.client().receive(first.port);
    if (receives)
      world.client().receive(second.port);
    else
      world.client().stopReceiving(second.port);
    world.settle();
    std::optional<World::Line> next;
    world.client().inside = [&](Report report, TestPort& about) {
      if (report != Report::received || &about != &first.port || second.port.forgetting) return;
      world.client().forget(second.port);
      next.emplace(world.line());
      world.client().stopReceiving(next->port);
    };
    first.peer.write(10);
    resetConnection(second.peer.fd);
    world.until([&] { return first.port.received == 10 && second.port.forgotten; });
    world.settle();
    SOCKMAN_CHECK(next->port.hangUps == 0 && next->port.ends == 0);
  }
}

}  // namespace
}  // namespace sockman::test
