// What a loop keeps of each connection and listener, and where: the types of sock_loop.h. Memory belongs to
// the JavaScript thread, which makes and frees it; the fields are the driving thread's, but for what is
// marked otherwise.
#pragma once

#include <atomic>
#include <list>

#include "address.h"
#include "command.h"
#include "deadlines.h"
#include "engine.h"
#include "slots.h"

namespace sockman {

template <Engine E>
struct Ports {
  /// Kinds of port share the engine's Port; the tag tells a report which it is about.
  struct Port : E::Port {
    explicit Port(bool listening) : listening(listening) {}
    const bool listening;
    typename Deadlines<Port>::Place deadline;
  };

  struct Connection : Port {
    Connection() : Port(false) {}
    Name name;     // the JavaScript thread's; the driving thread reads it until it has let go
    Address peer;  // the JavaScript thread's: it is gone from the socket once the connection broke

    /// Shared. Bytes in the engine's queue: JavaScript adds before it posts a chunk, the engine subtracts
    /// after the kernel took them (release). Zero (acquire) is what lets the JavaScript thread send by
    /// itself: the engine has nothing of this connection in hand then, and gets something only from that same
    /// thread. Only the JavaScript thread lifts it from zero, so the word needs no third state.
    std::atomic<int64_t> queued{0};
    /// Written by whoever may send (see `queued`), read by the JavaScript thread.
    Counter bytesSent, lastSend;
    /// Written by the driving thread.
    Counter bytesReceived, lastReceive;

    // The driving thread's.
    std::list<Chunk::Ptr> queue;  // unlike a deque it takes no memory while empty
    size_t queueOffset = 0;       // bytes of the first chunk that are sent
    int64_t undelivered = 0;
    int latched = 0;  // first permanent error of either direction
    int connectError = 0;
    bool connecting = false, established = false, started = false;
    bool sending = false, held = false, windowClosed = false, behind = false;
    bool eof = false, failed = false, shutdownWanted = false, shutdownDone = false, flushing = false,
         closing = false, reset = false;
  };

  struct Listener : Port {
    Listener() : Port(true) {}
    Name name;           // as a connection's
    int32_t number = 0;  // what JavaScript knows the listener by, never used again
    bool closing = false, exhausted = false;
    Time lastError = 0;
  };

  /// 1 048 576 connections and 65 536 listeners at a time; one more is refused with EMFILE.
  using Connections = Slots<Connection, 1024, 1024>;
  using Listeners = Slots<Listener, 64, 1024>;
};

}  // namespace sockman
