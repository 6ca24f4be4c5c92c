// The switch of the test builds: `addon.faults`, one for each JavaScript environment and the threads that it starts.
// Workers that run side by side have one each.
#pragma once

#include <napi.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <utility>

#include "../narrow.h"
#include "points.h"

namespace sockman::sys {

constexpr const char* kPointNames[] = {
#define SOCKMAN_POINT(name) #name,
    SOCKMAN_POINTS(SOCKMAN_POINT)
#undef SOCKMAN_POINT
};
constexpr size_t kPoints = std::size(kPointNames);

/// Any thread: a lock, for this is test code.
class FaultSwitch {
 public:
  /// Pieces of memory that the rooms have given out and not got back. Of the process: who gives one back may be any
  /// thread, also one that is no environment's.
  static inline std::atomic<int> held{0};

  static FaultSwitch*& ofThisThread() {
    static thread_local FaultSwitch* current = nullptr;
    return current;
  }

  /// Counts a call, and answers the errno that it fails with; 0: the call is made.
  int ask(Point point) {
    std::lock_guard lock(mutex_);
    const auto at = static_cast<size_t>(point);
    calls_[at]++;
    if (!armed_ || at != point_) return 0;
    if (skip_ > 0) {
      skip_--;
      return 0;
    }
    if (times_ == 0) return 0;
    times_--;
    fired_++;
    return error_;
  }

  /// `faults` of an addon; the environment's threads are this one and those that it starts.
  static Napi::Object init(Napi::Env env) {
    auto* faults = new FaultSwitch;
    ofThisThread() = faults;
    // The first hook of the addon, and so the last to run: the threads are gone by then.
    env.AddCleanupHook([faults] {
      ofThisThread() = nullptr;
      delete faults;
    });
    Napi::Object object = Napi::Object::New(env);
    const auto add = [&](const char* name, auto call) {
      object.Set(name, Napi::Function::New(env, call, name));
    };
    Napi::Array points = Napi::Array::New(env);
    for (const char* name : kPointNames) points.Set(points.Length(), name);
    object.Set("points", points);
    add("arm", [faults](const Napi::CallbackInfo& info) { return faults->arm(info); });
    add("reset", [faults](const Napi::CallbackInfo& info) { return faults->reset(info); });
    add("fired", [faults](const Napi::CallbackInfo& info) {
      std::lock_guard lock(faults->mutex_);
      return Napi::Number::New(info.Env(), static_cast<double>(faults->fired_));
    });
    add("held", [](const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), held.load()); });
    add("calls", [faults](const Napi::CallbackInfo& info) { return faults->calls(info); });
    return object;
  }

 private:
  static size_t number(const Napi::Value& value) {
    return static_cast<size_t>(value.As<Napi::Number>().Int64Value());
  }

  /// (point, nth, errno, times): the nth call from now on fails, and `times` - 1 after it.
  Napi::Value arm(const Napi::CallbackInfo& info) {
    const std::string name = info[0].As<Napi::String>();
    std::lock_guard lock(mutex_);
    for (point_ = 0; point_ < kPoints && name != kPointNames[point_];) point_++;
    if (point_ == kPoints) {
      Napi::Error::New(info.Env(), "no fault point: " + name).ThrowAsJavaScriptException();
      return info.Env().Undefined();
    }
    skip_ = number(info[1]) - 1;
    error_ = narrow<int>(number(info[2]));
    times_ = number(info[3]);
    fired_ = 0;
    armed_ = true;
    return info.Env().Undefined();
  }
  /// () Nothing fails any more; counts begin again.
  Napi::Value reset(const Napi::CallbackInfo& info) {
    std::lock_guard lock(mutex_);
    armed_ = false;
    fired_ = 0;
    calls_ = {};
    return info.Env().Undefined();
  }
  /// () → the calls since the reset, by point, of the points that were reached
  Napi::Value calls(const Napi::CallbackInfo& info) {
    std::lock_guard lock(mutex_);
    Napi::Object counts = Napi::Object::New(info.Env());
    for (size_t at = 0; at < kPoints; at++) {
      if (calls_[at] > 0) counts.Set(kPointNames[at], static_cast<double>(calls_[at]));
    }
    return counts;
  }

  std::mutex mutex_;  // all below
  bool armed_ = false;
  size_t point_ = 0, skip_ = 0, times_ = 0, fired_ = 0;
  int error_ = 0;
  std::array<size_t, kPoints> calls_{};
};

}  // namespace sockman::sys
