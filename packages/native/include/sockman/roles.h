// Which thread may do what: two roles, and annotations by which clang checks them (docs/native.md, N56).
// `npm run lint` compiles every addon and the C++ tests of the loop with clang's -Wthread-safety; to any
// other compiler the annotations are empty, and at run time a role is nothing.
//
// A role is not a lock. Nobody takes or waits for a role; a function either has the role because its caller
// has, or begins where a thread begins to run our code (a thread's first function, a call by Node-API, a
// callback of libuv's) and says so with `assertHeld`. In the inline drive one thread has both roles.
//
// What clang does not see: destructors and constructors, `std::destroy_at` and `std::construct_at`, calls
// through a pointer or a `std::function`. A lambda is a function of its own and needs its own annotation, or
// an `assertHeld`. So the check finds the careless call; that a role is rightly asserted is for the reader,
// and for the thread sanitizer, to see.
#pragma once

#if defined(__clang__)
#define SOCKMAN_THREAD_ATTRIBUTE(attribute) __attribute__((attribute))
#else
#define SOCKMAN_THREAD_ATTRIBUTE(attribute)
#endif

/// Of a member: only code that has the role reads or writes it.
#define SOCKMAN_GUARDED_BY(role) SOCKMAN_THREAD_ATTRIBUTE(guarded_by(role))
/// Of a function: its caller has the roles.
#define SOCKMAN_REQUIRES(...) SOCKMAN_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
/// Of a function: after it the caller has the roles, for a reason that its comment gives.
#define SOCKMAN_ASSERTS(...) SOCKMAN_THREAD_ATTRIBUTE(assert_capability(__VA_ARGS__))
/// Of a function: not checked, for a reason that its comment gives.
#define SOCKMAN_UNCHECKED SOCKMAN_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace sockman {

class SOCKMAN_THREAD_ATTRIBUTE(capability("role")) ThreadRole {
 public:
  /// The thread that runs this has the role. Costs nothing and verifies nothing.
  void assertHeld() const SOCKMAN_THREAD_ATTRIBUTE(assert_capability()) {}
};

/// The thread that JavaScript runs on: it makes and frees connections and listeners, posts commands, and reads
/// records.
inline constexpr ThreadRole javascriptThread;
/// The thread that runs the loop and the engine: a network thread, or inline the JavaScript thread. Until a
/// drive starts, and after it has ended, the JavaScript thread has this role.
inline constexpr ThreadRole drivingThread;

}  // namespace sockman
