// Any engine behind one class, so that a case is compiled once and runs on every engine.
#pragma once

#include <sockman/engine.h>

#include <cstring>
#include <memory>
#include <vector>

namespace sockman::test {

/// The sink of an engine, as virtual functions: `engine.h` says what each report means.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void accepted(PortBase& port, int fd) = 0;
  virtual void acceptFailed(PortBase& port, int error) = 0;
  virtual void connected(PortBase& port, int error) = 0;
  virtual void received(PortBase& port, uint32_t block, size_t offset, size_t length) = 0;
  virtual void receiveEnded(PortBase& port, int error) = 0;
  virtual void sent(PortBase& port, int64_t count) = 0;
  virtual void hungUp(PortBase& port, int error) = 0;
  virtual void forgotten(PortBase& port) = 0;
};

/// Where a port is made. Its memory is not used again and reads as zeros once the port is gone: to an engine that
/// looks at it all the same, a port that nobody has forgotten. The address sanitizer would see the look itself.
template <class Port>
std::shared_ptr<PortBase> makePortOf() {
#ifdef __SANITIZE_ADDRESS__
  return std::make_shared<Port>();
#else
  static std::vector<void*> gone;
  return std::shared_ptr<Port>(new Port, [](Port* port) {
    port->~Port();
    std::memset(static_cast<void*>(port), 0, sizeof(Port));
    gone.push_back(port);
  });
#endif
}

/// The members of the engine concept, as virtual functions.
class AnyEngine {
 public:
  virtual ~AnyEngine() = default;
  virtual std::shared_ptr<PortBase> makePort() const = 0;
  virtual void enable() = 0;
  virtual void accept(PortBase& port, bool once) = 0;
  virtual void stopAccepting(PortBase& port) = 0;
  virtual void connect(PortBase& port) = 0;
  virtual void receive(PortBase& port) = 0;
  virtual void stopReceiving(PortBase& port) = 0;
  virtual void send(PortBase& port) = 0;
  virtual void forget(PortBase& port) = 0;
  virtual void replenish() = 0;
  virtual bool starving() const = 0;
  virtual void wait(Time deadline) = 0;
  virtual void wake() = 0;
  virtual void submit() = 0;
  virtual int completionFd() const = 0;
  virtual void acknowledge() = 0;
  virtual bool busy() const = 0;
  virtual void reap(Sink& sink) = 0;
};

template <Engine E>
class EngineOf final : public AnyEngine {
 public:
  explicit EngineOf(std::unique_ptr<E> engine) : engine_(std::move(engine)) {}

  std::shared_ptr<PortBase> makePort() const override { return makePortOf<Port>(); }
  void enable() override { engine_->enable(); }
  void accept(PortBase& port, bool once) override { engine_->accept(own(port), once); }
  void stopAccepting(PortBase& port) override { engine_->stopAccepting(own(port)); }
  void connect(PortBase& port) override { engine_->connect(own(port)); }
  void receive(PortBase& port) override { engine_->receive(own(port)); }
  void stopReceiving(PortBase& port) override { engine_->stopReceiving(own(port)); }
  void send(PortBase& port) override { engine_->send(own(port)); }
  void forget(PortBase& port) override { engine_->forget(own(port)); }
  void replenish() override { engine_->replenish(); }
  bool starving() const override { return engine_->starving(); }
  void wait(Time deadline) override { engine_->wait(deadline); }
  void wake() override { engine_->wake(); }
  void submit() override { engine_->submit(); }
  int completionFd() const override {
    if constexpr (requires { engine_->completionFd(); }) return engine_->completionFd();
    return -1;
  }
  void acknowledge() override {
    if constexpr (requires { engine_->acknowledge(); }) engine_->acknowledge();
  }
  bool busy() const override { return engine_->busy(); }
  void reap(Sink& sink) override {
    StaticSink to{sink};
    engine_->reap(to);
  }

 private:
  using Port = typename E::Port;

  struct StaticSink {
    Sink& sink;
    void accepted(Port& port, int fd) { sink.accepted(port, fd); }
    void acceptFailed(Port& port, int error) { sink.acceptFailed(port, error); }
    void connected(Port& port, int error) { sink.connected(port, error); }
    void received(Port& port, uint32_t block, size_t offset, size_t length) {
      sink.received(port, block, offset, length);
    }
    void receiveEnded(Port& port, int error) { sink.receiveEnded(port, error); }
    void sent(Port& port, int64_t count) { sink.sent(port, count); }
    void hungUp(Port& port, int error) { sink.hungUp(port, error); }
    void forgotten(Port& port) { sink.forgotten(port); }
  };

  static Port& own(PortBase& port) { return static_cast<Port&>(port); }

  std::unique_ptr<E> engine_;
};

}  // namespace sockman::test
