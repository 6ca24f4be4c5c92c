// A Failure as TypeScript's `failure.ts` reads it.
#pragma once

#include <napi.h>

#include "result.h"

namespace sockman {

/// Throws an error with `errno` and `syscall`, or with `descriptor` and `descriptorLimit` when the mechanism
/// cannot watch it.
inline void throwFailure(Napi::Env env, const Failure& failure, int descriptorLimit) {
  Napi::Error error = Napi::Error::New(env, failure.syscall);
  error.Set("errno", Napi::Number::New(env, -failure.error));
  error.Set("syscall", Napi::String::New(env, failure.syscall));
  if (failure.descriptor >= 0) {
    error.Set("descriptor", Napi::Number::New(env, failure.descriptor));
    error.Set("descriptorLimit", Napi::Number::New(env, descriptorLimit));
  }
  error.ThrowAsJavaScriptException();
}

}  // namespace sockman
