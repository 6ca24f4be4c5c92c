#include <sockman/binding.h>

#include "epoll_engine.h"

SOCKMAN_ADDON(sockman::EpollEngine)
