// E4: what came of a connect.
#include "world.h"

namespace sockman::test {
namespace {

CASE(connected, "E4 a connect that succeeds is told once, with 0") {
  World world(row);
  const Fd listener = listenOnLoopback();
  TestPort& port = world.port(beginConnect(listener));
  world.client().connect(port);
  world.until([&] { return port.connected.has_value(); });
  SOCKMAN_CHECK(port.connected == 0);
  world.settle();  // the client counts
}

CASE(refused, "E4 a connect that is refused is told once, with its errno") {
  World world(row);
  // Bound, and no listener: nobody else gets the number meanwhile.
  Fd bound = listenOnLoopback();
  const Address address = *localAddress(bound.get());
  ::shutdown(bound.get(), SHUT_RDWR);
  Fd fd = beginConnect(address);
  SOCKMAN_CHECK(fd);
  TestPort& port = world.port(std::move(fd));
  world.client().connect(port);
  world.until([&] { return port.connected.has_value(); });
  SOCKMAN_CHECK(port.connected == ECONNREFUSED);
  world.settle();
}

CASE(pending, "E4 a connect that the peer does not answer is not told") {
  World world(row);
  // The second connection fills the queue of a backlog of 0; what comes after that is not answered.
  const Fd listener = listenOnLoopback(0);
  std::vector<Fd> queued;
  for (int i = 0; i < 2; i++) queued.push_back(beginConnect(listener));
  TestPort& port = world.port(beginConnect(listener));
  world.client().connect(port);
  world.settle();
  SOCKMAN_CHECK(!port.connected);
}

CASE(used, "E4 a connection is used on the port that connected it") {
  World world(row);
  const Fd listener = listenOnLoopback();
  TestPort& port = world.port(beginConnect(listener));
  Peer peer{Fd(sys::accept(listener.get())), port.tag};
  world.client().inside = [&](Report report, TestPort& told) {
    if (report != Report::connected) return;
    world.client().receive(told);
    world.client().send(told, 5000);
  };
  world.client().connect(port);
  peer.write(3000);
  world.until([&] { return port.received == 3000 && port.sends == 1; });
  peer.drainTo(port.sent);
}

}  // namespace
}  // namespace sockman::test
