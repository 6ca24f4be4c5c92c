#include "client.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>

namespace bench {
namespace {

constexpr uint32_t kProtocolVersion = 70016;
constexpr uint64_t kServices = 1 | 8;  // NODE_NETWORK, NODE_WITNESS
constexpr uint32_t kBlockType = 2;     // MSG_BLOCK
constexpr uint32_t kWitnessFlag = 1u << 30;
constexpr size_t kNonceSize = 8;

}  // namespace

bool Client::Drop(std::string reason) {
  reason_ = std::move(reason);
  return false;
}

bool Client::OnReadable() {
  std::array<uint8_t, 64 << 10> buffer;
  const ssize_t got = recv(fd(), buffer.data(), buffer.size(), 0);
  if (got == 0) return false;
  if (got < 0)
    return errno == EAGAIN || errno == EINTR || (errno == ECONNRESET ? false : Drop(std::strerror(errno)));
  in_.insert(in_.end(), buffer.begin(), buffer.begin() + got);
  return Parse() && OnWritable();
}

bool Client::Parse() {
  size_t at = 0;
  while (wants_read() && in_.size() - at >= kHeaderSize) {
    const MessageHeader header = MessageHeader::Read(in_.data() + at);
    if (header.magic != service_.magic) return Drop("wrong network magic");
    if (header.length > kMaxPayload) return Drop("oversized message");
    if (in_.size() - at < kHeaderSize + header.length) break;
    const uint8_t* payload = in_.data() + at + kHeaderSize;
    if (Checksum(payload, header.length) != header.checksum) return Drop("bad checksum");
    if (!Answer(header.command, Reader(payload, header.length), header.length)) return false;
    at += kHeaderSize + header.length;
  }
  in_.erase(in_.begin(), in_.begin() + static_cast<ptrdiff_t>(at));
  return true;
}

bool Client::Answer(std::string_view command, Reader payload, size_t length) {
  if (command == "version") {
    AnswerVersion();
  } else if (command == "ping") {
    // The nonce of BIP 31: who echoes more queues as much as a client likes.
    const size_t size = std::min(length, kNonceSize);
    Queue(Writer(service_.magic, "pong").Raw(payload.Raw(size), size).Finish());
  } else if (command == "getheaders") {
    return AnswerGetHeaders(payload);
  } else if (command == "getdata") {
    return AnswerGetData(payload);
  }
  return true;  // Core ignores what it does not know, too.
}

void Client::AnswerVersion() {
  const std::array<uint8_t, 26> nowhere{};  // addr_recv, addr_from: services, address, port
  Writer version(service_.magic, "version");
  version.Number(kProtocolVersion).Number(kServices).Number(static_cast<int64_t>(time(nullptr)));
  version.Raw(nowhere.data(), nowhere.size()).Raw(nowhere.data(), nowhere.size());
  version.Number(uint64_t{0x6b636f73});  // nonce: only a node that might meet itself needs a random one
  const std::string_view agent = "/sockman-bench:0.1.0/";
  version.Count(static_cast<uint16_t>(agent.size()))
      .Raw(reinterpret_cast<const uint8_t*>(agent.data()), agent.size());
  version.Number(static_cast<int32_t>(service_.image.blocks().size())).Number(uint8_t{0});
  Queue(version.Finish());
  Queue(Writer(service_.magic, "verack").Finish());
}

/** What follows the first known hash of the locator, in the order of the set; from its begin when none is
 * known. */
bool Client::AnswerGetHeaders(Reader payload) {
  payload.Number<uint32_t>();
  const uint64_t count = payload.Count();
  if (count > kMaxLocator) return Drop("locator too long");
  int64_t known = -1;
  for (uint64_t i = 0; i < count; i++) {
    const uint8_t* hash = payload.Raw(32);
    if (hash != nullptr && known < 0) known = service_.image.Find(hash);
  }
  const uint8_t* stop = payload.Raw(32);
  if (!payload.ok()) return Drop("truncated getheaders");

  const std::vector<Block>& blocks = service_.image.blocks();
  const size_t first = static_cast<size_t>(known + 1);
  size_t end = std::min(blocks.size(), first + kMaxHeaders);
  const int64_t last = service_.image.Find(stop);
  if (last >= 0 && static_cast<size_t>(last) >= first) end = std::min(end, static_cast<size_t>(last) + 1);

  Writer headers(service_.magic, "headers");
  headers.Count(static_cast<uint16_t>(end - first));
  for (size_t i = first; i < end; i++) headers.Raw(blocks[i].header, kBlockHeaderSize).Number(uint8_t{0});
  Queue(headers.Finish());
  return true;
}

bool Client::AnswerGetData(Reader payload) {
  const uint64_t count = payload.Count();
  if (count > kMaxInventory) return Drop("getdata too long");
  Bytes missing;
  for (uint64_t i = 0; i < count; i++) {
    const uint8_t* entry = payload.Raw(36);
    if (entry == nullptr) return Drop("truncated getdata");
    uint32_t type;
    std::memcpy(&type, entry, sizeof type);
    const int64_t found = (type & ~kWitnessFlag) == kBlockType ? service_.image.Find(entry + 4) : -1;
    if (found < 0) {
      missing.insert(missing.end(), entry, entry + 36);
      continue;
    }
    const Block& block = service_.image.blocks()[static_cast<size_t>(found)];
    out_.push_back({{}, static_cast<off_t>(block.offset), block.size, true});
  }
  if (!missing.empty()) {
    Writer notfound(service_.magic, "notfound");
    Queue(notfound.Count(static_cast<uint16_t>(missing.size() / 36))
              .Raw(missing.data(), missing.size())
              .Finish());
  }
  return true;
}

void Client::Queue(Bytes message) {
  const size_t size = message.size();
  out_.push_back({std::move(message), 0, size, false});
  queued_bytes_ += size;
}

bool Client::OnWritable() {
  size_t share = kShare;
  while (!out_.empty() && share > 0) {
    Outgoing& next = out_.front();
    const size_t most = std::min(next.left, share);
    ssize_t sent;
    if (next.image && service_.path == SendPath::kSendfile) {
      off_t offset = next.offset;
      sent = sendfile(fd(), service_.image.fd(), &offset, most);
    } else {
      const uint8_t* from = next.image ? service_.image.data() : next.bytes.data();
      sent = send(fd(), from + next.offset, most, MSG_NOSIGNAL);
    }
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0)
      return errno == EAGAIN || (errno == ECONNRESET || errno == EPIPE ? false : Drop(std::strerror(errno)));
    next.offset += sent;
    next.left -= static_cast<size_t>(sent);
    share -= static_cast<size_t>(sent);
    service_.bytes_sent += static_cast<uint64_t>(sent);
    if (next.left > 0) continue;
    queued_bytes_ -= next.bytes.size();
    out_.pop_front();
  }
  return Parse();  // what waited for room
}

}  // namespace bench
