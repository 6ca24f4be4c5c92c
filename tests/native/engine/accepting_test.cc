// E2, E3, E12 to E14: what a listener takes.
#include "world.h"

namespace sockman::test {
namespace {

/// A listener, and who connects to it.
struct Door {
  explicit Door(World& world)
      : port(world.port(listenOnLoopback(512))), address(*localAddress(port.base->fd.get())) {}
  void knock(int count = 1) {
    for (int i = 0; i < count; i++) clients.push_back(beginConnect(address));
  }
  TestPort& port;
  Address address;
  std::vector<Fd> clients;
};

CASE(accepted, "E2 what is accepted is a connection, which does not block and is closed on exec") {
  World world(row);
  Door door(world);
  world.client().accept(door.port, false);
  door.knock(3);
  world.until([&] { return door.port.accepted.size() == 3; });  // the client checks the flags
  for (size_t i = 0; i < 3; i++) {
    // Which is which is not said: the address is.
    const std::string them = peerAddress(door.port.accepted[i].get())->text();
    SOCKMAN_CHECK(std::any_of(door.clients.begin(), door.clients.end(),
                              [&](const Fd& client) { return localAddress(client.get())->text() == them; }));
  }
}

CASE(failed, "E3 a failed accept stops the listener until it is asked again") {
  World world(row);
  Door door(world);
  DescriptorLimit limit;
  door.knock(2);
  limit.allow(0);
  world.client().accept(door.port, false);
  world.until([&] { return door.port.acceptFailures == 1; });
  SOCKMAN_CHECK(door.port.acceptError == EMFILE);
  world.settle();
  limit.lift();
  world.settle();
  SOCKMAN_CHECK(door.port.acceptFailures == 1 && door.port.accepted.empty());
  world.client().accept(door.port, false);
  world.until([&] { return door.port.accepted.size() == 2; });
}

CASE(twice, "E12 accept twice is as once") {
  World world(row);
  Door door(world);
  for (int i = 0; i < 3; i++) world.client().accept(door.port, true);
  door.knock(3);
  world.until([&] { return door.port.accepted.size() == 1; });
  world.settle();
  SOCKMAN_CHECK(door.port.accepted.size() == 1);
}

CASE(untold, "E12 accept is under way while a connection waits to be told") {
  World world(row);
  Door door(world);
  door.knock(3);
  for (int i = 0; i < 2; i++) {
    world.client().accept(door.port, true);
    world.gather();
  }
  world.until([&] { return !door.port.accepted.empty(); });
  world.settle();
  SOCKMAN_CHECK(door.port.accepted.size() == 1);
}

CASE(failureUntold, "E12 accept is under way while its failure waits to be told") {
  World world(row);
  Door door(world);
  door.knock(2);
  DescriptorLimit limit;
  limit.allow(0);
  for (int i = 0; i < 2; i++) {
    world.client().accept(door.port, false);
    world.gather();
  }
  world.until([&] { return door.port.acceptFailures > 0; });
  world.settle();
  SOCKMAN_CHECK(door.port.acceptFailures == 1);
}

CASE(goesOn, "E13 accepting goes on until it is stopped") {
  World world(row);
  Door door(world);
  world.client().accept(door.port, false);
  for (size_t i = 1; i <= 4; i++) {
    door.knock(i == 4 ? 300 : 1);
    world.until([&] { return door.port.accepted.size() == door.clients.size(); });
  }
}

CASE(once, "E13 with `once` each accept takes one connection, and the others wait in the kernel") {
  World world(row);
  Door door(world);
  door.knock(2);
  for (size_t i = 1; i <= 4; i++) {
    world.client().accept(door.port, true);
    world.until([&] { return door.port.accepted.size() == i; });
    world.settle();
    SOCKMAN_CHECK(door.port.accepted.size() == i);
    door.knock();
  }
}

CASE(stopped, "E14 a stopped listener takes nothing, and goes on when it is asked again") {
  for (const bool once : {false, true}) {
    World world(row);
    Door door(world);
    world.client().accept(door.port, once);
    world.settle();
    world.client().stopAccepting(door.port);
    world.settle();
    door.knock(2);
    world.settle();
    SOCKMAN_CHECK(door.port.accepted.empty());
    world.client().stopAccepting(door.port);
    world.client().accept(door.port, once);
    world.until([&] { return door.port.accepted.size() == (once ? 1 : 2); });
  }
}

CASE(stoppedOften, "E14 no connection is lost however often a listener is stopped") {
  World world(row);
  Door door(world);
  for (int i = 0; i < 60; i++) {
    world.client().accept(door.port, false);
    if (i % 3 == 0) world.turn(0);
    door.knock();
    if (i % 2 == 0) world.turn(0);
    world.client().stopAccepting(door.port);
    if (i % 5 == 0) world.turn(0);
  }
  world.client().accept(door.port, false);
  world.until([&] { return door.port.accepted.size() == 60; });
}

}  // namespace
}  // namespace sockman::test
