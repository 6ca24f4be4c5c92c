#include <sockman/binding.h>

#include "iouring_engine.h"

SOCKMAN_ADDON(sockman::IoUringEngine)
