// What JavaScript asks of the engine, and the queue it travels in.
#pragma once

#include <sys/uio.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "name.h"
#include "roles.h"
#include "sys/memory.h"

namespace sockman {

/// Bytes waiting to be sent: one allocation, header and bytes.
class Chunk {
 public:
  struct Free {
    void operator()(Chunk* chunk) const { sys::release(chunk); }
  };
  using Ptr = std::unique_ptr<Chunk, Free>;

  /// Up to which size chunks are gathered.
  static constexpr size_t kSmall = 2048;

  /// Null when there is no memory.
  static Ptr make(size_t size) { return make(size, size); }
  /// A copy of `length` bytes at `skip` of the gathered `parts`; null when there is no memory for it.
  static Ptr gather(const iovec* parts, int count, size_t skip, size_t length) {
    Ptr chunk = make(length);
    char* to = chunk ? chunk->bytes() : nullptr;
    for (int i = 0; chunk && i < count; i++) {
      const size_t offset = skip < parts[i].iov_len ? skip : parts[i].iov_len;
      skip -= offset;
      std::memcpy(to, static_cast<const char*>(parts[i].iov_base) + offset, parts[i].iov_len - offset);
      to += parts[i].iov_len - offset;
    }
    return chunk;
  }

  /// Adds a small chunk at the end of a queue, and takes `chunk` when it does. Alone, each would cost an allocation
  /// and the queue's node, many times its bytes, and none of that is counted (N68). False: it is for the queue to add.
  /// What the kernel may be reading of `last` stays where it is.
  static bool gatherSmall(Chunk& last, Ptr& chunk) {
    if (chunk->size_ > kSmall) return false;
    if (last.append(*chunk)) {
      chunk.reset();
      return true;
    }
    // As much again, so that the spare room is never more than what was gathered.
    const size_t room = std::min(kGathered, 2 * std::max(last.capacity_, chunk->size_));
    if (Ptr gathered = make(0, room)) {
      gathered->append(*chunk);
      chunk = std::move(gathered);
    }
    return false;
  }

  char* bytes() { return reinterpret_cast<char*>(this + 1); }
  size_t size() const { return size_; }

 private:
  static constexpr size_t kGathered = 32 * 1024;

  Chunk(size_t size, size_t capacity) : size_(size), capacity_(capacity) {}

  static Ptr make(size_t size, size_t capacity) {
    void* memory = sys::allocate(sizeof(Chunk) + capacity);
    return Ptr(memory ? new (memory) Chunk(size, capacity) : nullptr);
  }
  bool append(Chunk& other) {
    if (capacity_ - size_ < other.size_) return false;
    std::memcpy(bytes() + size_, other.bytes(), other.size_);
    size_ += other.size_;
    return true;
  }

  size_t size_;
  const size_t capacity_;
};

enum class Op : uint8_t {
  listen,         // listener
  closeListener,  // listener
  connect,   // connection; value = errno of connect(2) (EINPROGRESS: wait), amount = timeout in ms, 0 none
  open,      // connection, not yet receiving; value = OpenFlag
  refuse,    // listener, when value is not 0: an accepted descriptor was closed unseen, for this errno
  start,     // connection: the owner wants it, receive
  send,      // connection, chunk
  shutdown,  // connection
  fail,      // connection; value = errno that an optimistic send met
  hold,      // connection: JavaScript holds data for it, receive no more
  resume,    // connection; amount = held bytes that were delivered
  close,     // connection; value = CloseFlag, amount = ms of a flush
  notify,    // connection; amount = bytes sent, at which `drained` is to be told
  limit,     // connection; value = Limit, amount = ms or bytes per second, 0 for none
  stop,      // everything was closed: end once the last is gone
};

enum OpenFlag : int32_t { kAdopted = 0, kAccepted = 1 };
enum CloseFlag : int32_t { kCloseFlush = 1, kCloseReset = 2 };
enum class Limit : int32_t { idleTimeout, receiveRate, sendRate };

struct Command {
  Op op;
  int32_t value = 0;
  Name name{};  // of a connection or listener, as the Op says
  int64_t amount = 0;
  Chunk::Ptr chunk;
};

/// One producer, one consumer. The lock is held to move pointers, never across a system call: a `send` would
/// keep the other thread waiting (docs/native.md, N8).
class CommandQueue {
 public:
  void push(Command&& command) SOCKMAN_REQUIRES(javascriptThread) {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(command));
  }
  /// Swaps what waits into `taken`, which must be empty.
  void take(std::vector<Command>& taken) SOCKMAN_REQUIRES(drivingThread) {
    std::lock_guard lock(mutex_);
    taken.swap(waiting_);
  }
  bool empty() SOCKMAN_REQUIRES(drivingThread) {
    std::lock_guard lock(mutex_);
    return waiting_.empty();
  }

 private:
  std::mutex mutex_;
  std::vector<Command> waiting_;
};

}  // namespace sockman
