// One downloading client of the serving process: what it asked for and what it still gets.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <string>

#include "block_image.h"
#include "fd.h"
#include "message.h"

namespace bench {

/** How block messages leave: by page reference, or copied from the mapping. */
enum class SendPath { kSendfile, kSend };

struct Service {
  const BlockImage& image;
  uint32_t magic;
  SendPath path;
  uint64_t bytes_sent = 0;
};

/** Owned by the loop's table; used on the only thread. */
class Client {
 public:
  Client(Fd fd, Service& service) : fd_(std::move(fd)), service_(service) {}

  /** Reads what is there and answers it. False when the client is to be dropped: `reason()` then says why,
   * empty at an orderly end. */
  bool OnReadable();
  /** Sends until the socket is full or this turn's share is spent. False as above. */
  bool OnWritable();

  int fd() const { return fd_.get(); }
  /** A client that asks faster than it reads is not read from until its answers have left. */
  bool wants_read() const { return out_.size() < kMostQueued && queued_bytes_ < kMostQueuedBytes; }
  bool wants_write() const { return !out_.empty(); }
  const std::string& reason() const { return reason_; }

  uint32_t interest = 0;  // what epoll was last told, kept by the loop

 private:
  static constexpr size_t kMostQueued = 4096;
  static constexpr size_t kMostQueuedBytes = 1 << 20;  // of its own, pieces of the image not counted
  static constexpr size_t kShare = 4 << 20;            // bytes per turn, so that clients take turns

  /** Bytes of its own, or a piece of the image. */
  struct Outgoing {
    Bytes bytes;
    off_t offset = 0;
    size_t left = 0;
    bool image = false;
  };

  bool Drop(std::string reason);
  bool Parse();
  bool Answer(std::string_view command, Reader payload, size_t length);
  void AnswerVersion();
  bool AnswerGetHeaders(Reader payload);
  bool AnswerGetData(Reader payload);
  void Queue(Bytes message);

  Fd fd_;
  Service& service_;
  Bytes in_;
  std::deque<Outgoing> out_;
  size_t queued_bytes_ = 0;
  std::string reason_;
};

}  // namespace bench
