// E1: requests from inside of reports.
#include "world.h"

namespace sockman::test {
namespace {

/// Brings a port to the point where `report` comes next.
TestPort& leadTo(World& world, Report report, std::vector<Fd>& others) {
  Client& client = world.client();
  if (report == Report::accepted || report == Report::acceptFailed) {
    TestPort& port = world.port(listenOnLoopback());
    for (int i = 0; i < 3; i++) others.push_back(beginConnect(port.base->fd));
    client.accept(port, false);
    return port;
  }
  if (report == Report::connected) {
    others.push_back(listenOnLoopback());
    TestPort& port = world.port(beginConnect(others[0]));
    client.connect(port);
    return port;
  }
  auto [port, peer] = world.line();
  if (report == Report::received) peer.write(200'000);
  if (report == Report::receiveEnded) peer.endWriting();
  if (report == Report::sent) client.send(port, 1000);
  if (report == Report::hungUp) {
    client.stopReceiving(port);
    world.settle();
    resetConnection(peer.fd);
  } else {
    client.receive(port);
  }
  others.push_back(std::move(peer.fd));
  return port;
}

CASE(forgetItself, "E1 a port is forgotten from inside each report about it") {
  for (const Report report : {Report::accepted, Report::acceptFailed, Report::connected, Report::received,
                              Report::receiveEnded, Report::sent, Report::hungUp}) {
    if (report == Report::hungUp && !row.hangUps) continue;
    World world(row);
    std::vector<Fd> others;
    TestPort* port = nullptr;
    bool told = false;
    world.client().inside = [&](Report what, TestPort& about) {
      if (what != report || &about != port) return;
      told = true;
      world.client().forget(about);
      world.client().forget(about);
    };
    port = &leadTo(world, report, others);
    DescriptorLimit limit;
    if (report == Report::acceptFailed) limit.allow(0);
    world.until([&] { return port->forgotten; });
    SOCKMAN_CHECK(told);
  }
}

CASE(forgetOthers, "E1 the ports that are ready too are forgotten from inside a report") {
  for (const bool backwards : {false, true}) {
    World world(row);
    std::vector<World::Line> lines;
    for (int i = 0; i < 6; i++) {
      lines.push_back(world.line());
      world.client().receive(lines.back().port);
    }
    world.settle();
    TestPort* first = nullptr;
    world.client().inside = [&](Report report, TestPort& told) {
      if (report != Report::received || first) return;
      first = &told;
      for (auto& line : lines) {
        if (&line.port != first) world.client().forget(line.port);
      }
    };
    for (size_t i = 0; i < lines.size(); i++) lines[backwards ? lines.size() - 1 - i : i].peer.write(1000);
    world.until([&] { return world.client().live() == 1; });
    world.until([&] { return first->received == 1000; });
  }
}

CASE(forgetInLastSent, "E1 a port that is forgotten inside sent is told no hang-up of the same moment") {
  for (const Family family : kFamilies) {
    World world(row);
    auto [port, peer] = world.line(family);
    world.client().stopReceiving(port);
    while (!port.sending) {
      world.client().send(port, 100'000);
      world.settle();
    }
    world.client().inside = [&](Report report, TestPort& about) {
      if (report == Report::sent) world.client().forget(about);
      if (report == Report::hungUp) SOCKMAN_CHECK(!about.forgetting);
    };
    if (family == Family::tcp)
      resetConnection(peer.fd);
    else
      peer.fd.reset();
    world.until([&] { return port.forgotten || !port.sending; });
    world.client().forget(port);
    world.until([&] { return port.forgotten; });
  }
}

CASE(receiveInEnd, "E1 receive inside receiveEnded is told the end again") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().inside = [&](Report report, TestPort& told) {
    if (report == Report::receiveEnded && told.ends < 5) world.client().receive(told);
  };
  world.client().receive(port);
  peer.endWriting();
  world.until([&] { return port.ends == 5; });
  world.settle();
  SOCKMAN_CHECK(port.ends == 5);
}

CASE(stopInReceived, "E1 a stop inside received keeps the rest until it is asked for") {
  World world(row, {.block = 4096, .initial = 8, .most = 32});
  auto [port, peer] = world.line(Family::local);
  int told = 0;
  world.client().inside = [&](Report report, TestPort& about) {
    if (report != Report::received) return;
    told++;
    world.client().stopReceiving(about);
  };
  peer.write(60'000);
  while (port.received < 60'000) {
    const uint64_t before = port.received;
    world.client().receive(port);
    const int reports = told;
    world.until([&] { return port.received > before; });
    world.settle();
    if (row.takesLate) SOCKMAN_CHECK(told == reports + 1);
    port.base->room = 1 << 20;
  }
}

CASE(sendInSent, "E1 send inside sent goes on sending") {
  World world(row);
  auto [port, peer] = world.line();
  world.client().inside = [&](Report report, TestPort& told) {
    if (report == Report::sent && told.sends < 50) world.client().send(told, 30'000, 1 + told.sends % 8);
  };
  world.client().send(port, 30'000);
  world.until([&] {
    peer.drain();
    return port.sends == 50;
  });
  peer.drainTo(port.sent);
}

CASE(acceptInAccepted, "E1 accept inside accepted takes the next connection") {
  World world(row);
  TestPort& port = world.port(listenOnLoopback());
  std::vector<Fd> clients;
  for (int i = 0; i < 10; i++) clients.push_back(beginConnect(port.base->fd));
  world.client().inside = [&](Report report, TestPort& told) {
    if (report == Report::accepted && told.accepted.size() < 7) world.client().accept(told, true);
  };
  world.client().accept(port, true);
  world.until([&] { return port.accepted.size() == 7; });
  world.settle();
  SOCKMAN_CHECK(port.accepted.size() == 7);
}

CASE(stopInAccepted, "E1 a stop inside accepted leaves what is not taken yet in the kernel") {
  World world(row);
  TestPort& port = world.port(listenOnLoopback());
  std::vector<Fd> clients;
  for (int i = 0; i < 10; i++) clients.push_back(beginConnect(port.base->fd));
  world.client().inside = [&](Report report, TestPort& told) {
    if (report == Report::accepted) world.client().stopAccepting(told);
  };
  size_t before = 0;
  while (port.accepted.size() < 10) {
    world.client().accept(port, false);
    world.until([&] { return port.accepted.size() > before; });
    world.settle();
    if (row.takesLate) SOCKMAN_CHECK(port.accepted.size() == before + 1);
    before = port.accepted.size();
  }
}

CASE(acceptInFailure, "E1 accept inside acceptFailed tries again") {
  World world(row);
  TestPort& port = world.port(listenOnLoopback());
  const Fd client = beginConnect(port.base->fd);
  DescriptorLimit limit;
  world.client().inside = [&](Report report, TestPort& told) {
    if (report != Report::acceptFailed) return;
    if (told.acceptFailures == 3) limit.lift();
    world.client().accept(told, false);
  };
  limit.allow(0);
  world.client().accept(port, false);
  world.until([&] { return port.accepted.size() == 1; });
  SOCKMAN_CHECK(port.acceptFailures == 3);
}

CASE(chain,
     "E17 what is forgotten inside a report, forgotten too, is told in the next reap at the earliest") {
  World world(row);
  std::vector<TestPort*> ports;
  std::vector<Fd> others;
  for (int i = 0; i < 5; i++) {
    auto line = world.line();
    ports.push_back(&line.port);
    others.push_back(std::move(line.peer.fd));
    if (i % 2 == 0) world.client().receive(line.port);
  }
  size_t gone = 0;
  world.client().inside = [&](Report report, TestPort&) {
    if (report == Report::forgotten && ++gone < ports.size()) world.client().forget(*ports[gone]);
  };
  world.client().forget(*ports[0]);
  world.until([&] { return gone == ports.size(); });
}

CASE(newPort, "E1 a new port, with the number of the one that is forgotten, is used inside forgotten") {
  World world(row);
  int rounds = 0;
  std::optional<World::Line> line = world.line();
  world.client().inside = [&](Report report, TestPort&) {
    if (report != Report::forgotten || ++rounds > 20) return;
    line.emplace(world.line(rounds % 2 ? Family::tcp : Family::local));
    world.client().receive(line->port);
    line->peer.write(1000);
  };
  for (int i = 1; i <= 20; i++) {
    world.client().forget(line->port);
    world.until([&] { return rounds == i; });
    world.until([&] { return line->port.received == 1000; });
  }
}

}  // namespace
}  // namespace sockman::test
