// What a loop keeps of each connection and listener, and where: the types of sock_loop.h. Memory belongs to
// the JavaScript thread, which makes and frees it; the fields are the driving thread's, but for what is
// marked otherwise.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <vector>

#include "address.h"
#include "command.h"
#include "deadlines.h"
#include "engine.h"

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
    int32_t slot = 0;
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
    size_t index = 0;  // in connections_
    int latched = 0;   // first permanent error of either direction
    int connectError = 0;
    bool connecting = false, established = false, started = false;
    bool sending = false, held = false, windowClosed = false, behind = false;
    bool eof = false, failed = false, shutdownWanted = false, shutdownDone = false, flushing = false,
         closing = false, reset = false;
  };

  struct Listener : Port {
    Listener() : Port(true) {}
    int32_t number = 0;
    bool closing = false, exhausted = false;
    Time lastError = 0;
  };

  /// Connections by slot. Slots belong to the JavaScript thread; a chunk of the table is published (release,
  /// through the command queue) before the driving thread meets a slot in it, and lives as long as the table.
  class Table {
   public:
    static constexpr int32_t kChunk = 1024;
    static constexpr int32_t kChunks = 1024;
    static constexpr int32_t kSlots = kChunk * kChunks;

    /// JavaScript thread. Null when all 1 048 576 slots are taken.
    Connection* allocate() {
      if (!free_.empty()) {
        const int32_t slot = free_.back();
        free_.pop_back();
        return at(slot);
      }
      if (next_ == kSlots) return nullptr;
      auto& chunk = chunks_[next_ / kChunk];
      if (!chunk) chunk = std::make_unique<Connection[]>(kChunk);
      Connection* connection = at(next_);
      connection->slot = next_++;
      return connection;
    }
    /// JavaScript thread, after `closed` was consumed: the driving thread has let go.
    void free(int32_t slot) {
      Connection* connection = at(slot);
      std::destroy_at(connection);
      std::construct_at(connection);
      connection->slot = slot;
      free_.push_back(slot);
    }
    Connection* at(int32_t slot) { return &chunks_[slot / kChunk][slot % kChunk]; }

   private:
    std::array<std::unique_ptr<Connection[]>, kChunks> chunks_;
    std::vector<int32_t> free_;
    int32_t next_ = 0;
  };
};

}  // namespace sockman
