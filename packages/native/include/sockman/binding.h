// What the addon of an engine exports for SockMan: `Engine`, a class that TypeScript's NativeSockMan drives,
// `inlineAvailable`, and `libraries`, the versions of what an engine that has `libraries()` is built with. A
// number such as N31 is a line of docs/native.md.
#pragma once

#include <napi.h>

#include <bit>
#include <optional>
#include <string>
#include <unordered_map>

#include "check.h"
#include "cork.h"
#include "exported.h"
#include "inline_drive.h"
#include "narrow.h"
#include "roles.h"
#include "send_path.h"
#include "thread_drive.h"
#include "throw_failure.h"

namespace sockman {

template <Engine E>
class Binding : public Exported<Binding<E>> {
 public:
  using Loop = SockLoop<E>;
  using Connection = typename Loop::Connection;
  using Listener = typename Loop::Listener;
  using Base = Exported<Binding<E>>;
  using Info = Napi::CallbackInfo;

  static Napi::Object init(Napi::Env env, Napi::Object exports) {
    exports.Set("inlineAvailable", Napi::Boolean::New(env, E::kInline && inlineAvailable()));
    Napi::Object libraries = Napi::Object::New(env);
    if constexpr (requires { E::libraries(); }) {
      for (const auto& [name, version] : E::libraries()) libraries.Set(name, version);
    }
    exports.Set("libraries", libraries);
    exports.Set("Engine",
                Base::DefineClass(env, "Engine",
                                  {
                                      Base::template entry<&Binding::region>("region"),
                                      Base::template entry<&Binding::listen>("listen"),
                                      Base::template entry<&Binding::adoptListener>("adoptListener"),
                                      Base::template entry<&Binding::closeListener>("closeListener"),
                                      Base::template entry<&Binding::freeListener>("freeListener"),
                                      Base::template entry<&Binding::connect>("connect"),
                                      Base::template entry<&Binding::adopt>("adopt"),
                                      Base::template entry<&Binding::admit>("admit"),
                                      Base::template entry<&Binding::reject>("reject"),
                                      Base::template entry<&Binding::established>("established"),
                                      Base::template entry<&Binding::setOptions>("setOptions"),
                                      Base::template entry<&Binding::limit>("limit"),
                                      Base::template entry<&Binding::start>("start"),
                                      Base::template entry<&Binding::flush>("flush"),
                                      Base::template entry<&Binding::send>("send"),
                                      Base::template entry<&Binding::pump>("pump"),
                                      Base::template entry<&Binding::queued>("queued"),
                                      Base::template entry<&Binding::queuedInAll>("queuedInAll"),
                                      Base::template entry<&Binding::sent>("sent"),
                                      Base::template entry<&Binding::notify>("notify"),
                                      Base::template entry<&Binding::abandon>("abandon"),
                                      Base::template entry<&Binding::hold>("hold"),
                                      Base::template entry<&Binding::resume>("resume"),
                                      Base::template entry<&Binding::shutdown>("shutdown"),
                                      Base::template entry<&Binding::close>("close"),
                                      Base::template entry<&Binding::free>("free"),
                                      Base::template entry<&Binding::stop>("stop"),
                                      Base::template entry<&Binding::join>("join"),
                                      Base::template entry<&Binding::dispose>("dispose"),
                                      Base::template entry<&Binding::wake>("wake"),
                                      Base::template entry<&Binding::ring>("ring"),
                                      Base::template entry<&Binding::ringLater>("ringLater"),
                                      Base::template entry<&Binding::keepAlive>("keepAlive"),
                                      Base::template entry<&Binding::stats>("stats"),
                                      Base::template entry<&Binding::connectionStats>("connectionStats"),
                                  }));
    return exports;
  }

  /// new Engine(deliver, inline, receiveBlock, receivePool, receivePoolMax, receiveWindow, maxConnections,
  /// corkSize, batchLimit, receiveRate, sendRate)
  explicit Binding(const Info& info)
      : Base(info),
        env_(info.Env()),
        sending_([this](Command&& command)
                     SOCKMAN_REQUIRES(javascriptThread) { drive_->post(std::move(command)); },
                 size(info[10]) > 0) {
    javascriptThread.assertHeld();  // Node-API constructs
    if (const auto failure = open(info)) raise(*failure);
  }
  ~Binding() override {
    javascriptThread.assertHeld();  // a finalizer, or the end of the environment
    removeFiles();
  }

 private:
  std::optional<Failure> open(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const bool inlineDrive = info[1].As<Napi::Boolean>();
    const size_t block = size(info[2]);
    const size_t most = size(info[4]);
    auto memory = Region::map(most);
    auto words = Region::map(sizeof(EventRing::Shared));
    auto cork = Region::map(Cork<Loop>::kEntriesSize + size(info[7]));
    for (const auto* mapped : {&memory, &words, &cork}) {
      if (!*mapped) return mapped->failure();
    }
    region_ = *memory;
    cork_.emplace(*cork);
    ring_.emplace(*words);
    pool_.emplace(region_, block, size(info[3]), most);
    // First of what the runtime or the system may refuse, while there is nothing to undo.
    Napi::Object self = info.This().As<Napi::Object>();
    const std::pair<const char*, std::shared_ptr<Region>> shared[] = {
        {"ringMemory", ring_->memory()}, {"cork", cork_->memory()}, {"receiveMemory", region_}};
    for (const auto& [name, region] : shared) {
      const auto buffer = expose(region);
      if (!buffer) return buffer.failure();
      self.Set(name, *buffer);
    }
    uv_loop_t* nodeLoop = nullptr;
    if (inlineDrive) {
      if (const int error = sys::eventLoop(env_, &nodeLoop)) return Failure{error, "napi_get_uv_event_loop"};
    }
    auto engine = E::open(*pool_, nodeLoop);
    if (!engine) return engine.failure();
    const typename Loop::Limits limits{static_cast<int64_t>(size(info[5])), narrow<uint32_t>(size(info[6])),
                                       static_cast<int64_t>(size(info[9])),
                                       static_cast<int64_t>(size(info[10]))};
    loop_.emplace(std::move(*engine), *pool_, *ring_, connections_, listeners_, limits);
    delivery_.emplace(env_);
    if (const auto failure = delivery_->open(info[0])) return *failure;
    auto drive = openDrive(inlineDrive, narrow<uint32_t>(size(info[8])));
    if (!drive) return drive.failure();
    drive_ = std::move(*drive);

    Napi::Object details = Napi::Object::New(env_);
    for (const auto& [key, value] : loop_->engine().details()) details.Set(key, value);
    self.Set("details", details);
    // As long as this object, and no longer: a SockMan that was never used is collected, with what the engine has
    // opened (N71).
    self.Set("deliver", info[0]);
    return std::nullopt;
  }
  Result<std::unique_ptr<Drive>> openDrive(bool inlineDrive, uint32_t batchLimit)
      SOCKMAN_REQUIRES(javascriptThread) {
    if constexpr (E::kInline) {
      if (inlineDrive) return InlineDrive<E>::open(*loop_, commands_, *delivery_, batchLimit);
    }
    return ThreadDrive<E>::open(*loop_, commands_, *ring_, *delivery_);
  }

  using Totals = std::array<uint64_t, 9>;

  // ---- Arguments and results ----

  static size_t size(const Napi::Value& value) {
    return static_cast<size_t>(value.As<Napi::Number>().DoubleValue());
  }
  static int32_t integer(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }
  /// @param call what the address is for: where its zone names no interface, that call fails
  static Result<Address> address(const Napi::Value& value, const char* call) {
    if (auto address = Address::parse(value.As<Napi::String>().Utf8Value())) return *address;
    return Failure{ENODEV, call};
  }
  Connection& connection(const Napi::Value& slot) SOCKMAN_REQUIRES(javascriptThread) {
    ring_->enter();
    return connections_.get(integer(slot));
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
  /// One more ArrayBuffer over a region, which lives as long as the last of them and the engine (N1).
  Result<Napi::Value> expose(const std::shared_ptr<Region>& region) {
    napi_value buffer;
    auto* hint = new std::shared_ptr<Region>(region);
    const int error = sys::makeArrayBuffer(
        env_, region->base(), region->size(),
        [](napi_env, void*, void* owner) { delete static_cast<std::shared_ptr<Region>*>(owner); }, hint,
        &buffer);
    if (error == 0) return Napi::Value(env_, buffer);
    delete hint;
    return Failure({error, error == ENOTSUP ? "external ArrayBuffer" : "napi_create_external_arraybuffer"});
  }
  Napi::Value id(const Connection& c) { return Napi::Number::New(env_, c.name.slot); }

  /// Starts the drive, once. On failure nothing is started, and the call that asked for it fails.
  std::optional<Failure> begin() SOCKMAN_REQUIRES(javascriptThread) {
    if (started_) return std::nullopt;
    auto failure = drive_->start();
    started_ = !failure;
    if (started_) delivery_->hold();
    return failure;
  }
  /// A slot with its descriptor, not yet known to the loop.
  Connection* claim(Fd fd) SOCKMAN_REQUIRES(javascriptThread) {
    Connection* c = connections_.allocate();
    if (c) c->fd = std::move(fd);
    return c;
  }

  // ---- Listening ----

  /// () → the receive memory, anew for each call: JavaScript can detach the ArrayBuffer that it has (N26)
  Napi::Value region(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    const auto buffer = expose(region_);
    return buffer ? *buffer : undefined(buffer.failure());
  }

  /// [noDelay, keepAlive, keepAliveInterval, keepAliveCount, userTimeout]
  static void tcpOptions(const Napi::Value& value, ConnectionOptions& options) {
    const Napi::Array array = value.As<Napi::Array>();
    options.noDelay = integer(array[0u]);
    options.keepAlive = integer(array[1u]);
    options.keepAliveInterval = integer(array[2u]);
    options.keepAliveCount = integer(array[3u]);
    options.userTimeout = integer(array[4u]);
  }

  /// (address, TCP options, backlog, reusePort, ipv6Only) → [number, address, warnings]
  Napi::Value listen(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const auto wanted = address(info[0], "bind");
    if (!wanted) return undefined(wanted.failure());
    ListenOptions options;
    tcpOptions(info[1], options);
    options.backlog = integer(info[2]);
    options.reusePort = info[3].As<Napi::Boolean>();
    options.ipv6Only = info[4].As<Napi::Boolean>();
    Warnings warnings;
    auto listening = openListener(*wanted, options, E::kDescriptorLimit, warnings);
    if (!listening) return undefined(listening.failure());
    return watch(std::move(*listening), false, warnings);
  }
  /// (fd, TCP options) → as listen
  Napi::Value adoptListener(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    auto fd = adoptStream(integer(info[0]), true, E::kDescriptorLimit);
    if (!fd) return undefined(fd.failure());
    Warnings warnings;
    if (const auto failure = applyTo(fd->get(), info, warnings)) return undefined(*failure);
    return watch({std::move(*fd), SocketFile()}, true, warnings);
  }
  /// What the owner wants of a socket that is there: (…, TCP options).
  std::optional<Failure> applyTo(int fd, const Info& info, Warnings& warnings) {
    ConnectionOptions options;
    tcpOptions(info[1], options);
    const auto local = localAddress(fd);
    if (!local) return local.failure();
    applyOptions(fd, local->family(), options, warnings);
    return std::nullopt;
  }
  Napi::Value watch(Listening listening, bool adopted, const Warnings& warnings)
      SOCKMAN_REQUIRES(javascriptThread) {
    const auto local = localAddress(listening.fd.get());
    auto failure = local ? begin() : std::optional(local.failure());
    Listener* listener = failure ? nullptr : listeners_.allocate(listenerCount_ + 1);
    if (!listener) {
      listening.file.remove();
      return undefined(failure.value_or(Failure{listeners_.why(), "listen"}));
    }
    listenerCount_++;
    const std::string text = local->text();
    listener->fd = std::move(listening.fd);
    listener->javascript.file = std::move(listening.file);
    // One that was adopted would be deaf for everybody else who holds it. Where the address is a path, that is free
    // without this, and a Unix listener that was shut down is readable for as long as the engine does not know.
    listener->javascript.shutDownFirst = !adopted && local->filePath().empty();
    numbers_[listener->number] = listener;
    drive_->post({.op = Op::listen, .name = listener->name, .chunk = nullptr});
    Napi::Array result = Napi::Array::New(env_, 3);
    result.Set(0u, listener->number);
    result.Set(1u, text);
    result.Set(2u, list(warnings));
    return result;
  }
  /// (number). shutdown(2) frees the address at once, before the engine has let go of the descriptor (N45).
  Napi::Value closeListener(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const auto found = numbers_.find(integer(info[0]));
    SOCKMAN_CHECK(found != numbers_.end());
    Listener& listener = *found->second;
    // Refused, the address is free when the engine has let go.
    if (listener.javascript.shutDownFirst) sys::ignored(sys::shutdown(listener.fd.get(), SHUT_RDWR));
    listener.javascript.file.remove();
    drive_->post({.op = Op::closeListener, .name = listener.name, .chunk = nullptr});
    return env_.Undefined();
  }
  /// (number), after `listenerClosed`
  Napi::Value freeListener(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    ring_->enter();
    const auto found = numbers_.find(integer(info[0]));
    SOCKMAN_CHECK(found != numbers_.end());
    listeners_.free(found->second->name.slot);
    numbers_.erase(found);
    return env_.Undefined();
  }

  // ---- Connections ----

  /// (address, local address or '', timeout, TCP options) → [slot, warnings]; nothing is received
  /// before `start`. The loop is told what connect(2) said (N16).
  Napi::Value connect(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const auto to = address(info[0], "connect");
    if (!to) return undefined(to.failure());
    const bool bound = info[1].As<Napi::String>().Utf8Value() != "";
    ConnectionOptions options;
    tcpOptions(info[3], options);
    Warnings warnings;
    auto fd = openStream(to->family(), E::kDescriptorLimit);
    if (!fd) return undefined(fd.failure());
    applyOptions(fd->get(), to->family(), options, warnings);
    if (bound) {
      const auto from = address(info[1], "bind");
      if (!from) return undefined(from.failure());
      if (const int error = bindLocal(fd->get(), *from)) return undefined(Failure::of(error, "bind"));
    }
    if (const auto failure = begin()) return undefined(*failure);
    const int error = -sys::connect(fd->get(), to->get(), to->length);
    Connection* c = claim(std::move(*fd));
    if (!c) return undefined({connections_.why(), "connect"});
    drive_->post(
        {.op = Op::connect, .value = error, .name = c->name, .amount = integer(info[2]), .chunk = nullptr});
    Napi::Array result = Napi::Array::New(env_, 2);
    result.Set(0u, id(*c));
    result.Set(1u, list(warnings));
    return result;
  }
  /// (fd, TCP options) → [slot, warnings]; nothing is received before `start`
  Napi::Value adopt(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    auto fd = adoptStream(integer(info[0]), false, E::kDescriptorLimit);
    if (!fd) return undefined(fd.failure());
    Warnings warnings;
    if (const auto failure = applyTo(fd->get(), info, warnings)) return undefined(*failure);
    if (const auto failure = begin()) return undefined(*failure);
    Connection* c = open(std::move(*fd), kAdopted);
    if (!c) return undefined({connections_.why(), "adopt"});
    Napi::Array result = Napi::Array::New(env_, 2);
    result.Set(0u, id(*c));
    result.Set(1u, list(warnings));
    return result;
  }
  /// (position of an `accepted` record, number of its listener) → slot; -1 when there is none, which the
  /// listener tells; takes the descriptor over (N31)
  Napi::Value admit(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    ring_->enter();
    Fd fd(ring_->takeDescriptor(std::bit_cast<uint32_t>(integer(info[0]))));
    Connection* c = open(std::move(fd), kAccepted);
    if (c) return id(*c);
    const Name listener = numbers_.at(integer(info[1]))->name;
    drive_->post({.op = Op::refuse, .value = connections_.why(), .name = listener, .chunk = nullptr});
    return Napi::Number::New(env_, -1);
  }
  /// (position of an `accepted` record): closes its descriptor unseen (N31)
  Napi::Value reject(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    ring_->enter();
    const Fd refused(ring_->takeDescriptor(std::bit_cast<uint32_t>(integer(info[0]))));
    drive_->post({.op = Op::refuse, .chunk = nullptr});
    return env_.Undefined();
  }
  Connection* open(Fd fd, int32_t how) SOCKMAN_REQUIRES(javascriptThread) {
    Connection* c = claim(std::move(fd));
    if (!c) return nullptr;
    sending_.local(*c).established = true;
    drive_->post({.op = Op::open, .value = how, .name = c->name, .chunk = nullptr});
    return c;
  }
  /// (slot) → [me, them]; from now on the JavaScript thread may send by itself (N8)
  Napi::Value established(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    Connection& c = connection(info[0]);
    sending_.local(c).established = true;
    // An address that the system does not tell is the unspecified one of its family.
    auto local = localAddress(c.fd.get());
    Address& peer = c.javascript.peer;
    if (peer.length == 0) {
      const int family = local ? local->family() : AF_UNIX;
      const auto told = acceptedFrom(c.fd.get(), family);
      peer = told ? *told : Address::unspecified(family);
    }
    Napi::Array result = Napi::Array::New(env_, 2);
    result.Set(0u, (local ? *local : Address::unspecified(peer.family())).text());
    result.Set(1u, peer.text());
    return result;
  }
  /// (slot of an open connection, TCP options): throws for the first that could not be set
  Napi::Value setOptions(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const int fd = connection(info[0]).fd.get();
    Warnings warnings;
    if (const auto failure = applyTo(fd, info, warnings)) return undefined(*failure);
    return warnings.empty() ? env_.Undefined() : undefined({warnings.front().error, "setsockopt"});
  }
  /// (slot, Limit, ms or bytes per second)
  Napi::Value limit(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const auto amount = static_cast<int64_t>(size(info[2]));
    if (static_cast<Limit>(integer(info[1])) == Limit::sendRate)
      sending_.pace(connection(info[0]), amount > 0);
    return post(info, Op::limit, integer(info[1]), amount);
  }
  /// (slot)
  Napi::Value start(const Info& info) SOCKMAN_REQUIRES(javascriptThread) { return post(info, Op::start); }
  Napi::Value hold(const Info& info) SOCKMAN_REQUIRES(javascriptThread) { return post(info, Op::hold); }
  /// (slot, bytes)
  Napi::Value resume(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    return post(info, Op::resume, 0, static_cast<int64_t>(size(info[1])));
  }

  // ---- Sending ----

  /// (count) → how many of the corked connections have something queued now
  Napi::Value flush(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const auto count = narrow<uint32_t>(integer(info[0]));
    ring_->enter();
    return Napi::Number::New(env_, cork_->flush(count, connections_, sending_));
  }
  /// (slot, data, flags) → bytes queued; -2 when `data` is detached
  Napi::Value send(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    Connection& c = connection(info[0]);
    size_t length = 0;
    void* data = nullptr;
    napi_get_typedarray_info(env_, info[1], nullptr, &length, &data, nullptr, nullptr);
    if (!data || length == 0) return Napi::Number::New(env_, SendPath<Loop>::kLost);
    const auto flags = narrow<uint32_t>(integer(info[2]));
    const iovec part{data, length};
    if (flags & SendPath<Loop>::kBorrow) {
      sending_.lend(env_, c, info[1], part);
    } else {
      sending_.send(c, &part, 1, length, flags & SendPath<Loop>::kMore);
    }
    ring_->leave();  // what was sent may have been a view of receive memory
    return Napi::Number::New(env_, static_cast<double>(sending_.queued(c)));
  }
  /// (slot): goes on with borrowed buffers; whether none is left
  Napi::Value pump(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    return Napi::Boolean::New(env_, sending_.pump(connection(info[0])));
  }
  /// (slot) → bytes taken that the kernel does not have
  Napi::Value queued(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    return Napi::Number::New(env_, static_cast<double>(sending_.queued(connection(info[0]))));
  }
  /// () → the same of all connections: never less than there are. The loop counts bytes as sent or dropped before it
  /// frees them.
  Napi::Value queuedInAll(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    const auto& loop = loop_->counters();
    const auto done = static_cast<int64_t>(loop.bytesSent.get() + loop.dropped.get());
    return Napi::Number::New(env_, static_cast<double>(sending_.handed() + sending_.waiting() - done));
  }

  /// (slot) → bytes that the kernel has
  Napi::Value sent(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    return Napi::Number::New(env_, static_cast<double>(connection(info[0]).shared.bytesSent.get()));
  }
  /// (slot, bytes sent): a `drained` record then, or when the queue is empty
  Napi::Value notify(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    return post(info, Op::notify, 0, static_cast<int64_t>(size(info[1])));
  }

  /// (slot): nothing that waits here is sent any more
  Napi::Value abandon(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    sending_.abandon(connection(info[0]));
    return env_.Undefined();
  }

  // ---- Ending ----

  Napi::Value shutdown(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    sending_.settle(connection(info[0]));
    return post(info, Op::shutdown);
  }
  /// (slot, flags, ms of a flush)
  Napi::Value close(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    Connection& c = connection(info[0]);
    if (integer(info[1]) & kCloseFlush) sending_.settle(c);
    sending_.abandon(c);
    return post(info, Op::close, integer(info[1]), integer(info[2]));
  }
  /// (slot), after `closed` → bytes taken that no kernel took. They are counted only now: JavaScript may have
  /// sent until it consumed `closed` (N37).
  Napi::Value free(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    Connection& c = connection(info[0]);
    const int64_t unsent = sending_.queued(c);
    sending_.forget(c);
    connections_.free(c.name.slot);
    return Napi::Number::New(env_, static_cast<double>(unsent));
  }
  Napi::Value stop(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    if (const auto failure = begin()) return undefined(*failure);
    drive_->post({.op = Op::stop, .chunk = nullptr});
    return env_.Undefined();
  }
  /// After `stopped`: thread, handles and descriptors are let go; only `stats` answers from now on (N23).
  Napi::Value join(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    drive_->join();
    last_ = totals();
    drive_.reset();
    loop_.reset();
    delivery_.reset();
    return env_.Undefined();
  }
  Napi::Value dispose(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    if (drive_) drive_->dispose();
    removeFiles();
    return env_.Undefined();
  }
  /// Of listeners that nobody closed: the environment ends.
  void removeFiles() SOCKMAN_REQUIRES(javascriptThread) {
    for (const auto& [number, listener] : numbers_) listener->javascript.file.remove();
  }

  // ---- The loop ----

  Napi::Value wake(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    drive_->wake();
    return env_.Undefined();
  }
  Napi::Value ring(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    if (const auto failure = begin()) return undefined(*failure);
    drive_->ring();
    return env_.Undefined();
  }
  Napi::Value ringLater(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    return Napi::Boolean::New(env_, drive_->ringLater());
  }
  Napi::Value keepAlive(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    if (drive_) drive_->keepAlive(info[0].As<Napi::Boolean>());
    return env_.Undefined();
  }
  Napi::Value post(const Info& info, Op op, int32_t value = 0, int64_t amount = 0)
      SOCKMAN_REQUIRES(javascriptThread) {
    drive_->post(
        {.op = op, .value = value, .name = connection(info[0]).name, .amount = amount, .chunk = nullptr});
    return env_.Undefined();
  }

  // ---- Observation ----

  /// () → [bytesReceived, chunksReceived, bytesSent, syscalls, wakeups, exhausted, pool, overflows,
  /// acceptErrors]
  Napi::Value stats(const Info&) SOCKMAN_REQUIRES(javascriptThread) {
    if (loop_) last_ = totals();
    Napi::Array array = Napi::Array::New(env_, last_.size());
    for (size_t i = 0; i < last_.size(); i++) array.Set(narrow<uint32_t>(i), static_cast<double>(last_[i]));
    return array;
  }
  Totals totals() const SOCKMAN_REQUIRES(javascriptThread) {
    const auto& loop = loop_->counters();
    const auto& engine = loop_->engine().counters();
    return {loop.bytesReceived.get(),
            loop.chunksReceived.get(),
            loop.bytesSent.get() + sending_.bytes(),
            engine.syscalls.get() + sending_.syscalls(),
            engine.wakeups.get(),
            engine.exhausted.get(),
            loop.pool.get(),
            engine.overflows.get() + loop.overflows.get(),
            loop.acceptErrors.get()};
  }
  /// (slot) → [bytesReceived, bytesSent, time of the last receive, time of the last send]: ms since the Unix
  /// epoch, 0 for never
  Napi::Value connectionStats(const Info& info) SOCKMAN_REQUIRES(javascriptThread) {
    const Connection& c = connection(info[0]);
    Napi::Array array = Napi::Array::New(env_, 4);
    array.Set(0u, static_cast<double>(c.shared.bytesReceived.get()));
    array.Set(1u, static_cast<double>(c.shared.bytesSent.get()));
    array.Set(2u, date(c.shared.lastReceive));
    array.Set(3u, date(c.shared.lastSend));
    return array;
  }
  static double date(const Counter& time) {
    const auto at = static_cast<Time>(time.get());
    return at == 0 ? 0 : static_cast<double>((today() - (now() - at)) / kMillisecond);
  }

  // In the order of construction: what is below uses what is above, and goes first.
  Napi::Env env_;
  std::shared_ptr<Region> region_;
  CommandCount commands_;
  typename Loop::Connections connections_{commands_};
  typename Loop::Listeners listeners_{commands_};
  /// Listeners by number, until `listenerClosed` (N34).
  std::unordered_map<int32_t, Listener*> numbers_ SOCKMAN_GUARDED_BY(javascriptThread);
  std::optional<EventRing> ring_;
  std::optional<ReceivePool> pool_;
  std::optional<Loop> loop_;
  std::optional<Delivery> delivery_;
  std::unique_ptr<Drive> drive_;
  SendPath<Loop> sending_;
  std::optional<Cork<Loop>> cork_;
  Totals last_ SOCKMAN_GUARDED_BY(javascriptThread){};
  int32_t listenerCount_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  bool started_ SOCKMAN_GUARDED_BY(javascriptThread) = false;
};

}  // namespace sockman
