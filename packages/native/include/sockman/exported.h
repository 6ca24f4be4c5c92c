// A class whose objects JavaScript makes and calls.
#pragma once

#include <napi.h>

#include "roles.h"

namespace sockman {

/// Base of `Class`. Its methods are called by Node-API, which calls on the JavaScript thread.
template <class Class>
class Exported : public Napi::ObjectWrap<Class> {
 public:
  using Info = Napi::CallbackInfo;
  using Wrap = Napi::ObjectWrap<Class>;
  using Method = Napi::Value (Class::*)(const Info&);

 protected:
  explicit Exported(const Info& info) : Wrap(info) {}

  /// `method` under the name that JavaScript calls it by.
  template <Method method>
  static Napi::ClassPropertyDescriptor<Class> entry(const char* name) {
    return Wrap::InstanceMethod(name, static_cast<Method>(&Exported::template called<method>));
  }

 private:
  template <Method method>
  Napi::Value called(const Info& info) {
    javascriptThread.assertHeld();
    return (static_cast<Class*>(this)->*method)(info);
  }
};

}  // namespace sockman
