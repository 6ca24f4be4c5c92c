// The room of the calls about any descriptor, and about files by their path.
#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

#include <climits>
#include <string>

#include "call.h"

namespace sockman::sys {

/// The descriptor is gone, whatever this answers: it is closed once, never again on EINTR (close(2), Linux).
[[nodiscard]] inline int close(int fd) {
  const int result = ::close(fd) < 0 ? -errno : 0;
  const int error = faultAt(Point::close);
  return error ? -error : result;
}
[[nodiscard]] inline int unlink(const char* path) {
  return once(Point::unlink, [&] { return ::unlink(path); });
}

[[nodiscard]] inline int lstat(const char* path, struct stat& found) {
  return once(Point::lstat, [&] { return ::lstat(path, &found); });
}
/// The path from the root, by the folder that the process is in now; whether that could be told.
[[nodiscard]] inline bool absolute(const std::string& path, std::string& result) {
  result = path;
  if (path[0] == '/') return true;
  char folder[PATH_MAX];
  if (faultAt(Point::getcwd) || !::getcwd(folder, sizeof folder)) return false;
  result = std::string(folder) + "/" + path;
  return true;
}

/// The status flags.
[[nodiscard]] inline int flags(int fd) {
  return once(Point::fcntl, [&] { return ::fcntl(fd, F_GETFL); });
}
[[nodiscard]] inline int setFlags(int fd, int flags) {
  return once(Point::fcntl, [&] { return ::fcntl(fd, F_SETFL, flags); });
}
[[nodiscard]] inline int setCloseOnExec(int fd) {
  return once(Point::fcntl, [&] { return ::fcntl(fd, F_SETFD, FD_CLOEXEC); });
}
/// Whether the number names an open descriptor. A question about our own table, which the system never refuses.
[[nodiscard]] inline bool isOpen(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}
/// Another number for the same socket, closed on exec.
[[nodiscard]] inline int duplicate(int fd) {
  return once(Point::duplicate, [&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 0); });
}
/// Makes `to` another number for what `from` names.
[[nodiscard]] inline int replace(int from, int to) {
  return once(Point::duplicate, [&] { return ::dup3(from, to, O_CLOEXEC); });
}

/// Bytes that can be received at once.
[[nodiscard]] inline int unread(int fd) {
  int count = 0;
  const int result = once(Point::ioctl, [&] { return ::ioctl(fd, FIONREAD, &count); });
  return result < 0 ? result : count;
}
#ifdef __linux__
/// Bytes of a TCP connection that the peer has not acknowledged; the end of the stream counts as one (tcp(7)).
[[nodiscard]] inline int unacknowledged(int fd) {
  int count = 0;
  const int result = once(Point::ioctl, [&] { return ::ioctl(fd, SIOCOUTQ, &count); });
  return result < 0 ? result : count;
}
#endif

[[nodiscard]] inline int eventfd() {
  return once(Point::eventfd, [] { return ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); });
}
/// One more signal of an eventfd. No fault point: the only answer that it may get is EAGAIN, and that only when there
/// are 2^64 - 2 signals already.
[[nodiscard]] inline int signal(int fd) {
  return ::eventfd_write(fd, 1) < 0 ? -errno : 0;
}
/// Takes the signals so far; EAGAIN when there were none, and nothing else of an eventfd of ours.
[[nodiscard]] inline int takeSignals(int fd) {
  eventfd_t count;
  return ::eventfd_read(fd, &count) < 0 ? -errno : 0;
}

}  // namespace sockman::sys
