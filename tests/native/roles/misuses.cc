// Misuses of the roles (sockman/roles.h), for `npm run lint`: clang's -verify wants each diagnostic that is
// expected here, and no other. Never built.
#include <functional>
#include <memory>
#include <thread>

#include "../loop/owner.h"

namespace sockman::test {
namespace {

using Connection = Loop::Connection;

void look(const Connection::Driving&) {}

// ---- The JavaScript thread does what is the driving thread's ----

void executes(World& world, Command& command) SOCKMAN_REQUIRES(javascriptThread) {
  world.loop.execute(command);  // expected-warning {{calling function 'execute' requires holding role}}
}
void asksTheEngine(World& world, Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  world.loop.engine().forget(c);  // expected-warning {{calling function 'forget' requires holding role}}
}
void pushesARecord(World& world) SOCKMAN_REQUIRES(javascriptThread) {
  world.ring.push({.event = Event::eof});  // expected-warning {{calling function 'push' requires holding}}
}
void releasesABlock(World& world) SOCKMAN_REQUIRES(javascriptThread) {
  world.pool.release(0);  // expected-warning {{calling function 'release' requires holding role}}
}
bool readsItsPart(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  return c.driving.closing;  // expected-warning {{reading variable 'driving' requires holding role}}
}
void writesItsPart(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  c.driving.held = true;  // expected-warning {{writing variable 'driving' requires holding role}}
}
void passesItsPart(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  look(c.driving);  // expected-warning {{passing variable 'driving' by reference requires holding role}}
}

// ---- The driving thread does what is the JavaScript thread's ----

void frees(World& world, Connection& c) SOCKMAN_REQUIRES(drivingThread) {
  world.connections.free(c.name.slot);  // expected-warning {{calling function 'free' requires holding role}}
}
void posts(World& world) SOCKMAN_REQUIRES(drivingThread) {
  world.commands.post();        // expected-warning {{calling function 'post' requires holding role}}
  world.queue.push(Command{});  // expected-warning {{calling function 'push' requires holding role}}
}
void takesADescriptor(World& world) SOCKMAN_REQUIRES(drivingThread) {
  world.ring.takeDescriptor(0);  // expected-warning {{calling function 'takeDescriptor' requires holding}}
}
size_t readsThePeer(Connection& c) SOCKMAN_REQUIRES(drivingThread) {
  return c.javascript.peer.length;  // expected-warning {{reading variable 'javascript' requires holding}}
}

// ---- Nobody has said which thread it is ----

void inALambda(World& world) SOCKMAN_REQUIRES(drivingThread) {
  const auto reap = [&] {
    world.loop.engine().reap(world.loop);  // expected-warning {{calling function 'reap<}}
  };
  reap();
}
void onAnotherThread(World& world) SOCKMAN_REQUIRES(drivingThread) {
  std::thread([&] {
    world.loop.publish();  // expected-warning {{calling function 'publish' requires holding role}}
  }).join();
}

// ---- What is not seen: nothing is expected ----

void endsTheObject(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  std::destroy_at(&c);
}

void throughAFunction(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  const std::function<void()> begin = [&]() SOCKMAN_REQUIRES(drivingThread) { c.driving.closing = true; };
  begin();
}

void throughAPointer(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  Connection::Driving* driving = &c.driving;
  driving->closing = true;
}

struct InADestructor {
  ~InADestructor() { c.driving.closing = true; }
  Connection& c;
};

void wronglyAsserted(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  drivingThread.assertHeld();
  c.driving.closing = true;
}

/// The engine's port is a base, which cannot be guarded as a whole.
void ofThePort(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
  c.room = 0;
  c.fd.reset();
}

}  // namespace
}  // namespace sockman::test
