// The file of a Unix listener: removed when the listener closes, and only while it is the listener's own.
#pragma once

#include <sys/stat.h>

#include <string>

#include "sys/descriptor.h"

namespace sockman {

/// Which file bind(2) made. Its path is absolute, for the process may change its folder (chdir(2)); and the file is
/// known by its number, for somebody may have put another one in its place.
class SocketFile {
 public:
  /// No file: a listener that has none, or one that is somebody else's.
  SocketFile() = default;

  /// Right after bind(2); empty for an address without a file. What cannot be looked up stays where it is at the end:
  /// nothing is removed that is not known to be ours.
  static SocketFile madeAt(const std::string& path) {
    SocketFile file;
    if (path.empty() || !sys::absolute(path, file.path_)) return file;
    struct stat found;
    if (sys::lstat(file.path_.c_str(), found) != 0) return SocketFile();
    file.device_ = found.st_dev;
    file.number_ = found.st_ino;
    return file;
  }

  /// Removes it, once. One that stays is told by the next bind there, as in use (C7).
  void remove() {
    if (path_.empty()) return;
    struct stat found;
    const bool ours =
        sys::lstat(path_.c_str(), found) == 0 && found.st_dev == device_ && found.st_ino == number_;
    if (ours) sys::ignored(sys::unlink(path_.c_str()));
    path_.clear();
  }

 private:
  std::string path_;
  dev_t device_ = 0;
  ino_t number_ = 0;
};

}  // namespace sockman
