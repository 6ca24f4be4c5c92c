// A rehearsal: the system calls of a mechanism, made first in a child process where the process is under a
// seccomp filter. A filter may kill for a call, or hand it to a supervisor that never answers; the child takes
// that, and its parent learns of it. What a filter answers with an errno is no danger, and the engine's own
// `open` meets it. The decisions: docs/native.md, N60 to N62.
#pragma once

#include <napi.h>

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <gnu/libc-version.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "deadlines.h"
#include "fd.h"
#include "narrow.h"

namespace sockman {

/// A system call of a mechanism with arguments of which nothing comes: a filter judges it all the same.
/// `make` runs in a child of a process with many threads, so it does only what a signal handler may.
struct RehearsedCall {
  const char* name;
  void (*make)();
};

/// How a rehearsal ended.
struct Rehearsed {
  enum class End { survived, killed, stalled, untried };
  End end = End::survived;
  const char* call = "";  // the last that was made; when untried, the one that gave us no child
  int number = 0;         // killed: the signal; stalled: milliseconds; untried: errno
};

/// Reads which filters the calling thread is under. Empty: none. Nothing: it cannot be told.
inline std::optional<std::string> seccompFilters() {
  const Fd status(::open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC));
  if (!status) return std::nullopt;
  std::string text;
  char buffer[4096];
  ssize_t count;
  while ((count = ::read(status.get(), buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<size_t>(count));
  if (count < 0) return std::nullopt;
  const size_t at = text.find("\nSeccomp:");
  if (at == std::string::npos) return "";  // a kernel without seccomp
  if (text.compare(at, 11, "\nSeccomp:\t0") == 0) return "";
  return text.substr(at, text.find("\nSpeculation", at) - at);  // with the number of filters, kernel 5.9
}

/// The child process of one rehearsal, and what its parent does about it. The parent makes no call that the
/// child has not survived, or that Node does not make all the time.
class RehearsalChild {
 public:
  /// Makes the calls in a child and waits for its end, for a bounded time.
  static Rehearsed run(std::span<const RehearsedCall> calls) {
    void* page = ::mmap(nullptr, sizeof(Step), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return {Rehearsed::End::untried, "mmap", errno};
    RehearsalChild child(calls, *new (page) Step(0));
    Rehearsed result = child.perform(true);
    // What makes the child discreet may itself be what a filter kills for.
    if (child.step_.load() == kDiscreet) result = child.perform(false);
    ::munmap(page, sizeof(Step));
    return result;
  }

 private:
  /// What the child does now: its parent's calls first, then those of the mechanism, then it is done.
  using Step = std::atomic<uint32_t>;
  static_assert(Step::is_always_lock_free && sizeof(Step) == 4);
  static constexpr uint32_t kWait = 1, kKill = 2, kDiscreet = 3, kFirst = 4;
  static constexpr Time kPatience = 2000 * kMillisecond;

  RehearsalChild(std::span<const RehearsedCall> calls, Step& step) : calls_(calls), step_(step) {}

  Rehearsed perform(bool discreet) {
    step_.store(0);
    child_ = start(discreet);
    if (child_ < 0) return {Rehearsed::End::untried, "clone", errno};
    const Time deadline = now() + kPatience;
    // One that is not waited for stays a zombie until this process ends.
    if (!await([this] { return step_.load() > kWait; }, deadline))
      return {Rehearsed::End::untried, "wait4", ETIMEDOUT};
    if (!await([this] { return ended(); }, deadline)) {
      // Whether we would survive the call that ends it is what it was to find out.
      if (step_.load() == kKill) return {Rehearsed::End::untried, "kill", ETIMEDOUT};
      ::kill(child_, SIGKILL);
      await([this] { return ended(); }, now() + kPatience);
      return verdict(Rehearsed::End::stalled, narrow<int>(kPatience / kMillisecond));
    }
    return verdict(Rehearsed::End::killed, WTERMSIG(status_));
  }

  /// What came of it, given what it was if not all calls were made.
  Rehearsed verdict(Rehearsed::End end, int number) const {
    const uint32_t step = step_.load();
    if (step < kFirst) return {Rehearsed::End::untried, step == kKill ? "kill" : "prctl", EPERM};
    if (step - kFirst >= calls_.size()) return {};
    return {end, calls_[step - kFirst].name, number};
  }

  /// No signal announces the child's end, and no wait for just any child finds it: whoever else waits for
  /// children in this process, or ignores SIGCHLD, does not meet it. It has a copy of the memory, since
  /// kernels before 5.16 kill all who share the memory of one that dumps core, and the same descriptors:
  /// copies would keep sockets open. Not fork(3), which runs handlers of others.
  pid_t start(bool discreet) {
    sigset_t others, before;
    sigfillset(&others);
    sigdelset(&others, SIGSYS);  // a handler for it is part of what would happen to us
    // The handlers of others must not run in the child.
    pthread_sigmask(SIG_BLOCK, &others, &before);
    const long child = clone();
    if (child == 0) play(discreet);
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return static_cast<pid_t>(child);
  }
  /// The way in which libc makes threads: it has been survived already.
  static long clone() {
#if defined(__GLIBC__) && defined(SYS_clone3)
    const std::string_view version = gnu_get_libc_version();
    if (version.size() > 4 || version >= "2.34") {
      const std::array<uint64_t, 8> arguments = {CLONE_FILES};  // struct clone_args of clone(2), flags first
      const long child = ::syscall(SYS_clone3, arguments.data(), sizeof arguments);
      if (child >= 0 || errno != ENOSYS) return child;
    }
#endif
    return ::syscall(SYS_clone, CLONE_FILES, nullptr, nullptr, nullptr, nullptr);
  }

  /// The child: no allocation, no lock.
  [[noreturn]] void play(bool discreet) {
    step_.store(kWait);
    ::waitpid(-1, nullptr, WNOHANG | __WALL);
    step_.store(kKill);
    ::kill(0, 0);
    if (discreet) {
      step_.store(kDiscreet);
      ::prctl(PR_SET_DUMPABLE, 0);         // its death leaves no core
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // and it does not outlive a parent that is killed
    }
    uint32_t step = kFirst;
    for (const RehearsedCall& call : calls_) {
      step_.store(step++);
      call.make();
    }
    step_.store(step);
    for (;;) ::syscall(SYS_exit_group, 0);
  }

  bool ended() {
    const pid_t found = ::waitpid(child_, &status_, WNOHANG | __WALL);
    return found == child_ || (found < 0 && errno != EINTR);
  }
  /// Whether it came true in time. Sleeps by futex(2), as every lock does.
  template <class Condition>
  static bool await(Condition&& condition, Time deadline) {
    for (Time pause = kMillisecond / 10; !condition(); pause = std::min(2 * pause, 5 * kMillisecond)) {
      if (now() >= deadline) return false;
      const timespec time{.tv_sec = 0, .tv_nsec = static_cast<long>(pause)};
      uint32_t never = 0;
      ::syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &time, nullptr, 0);
    }
    return true;
  }

  const std::span<const RehearsedCall> calls_;
  Step& step_;
  pid_t child_ = -1;
  int status_ = 0;
};

/// The rehearsal of one addon's mechanism, for all threads of the process.
class Rehearsal {
 public:
  /// Exports `rehearse()`: undefined when nothing is to be feared, else [how it ended, call, number].
  static void init(Napi::Env env, Napi::Object exports, std::span<const RehearsedCall> calls) {
    static Rehearsal& rehearsal = *new Rehearsal(calls);  // never destroyed: docs/native.md, N21
    exports.Set("rehearse", Napi::Function::New(env, tell, "rehearse", &rehearsal));
  }

 private:
  explicit Rehearsal(std::span<const RehearsedCall> calls) : calls_(calls) {}

  static Napi::Value tell(const Napi::CallbackInfo& info) {
    static constexpr const char* kEnds[] = {"survived", "killed", "stalled", "untried"};
    const Rehearsed found = static_cast<Rehearsal*>(info.Data())->hold();
    if (found.end == Rehearsed::End::survived) return info.Env().Undefined();
    Napi::Array result = Napi::Array::New(info.Env(), 3);
    result.Set(0u, kEnds[static_cast<size_t>(found.end)]);
    result.Set(1u, found.call);
    result.Set(2u, found.number);
    return result;
  }

  /// Rehearses where there may be a filter. What was found is remembered until there are other filters.
  Rehearsed hold() {
    if (calls_.empty()) return {};
    const std::optional<std::string> filters = seccompFilters();
    if (filters && filters->empty()) return {};
    const std::lock_guard lock(mutex_);
    if (found_ && filters == filters_) return *found_;
    const Rehearsed result = RehearsalChild::run(calls_);
    // Whether there is a child to be had may change.
    if (result.end == Rehearsed::End::untried && result.number != ETIMEDOUT) return result;
    filters_ = filters;
    found_ = result;
    return result;
  }

  const std::span<const RehearsedCall> calls_;
  std::mutex mutex_;
  std::optional<std::string> filters_;
  std::optional<Rehearsed> found_;
};

}  // namespace sockman
