/* Holding a port of the host. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"

#define BACKLOG 4096

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static int parse_address(const char *text, in_port_t port, union address *ret_address) {
    union address address = {0};
    if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, text, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
    } else {
        return -EINVAL;
    }
    *ret_address = address;
    return 0;
}

static int open_socket(int family, int protocol, int only_v6) {
    int type = protocol == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;
    tsc_auto_fd int fd = socket(family, type | SOCK_CLOEXEC, protocol);
    const int on = 1;
    if (fd < 0)
        return -errno;
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_v6, sizeof(only_v6)) < 0)
        return -errno;
    /* With it two udp sockets could share a port, and no conflict would be noticed. */
    if (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        return -errno;
    return tsc_take_fd(&fd);
}

static int bind_socket(int fd, int protocol, const union address *address) {
    socklen_t length = address->any.sa_family == AF_INET ? sizeof(address->v4) : sizeof(address->v6);
    if (bind(fd, &address->any, length) < 0)
        return -errno;
    if (protocol != IPPROTO_UDP && listen(fd, BACKLOG) < 0)
        return -errno;
    return 0;
}

static int bound_port(int fd, int32_t *ret_port) {
    union address address = {0};
    socklen_t length = sizeof(address);
    if (getsockname(fd, &address.any, &length) < 0)
        return -errno;
    *ret_port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return 0;
}

static int listen_on(int protocol, const union address *address, int only_v6, int32_t *ret_fd,
                     int32_t *ret_port) {
    tsc_auto_fd int fd = open_socket(address->any.sa_family, protocol, only_v6);
    int32_t port = 0;
    int r;
    if (fd < 0)
        return fd;
    r = bind_socket(fd, protocol, address);
    if (r < 0)
        return r;
    r = bound_port(fd, &port);
    if (r < 0)
        return r;
    *ret_port = port;
    *ret_fd = tsc_take_fd(&fd);
    return 0;
}

/* One socket serves both families; a machine without IPv6 gets IPv4 alone. */
static int listen_everywhere(int protocol, in_port_t port, int32_t *ret_fd, int32_t *ret_port) {
    const union address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)}};
    const union address v4 = {.v4 = {.sin_family = AF_INET, .sin_port = htons(port)}};
    int r = listen_on(protocol, &v6, 0, ret_fd, ret_port);
    if (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)
        return listen_on(protocol, &v4, 0, ret_fd, ret_port);
    return r;
}

int tsc_listen(int32_t protocol, const char *address, int32_t port, int32_t *ret_fd, int32_t *ret_port,
               struct tsc_error *reterr) {
    union address parsed;
    int r;
    if (port < 0 || port > UINT16_MAX)
        return tsc_failf(reterr, -EINVAL, "bind port", "%d", port);
    if (*address == '\0') {
        r = listen_everywhere(protocol, (in_port_t)port, ret_fd, ret_port);
    } else {
        r = parse_address(address, (in_port_t)port, &parsed);
        if (r == 0)
            r = listen_on(protocol, &parsed, 1, ret_fd, ret_port);
    }
    return r < 0 ? tsc_failf(reterr, r, "bind port", *address ? "%d of %s" : "%d", port, address) : 0;
}
