// Threads of our own.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace sockman {

/// A thread that gets no signals: they are for the others, here they would only interrupt a wait.
/// @param name at most 15 characters
template <class Body>
std::thread quietThread(const char* name, Body&& body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread([name, body = std::forward<Body>(body)]() mutable {
#ifdef __linux__
    pthread_setname_np(pthread_self(), name);
#endif
    body();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace sockman
