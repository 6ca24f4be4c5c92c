// The system call that select(2) comes to, which Node itself does without.
#pragma once

#include <sys/select.h>

#include <sockman/rehearsal.h>

namespace sockman {

inline constexpr RehearsedCall kSelectCalls[] = {{"select", [] {
                                                    timeval none{};
                                                    ::select(0, nullptr, nullptr, nullptr, &none);
                                                  }}};

}  // namespace sockman
