#include <sockman/binding.h>

#include "libuv_engine.h"

SOCKMAN_ADDON(sockman::LibuvEngine)
