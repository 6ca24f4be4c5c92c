// What a loop keeps of each connection and listener, by who owns it. The memory of both is the JavaScript
// thread's, which makes and frees them (slots.h). A number such as N8 is a line of docs/native.md.
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>

#include "address.h"
#include "command.h"
#include "deadlines.h"
#include "engine.h"
#include "pacer.h"
#include "roles.h"
#include "slots.h"
#include "socket_file.h"

namespace sockman {

template <Engine E>
struct Ports {
  /// Kinds of port share the engine's Port; the tag tells a report which it is about. The driving thread's,
  /// but for `fd`: the JavaScript thread sets it before the driving thread hears of the port, and sends on it
  /// until it has asked for the port to be closed (N31).
  struct Port : E::Port {
    explicit Port(bool listening) : listening(listening) {}
    const bool listening;
    typename Deadlines<Port>::Place deadline;
  };

  struct Connection : Port {
    explicit Connection(Name name) : Port(false), name(name) {}

    /// Both directions of a connection whose rates are limited.
    struct Pace {
      explicit Pace(Connection& c) : receive(c, Flow::receive), send(c, Flow::send) {}
      Paced<Connection> receive, send;
    };

    /// Owned by the driving thread, from the command that introduces the connection to the `closed` record.
    struct Driving {
      std::list<Chunk::Ptr> queue;  // unlike a deque it takes no memory while empty
      size_t queueOffset = 0;       // bytes of the first chunk that are sent
      int64_t undelivered = 0;
      int64_t mark = 0;            // bytes sent, at which JavaScript wants a `drained` record; 0 for none
      std::unique_ptr<Pace> pace;  // none: no limit
      Time idleTimeout = 0;        // 0: none
      Time idleSince = 0;          // since when the connection counts as idle where no byte has moved
      uint32_t waitingPlace = 0;   // among those that wait for `goOn`
      int latched = 0;             // first permanent error of either direction (N15)
      int connectError = 0;
      bool connecting = false, established = false, started = false;
      bool sending = false, held = false, windowClosed = false, behind = false, waiting = false;
      bool eof = false, failed = false, shutdownWanted = false, shutdownDone = false, flushing = false,
           closing = false, reset = false;
      bool idleUntold = false;  // JavaScript has not consumed the last `idle` record
    };

    /// Used by both threads at any time. What the driving thread writes stands beside what it owns.
    struct Shared {
      /// Written by the driving thread.
      Counter bytesReceived, lastReceive;
      /// Bytes in the loop's queue: the JavaScript thread adds before it posts a chunk, the loop subtracts
      /// after the kernel took them (release). While the count is zero (acquire) the JavaScript thread may
      /// send by itself; nobody else lifts the count from zero (N8).
      std::atomic<int64_t> queued{0};
      /// Written by whoever may send (see `queued`), read by the JavaScript thread.
      Counter bytesSent, lastSend;
    };

    /// Owned by the JavaScript thread. What it keeps for sending is in send_path.h, since that needs Node-API.
    struct JavaScript {
      Address peer;  // kept here, since it is gone from the socket once the connection broke
    };

    /// For both threads to read: the slot's next owner is another object with another name.
    const Name name;
    Driving driving SOCKMAN_GUARDED_BY(drivingThread);
    Shared shared;
    JavaScript javascript SOCKMAN_GUARDED_BY(javascriptThread);
  };

  struct Listener : Port {
    Listener(Name name, int32_t number) : Port(true), name(name), number(number) {}

    /// Owned by the driving thread, from the command that introduces the listener to `listenerClosed`.
    struct Driving {
      bool closing = false, exhausted = false;
      Time lastError = 0;
    };

    /// Owned by the JavaScript thread.
    struct JavaScript {
      SocketFile file;             // to be removed when it closes
      bool shutDownFirst = false;  // when it closes (N45)
    };

    const Name name;       // as a connection's
    const int32_t number;  // what JavaScript knows the listener by, never used again (N34)
    Driving driving SOCKMAN_GUARDED_BY(drivingThread);
    JavaScript javascript SOCKMAN_GUARDED_BY(javascriptThread);
  };

  /// 1 048 576 connections and 65 536 listeners at a time; one more is refused with EMFILE (N32).
  using Connections = Slots<Connection, 1024, 1024>;
  using Listeners = Slots<Listener, 64, 1024>;
};

}  // namespace sockman
