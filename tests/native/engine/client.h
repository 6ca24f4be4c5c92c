// The client of an engine: makes requests, listens to the reports, and checks that each report is one that the
// requests allow. The numbers are those of the obligations in engine.h.
#pragma once

#include <fcntl.h>
#include <sockman/check.h>

#include <climits>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "any_engine.h"
#include "sockets.h"

namespace sockman::test {

/// What was asked of a port, and what was told of the port.
struct TestPort {
  std::shared_ptr<PortBase> base;  // gone when forgotten
  uint32_t tag = 0;                // of the bytes of both directions

  // Asked. What was asked and then stopped may still be in flight.
  bool accepting = false, once = false, acceptInFlight = false;
  bool listens = false;  // it is a listener
  bool connecting = false;
  bool receiving = false, receiveInFlight = false;
  bool sending = false;
  bool forgetting = false;
  uint64_t askedForget = 0;  // how many reaps had begun by then
  std::vector<std::vector<std::byte>> parts;
  size_t offered = 0;

  // Told.
  std::vector<Fd> accepted;
  int acceptFailures = 0, acceptError = 0;
  std::optional<int> connected;
  uint64_t received = 0, sent = 0;
  int ends = 0, endError = 0;
  int sends = 0;
  int64_t lastSent = 0;
  int hangUps = 0, hangUpError = 0;
  bool broken = false;  // the client was told so
  bool forgotten = false;
};

enum class Report { accepted, acceptFailed, connected, received, receiveEnded, sent, hungUp, forgotten };

class Client final : public Sink {
 public:
  Client(AnyEngine& engine, ReceivePool& pool) : engine_(engine), pool_(pool) {}

  /// Called in each report, after the report was noted.
  std::function<void(Report, TestPort&)> inside = [](Report, TestPort&) {};
  /// Whether the client keeps the blocks of what is received, until `release`.
  bool holding = false;

  TestPort& add(Fd fd, uint32_t tag) {
    auto port = std::make_unique<TestPort>();
    port->base = engine_.makePort();
    port->base->fd = std::move(fd);
    port->base->room = 1 << 20;
    port->tag = tag;
    live_[port->base.get()] = port.get();
    all_.push_back(std::move(port));
    return *all_.back();
  }
  size_t live() const { return live_.size(); }
  const std::vector<std::unique_ptr<TestPort>>& all() const { return all_; }

  // ---- Requests ----

  void accept(TestPort& port, bool once) {
    port.accepting = port.listens = true;
    port.once = once;
    engine_.accept(*port.base, once);
  }
  void stopAccepting(TestPort& port) {
    port.listens = true;
    if (std::exchange(port.accepting, false)) port.acceptInFlight = true;
    engine_.stopAccepting(*port.base);
  }
  void connect(TestPort& port) {
    SOCKMAN_CHECK(!port.connecting && !port.connected);
    port.connecting = true;
    engine_.connect(*port.base);
  }
  void receive(TestPort& port) {
    port.receiving = true;
    engine_.receive(*port.base);
  }
  void stopReceiving(TestPort& port) {
    if (std::exchange(port.receiving, false)) port.receiveInFlight = true;
    engine_.stopReceiving(*port.base);
  }
  /// Sends the next `length` bytes of the port's stream, in `count` parts.
  void send(TestPort& port, size_t length, int count = 1) {
    SOCKMAN_CHECK(!port.sending && count <= PortBase::kMaxParts && length >= static_cast<size_t>(count));
    port.sending = true;
    port.offered = length;
    port.base->partCount = count;
    size_t done = 0;
    for (int i = 0; i < count; i++) {
      const size_t size = i + 1 < count ? length / static_cast<size_t>(count) : length - done;
      auto& part = port.parts.emplace_back(size);
      fillBytes(part.data(), port.tag, port.sent + done, size);
      port.base->parts[i] = {part.data(), size};
      done += size;
    }
    engine_.send(*port.base);
  }
  /// Sends bytes of the caller's, which are none of the port's stream.
  void send(TestPort& port, const iovec& part) {
    SOCKMAN_CHECK(!port.sending);
    port.sending = true;
    port.offered = part.iov_len;
    port.base->partCount = 1;
    port.base->parts[0] = part;
    engine_.send(*port.base);
  }
  void forget(TestPort& port) {
    if (!std::exchange(port.forgetting, true)) port.askedForget = reaps_;
    engine_.forget(*port.base);
  }

  /// Gives the blocks back that were held.
  void release() {
    if (held_.empty()) return;
    giveBack();
    engine_.replenish();
  }
  size_t held() const { return held_.size(); }
  /// Nothing that was stopped can be in flight any more.
  void settled() {
    for (const auto& [base, port] : live_) port->acceptInFlight = port->receiveInFlight = false;
  }

  void beginReap() {
    reaps_++;
    reaping_ = true;
  }
  void endReap() { reaping_ = false; }

  // ---- Reports ----

  void accepted(PortBase& base, int fd) override {
    TestPort& port = find(base);
    port.accepted.emplace_back(fd);
    SOCKMAN_CHECK(port.accepting || port.acceptInFlight);         // E12, E13, E14
    SOCKMAN_CHECK(fd >= 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));  // E2
    SOCKMAN_CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);               // E2
    if (port.once) port.accepting = port.acceptInFlight = false;
    inside(Report::accepted, port);
  }
  void acceptFailed(PortBase& base, int error) override {
    TestPort& port = find(base);
    SOCKMAN_CHECK((port.accepting || port.acceptInFlight) && error > 0);  // E3
    port.accepting = port.acceptInFlight = false;
    port.acceptFailures++;
    port.acceptError = error;
    inside(Report::acceptFailed, port);
  }
  void connected(PortBase& base, int error) override {
    TestPort& port = find(base);
    SOCKMAN_CHECK(std::exchange(port.connecting, false) && error >= 0);  // E4
    port.connected = error;
    inside(Report::connected, port);
  }
  void received(PortBase& base, uint32_t block, size_t offset, size_t length) override {
    TestPort& port = find(base);
    SOCKMAN_CHECK(port.receiving || port.receiveInFlight);   // E7, E15
    SOCKMAN_CHECK(length > 0 && length <= port.base->room);  // E6
    const size_t begin = block * pool_.blockSize();
    SOCKMAN_CHECK(block < pool_.count() && begin <= offset);  // E5
    SOCKMAN_CHECK(offset + length <= begin + pool_.filled(block) && pool_.filled(block) <= pool_.blockSize());
    const Record record{block, pool_.at(block) + (offset - begin), length, port.tag, port.received};
    check(record);
    port.received += length;
    port.base->room -= length;
    if (holding)
      held_.push_back(record);
    else
      pool_.release(block);
    if (port.base->room == 0 && !port.forgetting) stopReceiving(port);
    inside(Report::received, port);
  }
  void receiveEnded(PortBase& base, int error) override {
    TestPort& port = find(base);
    SOCKMAN_CHECK((port.receiving || port.receiveInFlight) && error >= 0);  // E7
    port.receiving = port.receiveInFlight = false;
    port.broken |= error != 0;
    port.ends++;
    port.endError = error;
    inside(Report::receiveEnded, port);
  }
  void sent(PortBase& base, int64_t count) override {
    TestPort& port = find(base);
    SOCKMAN_CHECK(std::exchange(port.sending, false));           // E8
    SOCKMAN_CHECK(count <= static_cast<int64_t>(port.offered));  // E8
    // The engine does not look at the parts any more: E16.
    for (auto& part : port.parts) std::fill(part.begin(), part.end(), std::byte{0xee});
    port.parts.clear();
    port.sends++;
    port.lastSent = count;
    if (count > 0) port.sent += static_cast<uint64_t>(count);
    inside(Report::sent, port);
  }
  void hungUp(PortBase& base, int error) override {
    TestPort& port = find(base);
    SOCKMAN_CHECK(!port.receiving && error > 0);       // E9
    SOCKMAN_CHECK(!port.listens);                      // E11
    SOCKMAN_CHECK(!std::exchange(port.broken, true));  // E29
    port.hangUps++;
    port.hangUpError = error;
    inside(Report::hungUp, port);
  }
  void forgotten(PortBase& base) override {
    TestPort& port = find(base);
    SOCKMAN_CHECK(port.forgetting && reaps_ > port.askedForget);  // E10, E17
    port.forgotten = true;
    port.accepting = port.connecting = port.receiving = port.sending = false;
    live_.erase(&base);
    // The engine does not look at the port any more: the address sanitizer would see that.
    port.base.reset();
    port.parts.clear();
    inside(Report::forgotten, port);
  }

 private:
  struct Record {
    uint32_t block;
    const std::byte* bytes;
    size_t length;
    uint32_t tag;
    uint64_t position;
  };

  static void check(const Record& r) { checkBytes(r.bytes, r.tag, r.position, r.length); }
  /// What is held has not changed meanwhile: E5.
  void giveBack() {
    for (const Record& record : held_) {
      check(record);
      pool_.release(record.block);
    }
    held_.clear();
  }
  /// The port that a report is about: none after it was forgotten, and only inside `reap` (E1).
  TestPort& find(PortBase& base) {
    SOCKMAN_CHECK(reaping_);
    const auto found = live_.find(&base);
    SOCKMAN_CHECK(found != live_.end());
    return *found->second;
  }

  AnyEngine& engine_;
  ReceivePool& pool_;
  std::vector<std::unique_ptr<TestPort>> all_;
  std::map<const PortBase*, TestPort*> live_;
  std::vector<Record> held_;
  uint64_t reaps_ = 0;
  bool reaping_ = false;
};

}  // namespace sockman::test
