// An engine with its pool, its drive and its client, for one case; and the checks that nothing is left over.
#pragma once

#include <signal.h>

#include "../descriptors.h"
#include "../test.h"
#include "client.h"
#include "rows.h"

namespace sockman::test {

struct Memory {
  size_t block = 64 * 1024;
  uint32_t initial = 4, most = 16;  // blocks
};

/// A sleep may end early a few times, for what the engine has to do itself; not again and again.
constexpr int kFew = 4;

class World {
 public:
  explicit World(const Row& row, Memory memory = {})
      : row(row),
        descriptors_(openDescriptors()),
        quiet_(row.driven == Row::Driven::blocking),
        region_(*Region::map(memory.block * memory.most)),
        pool(region_, memory.block, memory.block * memory.initial, memory.block * memory.most) {
    auto drive = row.open(pool);
    SOCKMAN_CHECK(drive);
    drive_ = std::move(*drive);
    client_.emplace(drive_->engine(), pool);
    drive_->engine().enable();
  }
  /// Whatever the case has left in flight: E17, E26.
  ~World() {
    client_->inside = [](Report, TestPort&) {};
    client_->holding = false;
    for (const auto& port : client_->all()) {
      if (!port->forgotten) client_->forget(*port);
    }
    until([this] { return client_->live() == 0; });
    client_->release();
    const uint32_t kept = pool.count() - pool.freeCount();
    SOCKMAN_CHECK(kept <= (row.lends ? pool.initial() : 1));
    client_.reset();
    drive_.reset();
    SOCKMAN_CHECK(openDescriptors() == descriptors_);
  }
  World(const World&) = delete;

  Client& client() { return *client_; }
  AnyEngine& engine() { return drive_->engine(); }

  TestPort& port(Fd fd) { return client_->add(std::move(fd), ++tags_); }
  /// A connection, and its peer.
  struct Line {
    TestPort& port;
    Peer peer;
  };
  Line line(Family family = Family::tcp) {
    Pair pair = pairOf(family);
    TestPort& added = port(std::move(pair.ours));
    return {added, {std::move(pair.theirs), added.tag}};
  }

  void turn(Time deadline) {
    drive_->wait(deadline);
    client_->beginReap();
    drive_->engine().reap(*client_);
    client_->endReap();
  }
  /// Everything there is happens, as far as it can before a reap, and nothing of it is told.
  void gather() {
    for (int i = 0; i < kSettled; i++) drive_->wait(0);
  }
  /// Turns until `done()`, each of which may sleep until something happens. The limit is for a failure alone.
  template <class Done>
  void until(Done&& done) {
    const Time limit = now() + kLimit;
    while (!done()) {
      turn(limit);
      SOCKMAN_CHECK(now() < limit);
    }
  }
  /// Turns that do not sleep, more than it takes to report what is there and to cancel what was stopped.
  void settle() {
    for (int i = 0; i < kSettled; i++) turn(0);
    client_->settled();
  }
  /// How many turns there are in the next 30 ms: few, when nothing happens that was asked for.
  int turnsWhileIdle() {
    const Time end = now() + 30 * kMillisecond;
    int turns = 0;
    for (; now() < end; turns++) turn(end);
    SOCKMAN_CHECK(now() < end + kLimit);
    return turns;
  }

  const Row& row;

 private:
  static constexpr Time kLimit = 20'000 * kMillisecond;
  static constexpr int kSettled = 8;

  /// SIGPIPE is blocked while it lasts, as on a thread of sockman's own (quiet_thread.h).
  class QuietThread {
   public:
    explicit QuietThread(bool quiet) : quiet_(quiet) {
      sigset_t pipe;
      sigemptyset(&pipe);
      sigaddset(&pipe, SIGPIPE);
      if (quiet_) pthread_sigmask(SIG_BLOCK, &pipe, &before_);
    }
    ~QuietThread() {
      if (!quiet_) return;
      sigset_t pipe;
      sigemptyset(&pipe);
      sigaddset(&pipe, SIGPIPE);
      const timespec atOnce{};
      sigtimedwait(&pipe, nullptr, &atOnce);
      pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

   private:
    const bool quiet_;
    sigset_t before_;
  };

  const size_t descriptors_;
  QuietThread quiet_;
  std::shared_ptr<Region> region_;

 public:
  ReceivePool pool;

 private:
  std::unique_ptr<Drive> drive_;
  std::optional<Client> client_;
  uint32_t tags_ = 0;
};

struct ForEachRow {
  ForEachRow(const char* name, void (*run)(const Row&), bool (*fits)(const Row&)) {
    for (const Row& row : rows()) {
      if (row.leftOut.empty() && fits(row))
        tests().push_back({row.name + " " + name, [&row, run] { run(row); }, {}});
    }
  }
};
inline bool anyRow(const Row&) {
  return true;
}

}  // namespace sockman::test

/// CASE(function, "E1 what holds") { … `row` … }, once for each row
#define CASE_FOR(fits, function, name)                                        \
  static void function(const ::sockman::test::Row& row);                      \
  static const ::sockman::test::ForEachRow function##_(name, function, fits); \
  static void function(const ::sockman::test::Row& row)
#define CASE(function, name) CASE_FOR(::sockman::test::anyRow, function, name)
