// E25 to E28: what an engine holds of the system.
#include "world.h"

namespace sockman::test {
namespace {

struct PoolOnly {
  std::shared_ptr<Region> region = *Region::map(1 << 20);
  ReceivePool pool{region, 1 << 16, 1 << 18, 1 << 20};
};

CASE(unused, "E25 an engine that is opened and not used leaves nothing") {
  const size_t before = openDescriptors();
  for (int i = 0; i < 3; i++) {
    PoolOnly memory;
    auto drive = row.open(memory.pool);
    SOCKMAN_CHECK(drive);
    if (i == 1) (*drive)->engine().enable();
    drive->reset();
  }
  SOCKMAN_CHECK(openDescriptors() == before);
}

/// Of a loop that is there already an engine wants nothing.
bool mayBeRefused(const Row& row) {
  return row.driven != Row::Driven::hosted;
}

CASE_FOR(mayBeRefused, refused, "E25 open says why it was refused, and leaves nothing then") {
  const size_t before = openDescriptors();
  for (int allowed = 0;; allowed++) {
    PoolOnly memory;
    DescriptorLimit limit;
    limit.allow(allowed);
    auto drive = row.open(memory.pool);
    limit.lift();
    if (drive) {
      SOCKMAN_CHECK(allowed > 0);
      return;
    }
    SOCKMAN_CHECK(drive.failure().error == EMFILE && *drive.failure().syscall);
    SOCKMAN_CHECK(openDescriptors() == before && memory.pool.freeCount() == memory.pool.count());
  }
}

bool limited(const Row& row) {
  return row.descriptorLimit < kNoDescriptorLimit;
}

CASE_FOR(limited, ownBeyond,
         "E25 open refuses a descriptor of its own beyond the limit, and leaves nothing") {
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit wide{static_cast<rlim_t>(row.descriptorLimit) + 100, before.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &wide) != 0) return;
  {
    std::vector<Fd> taken;
    while (taken.empty() || taken.back().get() < row.descriptorLimit) taken.emplace_back(::dup(0));
    const size_t open = openDescriptors();
    PoolOnly memory;
    const auto drive = row.open(memory.pool);
    SOCKMAN_CHECK(!drive && drive.failure().descriptor >= row.descriptorLimit);
    SOCKMAN_CHECK(openDescriptors() == open);
  }
  setrlimit(RLIMIT_NOFILE, &before);
}

CASE(everything, "E26 after everything was forgotten an engine leaves no descriptor and no block") {
  World world(row, {.block = 4096, .initial = 2, .most = 6});
  Client& client = world.client();
  std::vector<World::Line> lines;
  std::vector<Fd> others;
  for (int i = 0; i < 12; i++) lines.push_back(world.line(i % 2 ? Family::tcp : Family::local));
  client.holding = true;
  for (size_t i = 0; i < lines.size(); i++) {
    auto& [port, peer] = lines[i];
    client.receive(port);
    peer.write(20'000);
    if (i % 3 == 0) client.send(port, 500'000, 4);
    if (i % 4 == 1) peer.endWriting();
  }
  TestPort& listener = world.port(listenOnLoopback());
  client.accept(listener, false);
  for (int i = 0; i < 3; i++) others.push_back(beginConnect(listener.base->fd));
  others.push_back(listenOnLoopback(0));
  const Fd& silent = others.back();
  std::vector<Fd> queued;
  for (int i = 0; i < 2; i++) queued.push_back(beginConnect(silent));
  client.connect(world.port(beginConnect(silent)));
  world.settle();
  client.stopReceiving(lines[2].port);
  client.stopReceiving(lines[7].port);
  for (int i = 0; i < 3; i++) others.push_back(beginConnect(listener.base->fd));
  // The world forgets all, destroys the engine and counts.
}

bool hosted(const Row& row) {
  return row.driven == Row::Driven::hosted;
}

CASE_FOR(hosted, host, "E28 nothing of the engine keeps the loop alive that it lives in, or is left there") {
  // The loop is checked before each of its iterations and at its end (libuv_rows.cc).
  World world(row);
  std::vector<World::Line> lines;
  for (int i = 0; i < 4; i++) {
    lines.push_back(world.line());
    TestPort& port = lines.back().port;
    world.client().receive(port);
    while (i % 2 && !port.sending) {
      world.client().send(port, 200'000);
      world.settle();
    }
  }
  world.client().accept(world.port(listenOnLoopback()), false);
  const Fd listener = listenOnLoopback();
  world.client().connect(world.port(beginConnect(listener)));
  world.settle();
}

CASE(limit, "E27 each descriptor below the limit is watched, and one beyond is handed over like any other") {
  constexpr int kHigh = 1500;
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  if (before.rlim_max < kHigh + 100) return;
  const rlimit wide{kHigh + 100, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &wide);
  {
    World world(row);
    const int highest = std::min(row.descriptorLimit, kHigh) - 1;
    Pair pair = tcpPair();
    TestPort& port = world.port(Fd(fcntl(pair.ours.get(), F_DUPFD_CLOEXEC, highest)));
    SOCKMAN_CHECK(port.base->fd.get() == highest);
    pair.ours.reset();
    Peer peer{std::move(pair.theirs), port.tag};
    world.client().receive(port);
    peer.write(1000);
    world.client().send(port, 1000);
    world.until([&] { return port.received == 1000 && port.sends == 1; });
    world.client().forget(port);
    world.until([&] { return port.forgotten; });

    TestPort& listener = world.port(listenOnLoopback());
    std::vector<Fd> taken;
    while (taken.empty() || taken.back().get() < highest) taken.emplace_back(::dup(0));
    const Fd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Address address = *localAddress(listener.base->fd.get());
    SOCKMAN_CHECK(::connect(client.get(), address.get(), address.length) == 0);
    world.client().accept(listener, false);
    world.until([&] { return listener.accepted.size() == 1; });
    SOCKMAN_CHECK(listener.accepted[0].get() > highest);
  }
  setrlimit(RLIMIT_NOFILE, &before);
}

}  // namespace
}  // namespace sockman::test
