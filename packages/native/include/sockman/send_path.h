// Sending from the JavaScript thread: at once while the engine holds nothing of a connection, else into its
// queue. Owned by the JavaScript thread. A number such as N42 is a line of docs/native.md.
#pragma once

#include <node_api.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <list>
#include <optional>
#include <utility>

#include "command.h"
#include "deadlines.h"
#include "narrow.h"
#include "roles.h"
#include "sockets.h"
#include "sys/node.h"

namespace sockman {

/// A buffer that JavaScript lends (`borrow`). Only the JavaScript thread reads the buffer, and asks for its
/// bytes anew before each read: those of a buffer that was detached meanwhile are freed memory (N42).
class BorrowedBuffer {
 public:
  /// Nothing when Node-API refuses.
  static std::optional<BorrowedBuffer> of(napi_env env, napi_value array) {
    napi_ref reference = nullptr;
    if (sys::makeReference(env, array, &reference) != 0) return std::nullopt;
    return BorrowedBuffer(env, reference);
  }
  BorrowedBuffer(BorrowedBuffer&& other) noexcept
      : env_(other.env_), reference_(std::exchange(other.reference_, nullptr)) {}
  BorrowedBuffer& operator=(BorrowedBuffer&&) = delete;
  ~BorrowedBuffer() {
    if (reference_) napi_delete_reference(env_, reference_);
  }

  /// Its bytes now; nothing when it has lost them.
  iovec bytes() const SOCKMAN_REQUIRES(javascriptThread) {
    napi_value array;
    size_t length = 0;
    void* data = nullptr;
    if (napi_get_reference_value(env_, reference_, &array) != napi_ok || !array) return {nullptr, 0};
    // Of a detached array it says no bytes.
    napi_get_typedarray_info(env_, array, nullptr, &length, &data, nullptr, nullptr);
    return {data, data ? length : 0};
  }

 private:
  BorrowedBuffer(napi_env env, napi_ref reference) : env_(env), reference_(reference) {}

  napi_env env_;
  napi_ref reference_;
};

template <class Loop>
class SendPath {
 public:
  using Connection = typename Loop::Connection;
  using Post = std::function<void(Command&&)>;

  enum Flag : uint32_t { kMore = 1, kBorrow = 2 };
  static constexpr double kLost = -2;  // the buffer has no bytes any more

  /// What the JavaScript thread keeps of a connection for sending.
  struct Local {
    bool established = false;
    bool failed = false;  // an error was met here and is on its way
    bool paced = false;   // its rate is limited: the loop sends
    int64_t lost = 0;     // bytes that no queue holds any more and no kernel took (N37)
    int64_t waiting = 0;  // bytes in `items`
    struct Item {
      std::optional<BorrowedBuffer> borrowed;
      size_t offset = 0, length = 0;  // of what is left of it
      Chunk::Ptr chunk;               // without a borrowed buffer
    };
    std::list<Item> items;  // begins with a borrowed one when not empty; empty, it takes no memory
  };

  /// With `paced` the sum of all connections is limited: the loop sends.
  SendPath(Post post, bool paced) : post_(std::move(post)), paced_(paced) {}

  Local& local(const Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
    const auto slot = static_cast<size_t>(c.name.slot);
    if (slot >= locals_.size()) locals_.resize(slot + 1);
    return locals_[slot];
  }
  void forget(const Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
    abandon(c);
    local(c) = Local();
  }

  /// Bytes that the loop was given, from all connections, since the beginning.
  int64_t handed() const SOCKMAN_REQUIRES(javascriptThread) { return handed_; }
  /// Bytes that wait here, of all connections.
  int64_t waiting() const SOCKMAN_REQUIRES(javascriptThread) { return waiting_; }
  /// Bytes taken that the kernel does not have.
  int64_t queued(const Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
    const Local& l = local(c);
    return c.shared.queued.load(std::memory_order_acquire) + l.waiting + l.lost;
  }

  /// Sends what the kernel takes at once and copies the rest.
  void send(Connection& c, const iovec* parts, int count, size_t total, bool more)
      SOCKMAN_REQUIRES(javascriptThread) {
    Local& l = local(c);
    size_t done = 0;
    if (l.failed) {
      l.lost += static_cast<int64_t>(total);
      return;
    }
    if (l.items.empty() && maySend(c, l)) {
      done = transmit(c, l, parts, count, more);
      if (l.failed) {
        l.lost += static_cast<int64_t>(total - done);
        return;
      }
    }
    if (done == total) return;
    Chunk::Ptr rest = Chunk::gather(parts, count, done, total - done);
    if (rest) return queue(c, l, std::move(rest));
    l.lost += static_cast<int64_t>(total - done);
    failed(c, l, ENOMEM);
    abandon(l);
  }

  /// The same for a lent buffer: the rest is kept by reference, or copied after all.
  void lend(napi_env env, Connection& c, napi_value array, iovec bytes) SOCKMAN_REQUIRES(javascriptThread) {
    Local& l = local(c);
    if (l.failed) {
      l.lost += static_cast<int64_t>(bytes.iov_len);
      return;
    }
    const bool keep = bytes.iov_len > Chunk::kSmall && !isPaced(l);
    auto borrowed = keep ? BorrowedBuffer::of(env, array) : std::nullopt;
    // The buffer cannot be kept, a reference costs more than a copy, or the loop sends.
    if (!borrowed) return send(c, &bytes, 1, bytes.iov_len, false);
    l.items.push_back({std::move(borrowed), 0, bytes.iov_len, nullptr});
    count(l, static_cast<int64_t>(bytes.iov_len));
    if (l.items.size() == 1) pump(c);
  }

  /// Goes on with lent buffers while the engine's queue is empty; whether none is left. When the kernel is
  /// full, a piece is copied and given to the engine, whose `drained` says that there is room again (N42).
  bool pump(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
    Local& l = local(c);
    while (!l.items.empty() && !l.failed) {
      typename Local::Item& item = l.items.front();
      if (!item.borrowed) {
        count(l, -static_cast<int64_t>(item.chunk->size()));
        hand(c, std::move(item.chunk));
        l.items.pop_front();
        continue;
      }
      if (!maySend(c, l)) return false;
      const iovec all = item.borrowed->bytes();
      if (all.iov_len < item.offset + item.length) {
        failed(c, l, EFAULT);
        break;
      }
      iovec rest{static_cast<char*>(all.iov_base) + item.offset, item.length};
      size_t done = transmit(c, l, &rest, 1, l.items.size() > 1);
      if (l.failed) break;
      if (done < item.length) {
        const size_t piece = std::min(kProbe, item.length - done);
        const iovec next{static_cast<char*>(rest.iov_base) + done, piece};
        Chunk::Ptr copy = Chunk::gather(&next, 1, 0, piece);
        if (copy) {
          hand(c, std::move(copy));
          done += piece;
        } else {
          failed(c, l, ENOMEM);
        }
      }
      item.offset += done;
      item.length -= done;
      count(l, -static_cast<int64_t>(done));
      if (item.length == 0) l.items.pop_front();
    }
    if (l.failed) abandon(l);
    return l.items.empty();
  }

  /// Copies what is lent, so that the engine can finish alone (`shutdown`, `close` with flush; N42).
  void settle(Connection& c) SOCKMAN_REQUIRES(javascriptThread) {
    Local& l = local(c);
    for (typename Local::Item& item : l.items) {
      if (item.borrowed) {
        const iovec all = item.borrowed->bytes();
        if (all.iov_len < item.offset + item.length) {
          failed(c, l, EFAULT);
          break;
        }
        const iovec rest{static_cast<char*>(all.iov_base) + item.offset, item.length};
        item.chunk = Chunk::gather(&rest, 1, 0, item.length);
        if (!item.chunk) {
          failed(c, l, ENOMEM);
          break;
        }
      }
      count(l, -static_cast<int64_t>(item.chunk->size()));
      hand(c, std::move(item.chunk));
    }
    if (l.failed) return abandon(l);
    l.items.clear();
  }

  /// From now on the loop sends all of it, which limits the rate; or no more (N74).
  void pace(Connection& c, bool paced) SOCKMAN_REQUIRES(javascriptThread) {
    local(c).paced = paced;
    if (paced) settle(c);
  }

  /// Nothing that waits here is sent any more.
  void abandon(const Connection& c) SOCKMAN_REQUIRES(javascriptThread) { abandon(local(c)); }

  uint64_t syscalls() const SOCKMAN_REQUIRES(javascriptThread) { return syscalls_; }
  uint64_t bytes() const SOCKMAN_REQUIRES(javascriptThread) { return bytes_; }

 private:
  static constexpr size_t kProbe = 64 * 1024;

  /// Whether the JavaScript thread may call sendmsg(2): the loop has nothing to send in hand (N8).
  bool maySend(const Connection& c, const Local& l) const SOCKMAN_REQUIRES(javascriptThread) {
    return l.established && !isPaced(l) && c.shared.queued.load(std::memory_order_acquire) == 0;
  }
  bool isPaced(const Local& l) const SOCKMAN_REQUIRES(javascriptThread) { return paced_ || l.paced; }

  size_t transmit(Connection& c, Local& l, const iovec* parts, int count, bool more)
      SOCKMAN_REQUIRES(javascriptThread) {
    syscalls_++;
    const ssize_t n = sendParts(c.fd.get(), parts, count, more ? MSG_MORE : 0);
    if (n >= 0) {
      bytes_ += static_cast<uint64_t>(n);
      c.shared.bytesSent.add(static_cast<uint64_t>(n));
      c.shared.lastSend.set(static_cast<uint64_t>(now()));
      return static_cast<size_t>(n);
    }
    const int error = narrow<int>(-n);
    if (!isTransient(error)) failed(c, l, error);
    return 0;
  }

  void queue(Connection& c, Local& l, Chunk::Ptr chunk) SOCKMAN_REQUIRES(javascriptThread) {
    if (l.items.empty()) return hand(c, std::move(chunk));
    count(l, static_cast<int64_t>(chunk->size()));
    typename Local::Item& last = l.items.back();
    if (!last.borrowed && Chunk::gatherSmall(*last.chunk, chunk)) return;
    l.items.push_back({std::nullopt, 0, 0, std::move(chunk)});
  }
  void hand(Connection& c, Chunk::Ptr chunk) SOCKMAN_REQUIRES(javascriptThread) {
    const auto bytes = static_cast<int64_t>(chunk->size());
    c.shared.queued.fetch_add(bytes, std::memory_order_relaxed);
    handed_ += bytes;
    post_({.op = Op::send, .name = c.name, .chunk = std::move(chunk)});
  }
  /// An error is not thrown: the loop latches it, and reports it after what can still be read (N15).
  void failed(Connection& c, Local& l, int error) SOCKMAN_REQUIRES(javascriptThread) {
    l.failed = true;
    post_({.op = Op::fail, .value = error, .name = c.name, .chunk = nullptr});
  }
  void count(Local& l, int64_t bytes) SOCKMAN_REQUIRES(javascriptThread) {
    l.waiting += bytes;
    waiting_ += bytes;
  }
  void abandon(Local& l) SOCKMAN_REQUIRES(javascriptThread) {
    l.lost += l.waiting;
    count(l, -l.waiting);
    l.items.clear();
  }

  Post post_;
  const bool paced_;
  std::deque<Local> locals_ SOCKMAN_GUARDED_BY(javascriptThread);  // a Local does not move
  uint64_t syscalls_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  uint64_t bytes_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  int64_t handed_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
  int64_t waiting_ SOCKMAN_GUARDED_BY(javascriptThread) = 0;
};

}  // namespace sockman
