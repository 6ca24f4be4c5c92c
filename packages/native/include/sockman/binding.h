// What the addon of an engine exports for SockMan: `Engine`, a class that TypeScript's NativeSockMan drives,
// `inlineAvailable`, and `libraries`, the versions of what an engine that has `libraries()` is built with.
// Everything here is for the JavaScript thread.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <unordered_map>

#include "cork.h"
#include "inline_drive.h"
#include "send_path.h"
#include "thread_drive.h"
#include "throw_failure.h"

namespace sockman {

template <Engine E>
class Binding : public Napi::ObjectWrap<Binding<E>> {
 public:
  using Loop = SockLoop<E>;
  using Connection = typename Loop::Connection;
  using Listener = typename Loop::Listener;
  using Info = Napi::CallbackInfo;
  using Wrap = Napi::ObjectWrap<Binding<E>>;

  static Napi::Object init(Napi::Env env, Napi::Object exports) {
    exports.Set("inlineAvailable", Napi::Boolean::New(env, E::kInline && inlineAvailable()));
    Napi::Object libraries = Napi::Object::New(env);
    if constexpr (requires { E::libraries(); }) {
      for (const auto& [name, version] : E::libraries()) libraries.Set(name, version);
    }
    exports.Set("libraries", libraries);
    exports.Set("Engine",
                Wrap::DefineClass(env, "Engine",
                                  {
                                      Wrap::InstanceMethod("region", &Binding::region),
                                      Wrap::InstanceMethod("listen", &Binding::listen),
                                      Wrap::InstanceMethod("adoptListener", &Binding::adoptListener),
                                      Wrap::InstanceMethod("closeListener", &Binding::closeListener),
                                      Wrap::InstanceMethod("freeListener", &Binding::freeListener),
                                      Wrap::InstanceMethod("connect", &Binding::connect),
                                      Wrap::InstanceMethod("adopt", &Binding::adopt),
                                      Wrap::InstanceMethod("admit", &Binding::admit),
                                      Wrap::InstanceMethod("reject", &Binding::reject),
                                      Wrap::InstanceMethod("established", &Binding::established),
                                      Wrap::InstanceMethod("start", &Binding::start),
                                      Wrap::InstanceMethod("flush", &Binding::flush),
                                      Wrap::InstanceMethod("send", &Binding::send),
                                      Wrap::InstanceMethod("pump", &Binding::pump),
                                      Wrap::InstanceMethod("queued", &Binding::queued),
                                      Wrap::InstanceMethod("hold", &Binding::hold),
                                      Wrap::InstanceMethod("resume", &Binding::resume),
                                      Wrap::InstanceMethod("shutdown", &Binding::shutdown),
                                      Wrap::InstanceMethod("close", &Binding::close),
                                      Wrap::InstanceMethod("free", &Binding::free),
                                      Wrap::InstanceMethod("stop", &Binding::stop),
                                      Wrap::InstanceMethod("join", &Binding::join),
                                      Wrap::InstanceMethod("dispose", &Binding::dispose),
                                      Wrap::InstanceMethod("wake", &Binding::wake),
                                      Wrap::InstanceMethod("ring", &Binding::ring),
                                      Wrap::InstanceMethod("keepAlive", &Binding::keepAlive),
                                      Wrap::InstanceMethod("stats", &Binding::stats),
                                      Wrap::InstanceMethod("connectionStats", &Binding::connectionStats),
                                  }));
    return exports;
  }

  /// new Engine(deliver, inline, receiveBlock, receivePool, receivePoolMax, receiveWindow, maxConnections,
  /// corkSize, batchLimit)
  explicit Binding(const Info& info)
      : Wrap(info),
        env_(info.Env()),
        sending_([this](Command&& command) { drive_->post(std::move(command)); }) {
    const bool inlineDrive = info[1].As<Napi::Boolean>();
    const size_t block = size(info[2]);
    const size_t most = size(info[4]);
    auto memory = Region::map(most);
    auto words = Region::map(sizeof(EventRing::Shared));
    auto cork = Region::map(Cork<Loop>::kEntriesSize + size(info[7]));
    if (!memory || !words || !cork) {
      raise({ENOMEM, "mmap"});
      return;
    }
    region_ = *memory;
    cork_.emplace(*cork);
    ring_.emplace(*words);
    pool_.emplace(region_, block, size(info[3]), most);
    uv_loop_t* nodeLoop = nullptr;
    if (inlineDrive) napi_get_uv_event_loop(env_, &nodeLoop);
    auto engine = E::open(*pool_, nodeLoop);
    if (!engine) {
      raise(engine.failure());
      return;
    }
    const typename Loop::Limits limits{static_cast<int64_t>(size(info[5])),
                                       static_cast<uint32_t>(size(info[6]))};
    loop_.emplace(std::move(*engine), *pool_, *ring_, connections_, listeners_, limits);
    delivery_.emplace(env_, info[0]);
    if constexpr (E::kInline) {
      if (inlineDrive)
        drive_ = std::make_unique<InlineDrive<E>>(*loop_, commands_, *delivery_,
                                                  static_cast<uint32_t>(size(info[8])));
    }
    if (!drive_) drive_ = std::make_unique<ThreadDrive<E>>(*loop_, commands_, *ring_, *delivery_);

    Napi::Object self = info.This().As<Napi::Object>();
    self.Set("ringMemory", expose(ring_->memory()));
    self.Set("cork", expose(cork_->memory()));
    Napi::Object details = Napi::Object::New(env_);
    for (const auto& [key, value] : loop_->engine().details()) details.Set(key, value);
    self.Set("details", details);
  }

 private:
  struct OwnListener {
    Listener* listener;
    std::string path;  // to be removed when it closes
  };

  using Totals = std::array<uint64_t, 9>;

  // ---- Arguments and results ----

  static size_t size(const Napi::Value& value) {
    return static_cast<size_t>(value.As<Napi::Number>().DoubleValue());
  }
  static int32_t integer(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }
  static Address address(const Napi::Value& value) {
    return Address::parse(value.As<Napi::String>().Utf8Value()).value_or(Address());
  }
  Connection& connection(const Napi::Value& slot) {
    ring_->enter();
    return *connections_.at(integer(slot));
  }

  void raise(const Failure& failure) { throwFailure(env_, failure, E::kDescriptorLimit); }
  Napi::Value undefined(const Failure& failure) {
    raise(failure);
    return env_.Undefined();
  }
  Napi::Value list(const Warnings& warnings) {
    Napi::Array array = Napi::Array::New(env_);
    for (const Failure& warning : warnings) {
      array.Set(array.Length(), warning.syscall);
      array.Set(array.Length(), -warning.error);
    }
    return array;
  }
  /// One more ArrayBuffer over a region, which lives as long as the last of them and the engine.
  Napi::Value expose(const std::shared_ptr<Region>& region) {
    napi_value buffer;
    auto* hint = new std::shared_ptr<Region>(region);
    const napi_status status = napi_create_external_arraybuffer(
        env_, region->base(), region->size(),
        [](napi_env, void*, void* owner) { delete static_cast<std::shared_ptr<Region>*>(owner); }, hint,
        &buffer);
    if (status == napi_ok) return {env_, buffer};
    delete hint;
    return undefined({ENOTSUP, "napi_create_external_arraybuffer"});
  }
  Napi::Value id(const Connection& c) { return Napi::Number::New(env_, c.name.slot); }

  void begin() {
    if (!std::exchange(started_, true)) drive_->start();
  }
  /// A slot with its descriptor, not yet known to the loop.
  Connection* claim(Fd fd) {
    Connection* c = connections_.allocate();
    if (c) c->fd = std::move(fd);
    return c;
  }

  // ---- Listening ----

  Napi::Value region(const Info&) { return expose(region_); }

  /// (address, noDelay, keepAlive, backlog, reusePort, ipv6Only) → [number, address, warnings]
  Napi::Value listen(const Info& info) {
    const Address wanted = address(info[0]);
    ListenOptions options;
    options.noDelay = info[1].As<Napi::Boolean>();
    options.keepAlive = integer(info[2]);
    options.backlog = integer(info[3]);
    options.reusePort = info[4].As<Napi::Boolean>();
    options.ipv6Only = info[5].As<Napi::Boolean>();
    Warnings warnings;
    auto fd = openListener(wanted, options, E::kDescriptorLimit, warnings);
    if (!fd) return undefined(fd.failure());
    const std::string path = wanted.path();
    return watch(std::move(*fd), path.empty() || path[0] == '@' ? "" : path, warnings);
  }
  /// (fd) → as listen
  Napi::Value adoptListener(const Info& info) {
    auto fd = adoptStream(integer(info[0]), true, E::kDescriptorLimit);
    if (!fd) return undefined(fd.failure());
    return watch(std::move(*fd), "", {});
  }
  Napi::Value watch(Fd fd, std::string path, const Warnings& warnings) {
    begin();
    Listener* listener = listeners_.allocate();
    if (!listener) {
      if (!path.empty()) ::unlink(path.c_str());
      return undefined({EMFILE, "listen"});
    }
    listener->number = ++listenerCount_;
    const std::string text = localAddress(fd.get()).text();
    listener->fd = std::move(fd);
    numbers_[listener->number] = {listener, std::move(path)};
    drive_->post({.op = Op::listen, .name = listener->name, .chunk = nullptr});
    Napi::Array result = Napi::Array::New(env_, 3);
    result.Set(0u, listener->number);
    result.Set(1u, text);
    result.Set(2u, list(warnings));
    return result;
  }
  /// (number). shutdown(2) here lets the address be bound again at once: an engine may need milliseconds to let
  /// go of the descriptor, and would hold the address until then.
  Napi::Value closeListener(const Info& info) {
    const OwnListener& own = numbers_.at(integer(info[0]));
    ::shutdown(own.listener->fd.get(), SHUT_RDWR);
    if (!own.path.empty()) ::unlink(own.path.c_str());
    drive_->post({.op = Op::closeListener, .name = own.listener->name, .chunk = nullptr});
    return env_.Undefined();
  }
  /// (number), after `listenerClosed`
  Napi::Value freeListener(const Info& info) {
    ring_->enter();
    const auto own = numbers_.find(integer(info[0]));
    listeners_.free(own->second.listener->name.slot);
    numbers_.erase(own);
    return env_.Undefined();
  }

  // ---- Connections ----

  /// (address, local address or '', timeout, noDelay, keepAlive) → [slot, warnings]
  Napi::Value connect(const Info& info) {
    const Address to = address(info[0]);
    const std::string local = info[1].As<Napi::String>();
    ConnectionOptions options;
    options.noDelay = info[3].As<Napi::Boolean>();
    options.keepAlive = integer(info[4]);
    Warnings warnings;
    auto fd = openStream(to.family(), E::kDescriptorLimit);
    if (!fd) return undefined(fd.failure());
    applyOptions(fd->get(), to.family(), options, warnings);
    if (!local.empty()) {
      const Address from = Address::parse(local).value_or(Address());
      if (::bind(fd->get(), from.get(), from.length) != 0) return undefined(Failure::last("bind"));
    }
    const int error = ::connect(fd->get(), to.get(), to.length) == 0 ? 0 : errno;
    begin();
    Connection* c = claim(std::move(*fd));
    if (!c) return undefined({EMFILE, "connect"});
    drive_->post(
        {.op = Op::connect, .value = error, .name = c->name, .amount = integer(info[2]), .chunk = nullptr});
    Napi::Array result = Napi::Array::New(env_, 2);
    result.Set(0u, id(*c));
    result.Set(1u, list(warnings));
    return result;
  }
  /// (fd, noDelay, keepAlive) → [slot, warnings]
  Napi::Value adopt(const Info& info) {
    auto fd = adoptStream(integer(info[0]), false, E::kDescriptorLimit);
    if (!fd) return undefined(fd.failure());
    Warnings warnings;
    ConnectionOptions options;
    options.noDelay = info[1].As<Napi::Boolean>();
    options.keepAlive = integer(info[2]);
    applyOptions(fd->get(), localAddress(fd->get()).family(), options, warnings);
    begin();
    Connection* c = open(std::move(*fd));
    if (!c) return undefined({EMFILE, "adopt"});
    drive_->post({.op = Op::start, .name = c->name, .chunk = nullptr});
    Napi::Array result = Napi::Array::New(env_, 2);
    result.Set(0u, id(*c));
    result.Set(1u, list(warnings));
    return result;
  }
  /// (position of an `accepted` record) → slot, -1 when there is none left; takes the descriptor over
  Napi::Value admit(const Info& info) {
    ring_->enter();
    Fd fd(ring_->takeDescriptor(static_cast<uint32_t>(integer(info[0]))));
    Connection* c = open(std::move(fd));
    return c ? id(*c) : Napi::Number::New(env_, -1);
  }
  /// (position of an `accepted` record): closes it unseen
  Napi::Value reject(const Info& info) {
    ring_->enter();
    const Fd refused(ring_->takeDescriptor(static_cast<uint32_t>(integer(info[0]))));
    return env_.Undefined();
  }
  Connection* open(Fd fd) {
    Connection* c = claim(std::move(fd));
    if (!c) return nullptr;
    sending_.local(*c).established = true;
    drive_->post({.op = Op::open, .name = c->name, .chunk = nullptr});
    return c;
  }
  /// (slot) → [me, them]; from now on sends may go to the kernel directly
  Napi::Value established(const Info& info) {
    Connection& c = connection(info[0]);
    sending_.local(c).established = true;
    if (c.peer.length == 0) c.peer = peerAddress(c.fd.get());
    Napi::Array result = Napi::Array::New(env_, 2);
    result.Set(0u, localAddress(c.fd.get()).text());
    result.Set(1u, c.peer.text());
    return result;
  }
  /// (slot)
  Napi::Value start(const Info& info) { return post(info, Op::start); }
  Napi::Value hold(const Info& info) { return post(info, Op::hold); }
  /// (slot, bytes)
  Napi::Value resume(const Info& info) {
    return post(info, Op::resume, 0, static_cast<int64_t>(size(info[1])));
  }

  // ---- Sending ----

  /// (count) → how many of the corked connections have something queued now
  Napi::Value flush(const Info& info) {
    const auto count = static_cast<uint32_t>(integer(info[0]));
    ring_->enter();
    return Napi::Number::New(env_, cork_->flush(count, connections_, sending_));
  }
  /// (slot, data, flags) → bytes queued; -2 when `data` is detached. With kBorrow: -1 when `data` is free
  /// again already.
  Napi::Value send(const Info& info) {
    Connection& c = connection(info[0]);
    size_t length = 0;
    void* data = nullptr;
    napi_get_typedarray_info(env_, info[1], nullptr, &length, &data, nullptr, nullptr);
    if (!data || length == 0) return Napi::Number::New(env_, SendPath<Loop>::kLost);
    const auto flags = static_cast<uint32_t>(integer(info[2]));
    const iovec part{data, length};
    if (flags & SendPath<Loop>::kBorrow) {
      if (sending_.lend(env_, c, info[1], part)) return Napi::Number::New(env_, -1);
    } else {
      sending_.send(c, &part, 1, length, flags & SendPath<Loop>::kMore);
    }
    ring_->leave();  // what was sent may have been a view of receive memory
    return Napi::Number::New(env_, static_cast<double>(sending_.queued(c)));
  }
  /// (slot): goes on with borrowed buffers; whether none is left
  Napi::Value pump(const Info& info) { return Napi::Boolean::New(env_, sending_.pump(connection(info[0]))); }
  /// (slot) → bytes taken that the kernel does not have
  Napi::Value queued(const Info& info) {
    return Napi::Number::New(env_, static_cast<double>(sending_.queued(connection(info[0]))));
  }

  // ---- Ending ----

  Napi::Value shutdown(const Info& info) {
    sending_.settle(connection(info[0]));
    return post(info, Op::shutdown);
  }
  /// (slot, flags, ms of a flush)
  Napi::Value close(const Info& info) {
    Connection& c = connection(info[0]);
    if (integer(info[1]) & kCloseFlush) sending_.settle(c);
    sending_.abandon(c);
    return post(info, Op::close, integer(info[1]), integer(info[2]));
  }
  /// (slot), after `closed` → bytes taken that no kernel took. Counted only now: JavaScript may have sent
  /// until it consumed `closed`.
  Napi::Value free(const Info& info) {
    Connection& c = connection(info[0]);
    const int64_t unsent = sending_.queued(c);
    sending_.forget(c);
    connections_.free(c.name.slot);
    return Napi::Number::New(env_, static_cast<double>(unsent));
  }
  Napi::Value stop(const Info&) {
    begin();
    drive_->post({.op = Op::stop, .chunk = nullptr});
    return env_.Undefined();
  }
  /// After `stopped`: thread, handles and descriptors are let go; only `stats` answers from now on.
  Napi::Value join(const Info&) {
    drive_->join();
    last_ = totals();
    drive_.reset();
    loop_.reset();
    delivery_.reset();
    return env_.Undefined();
  }
  Napi::Value dispose(const Info&) {
    if (drive_) drive_->dispose();
    return env_.Undefined();
  }

  // ---- The loop ----

  Napi::Value wake(const Info&) {
    drive_->wake();
    return env_.Undefined();
  }
  Napi::Value ring(const Info&) {
    begin();
    drive_->ring();
    return env_.Undefined();
  }
  Napi::Value keepAlive(const Info& info) {
    if (drive_) drive_->keepAlive(info[0].As<Napi::Boolean>());
    return env_.Undefined();
  }
  Napi::Value post(const Info& info, Op op, int32_t value = 0, int64_t amount = 0) {
    drive_->post(
        {.op = op, .value = value, .name = connection(info[0]).name, .amount = amount, .chunk = nullptr});
    return env_.Undefined();
  }

  // ---- Observation ----

  /// () → [bytesReceived, chunksReceived, bytesSent, syscalls, wakeups, exhausted, pool, overflows,
  /// acceptErrors]
  Napi::Value stats(const Info&) {
    if (loop_) last_ = totals();
    Napi::Array array = Napi::Array::New(env_, last_.size());
    for (size_t i = 0; i < last_.size(); i++)
      array.Set(static_cast<uint32_t>(i), static_cast<double>(last_[i]));
    return array;
  }
  Totals totals() const {
    const auto& loop = loop_->counters();
    const auto& engine = loop_->engine().counters();
    return {loop.bytesReceived.get(),
            loop.chunksReceived.get(),
            loop.bytesSent.get() + sending_.bytes(),
            engine.syscalls.get() + sending_.syscalls(),
            engine.wakeups.get(),
            engine.exhausted.get(),
            loop.pool.get(),
            engine.overflows.get(),
            loop.acceptErrors.get()};
  }
  /// (slot) → [bytesReceived, bytesSent, ms since the last receive or -1, ms since the last send or -1]
  Napi::Value connectionStats(const Info& info) {
    const Connection& c = connection(info[0]);
    Napi::Array array = Napi::Array::New(env_, 4);
    array.Set(0u, static_cast<double>(c.bytesReceived.get()));
    array.Set(1u, static_cast<double>(c.bytesSent.get()));
    array.Set(2u, age(c.lastReceive));
    array.Set(3u, age(c.lastSend));
    return array;
  }
  static double age(const Counter& time) {
    const auto at = static_cast<Time>(time.get());
    return at == 0 ? -1 : static_cast<double>((now() - at) / kMillisecond);
  }

  // In the order of construction: what is below uses what is above, and goes first.
  Napi::Env env_;
  std::shared_ptr<Region> region_;
  CommandCount commands_;
  typename Loop::Connections connections_{commands_};
  typename Loop::Listeners listeners_{commands_};
  std::unordered_map<int32_t, OwnListener> numbers_;  // listeners by number, until `listenerClosed`
  std::optional<EventRing> ring_;
  std::optional<ReceivePool> pool_;
  std::optional<Loop> loop_;
  std::optional<Delivery> delivery_;
  std::unique_ptr<Drive> drive_;
  SendPath<Loop> sending_;
  std::optional<Cork<Loop>> cork_;
  Totals last_{};
  int32_t listenerCount_ = 0;
  bool started_ = false;
};

}  // namespace sockman
