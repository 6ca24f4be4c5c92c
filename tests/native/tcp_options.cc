// Says as JSON what the options of the socket that it inherits as descriptor 3 are (tcp(7)): another process than the one
// that sets them, and nothing of sockman's.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

namespace {

int option(int level, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  if (getsockopt(3, level, name, &value, &length) == 0) return value;
  std::perror("getsockopt");
  std::exit(1);
}

}  // namespace

int main() {
  const bool probes = option(SOL_SOCKET, SO_KEEPALIVE) != 0;
  std::printf("{\"noDelay\": %d, \"keepAlive\": %d, \"keepAliveInterval\": %d, ",
              option(IPPROTO_TCP, TCP_NODELAY), probes ? option(IPPROTO_TCP, TCP_KEEPIDLE) : 0,
              option(IPPROTO_TCP, TCP_KEEPINTVL));
  std::printf("\"keepAliveCount\": %d, \"userTimeout\": %d}\n", option(IPPROTO_TCP, TCP_KEEPCNT),
              option(IPPROTO_TCP, TCP_USER_TIMEOUT));
}
