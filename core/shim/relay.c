/*
 * Published ports. The listening sockets belong to the host's network; sockets made here belong to the container's, because
 * the shim lives in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "fd.h"
#include "relay_parts.h"

static bool parse_target(struct tsc_relay *relay, const struct tsc_relay_option *option) {
    uint16_t port = htons((uint16_t)option->port);
    if (inet_pton(AF_INET, option->address, &relay->target.in.sin_addr) == 1) {
        relay->target.in.sin_family = AF_INET;
        relay->target.in.sin_port = port;
        relay->target_size = sizeof(relay->target.in);
        return true;
    }
    relay->target.in6.sin6_family = AF_INET6;
    relay->target.in6.sin6_port = port;
    relay->target_size = sizeof(relay->target.in6);
    return inet_pton(AF_INET6, option->address, &relay->target.in6.sin6_addr) == 1;
}

static int relay_open(struct tsc_relays *relays, struct tsc_relay *relay,
                      const struct tsc_relay_option *option) {
    int on = 1;
    bool udp = option->protocol == IPPROTO_UDP;
    *relay = (struct tsc_relay){
        .relays = relays,
        .protocol = option->protocol,
        .source = {.fd = option->fd,
                   .ready = udp ? tsc_relay_datagram_ready : tsc_relay_stream_ready,
                   .data = relay},
        .retry = {.fire = tsc_relay_stream_again, .data = relay},
        .expiry = {.fire = tsc_relay_datagram_expire, .data = relay},
    };
    if (!parse_target(relay, option))
        return -EINVAL;
    if (udp) {
        setsockopt(option->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
        setsockopt(option->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
    }
    int error = tsc_fd_set_nonblocking(option->fd, true);
    return error < 0 ? error : tsc_loop_watch(&relays->shim->loop, &relay->source, EPOLLIN);
}

int tsc_relays_open(struct tsc_shim *shim, struct tsc_error *reterr) {
    const struct tsc_run_options *options = shim->options;
    if (options->relay_count == 0)
        return 0;
    struct tsc_relays *relays = calloc(1, sizeof(*relays));
    struct tsc_relay *list = calloc(options->relay_count, sizeof(*list));
    if (!relays || !list) {
        free(relays);
        free(list);
        return tsc_fail(reterr, -ENOMEM, "relay", "");
    }
    *relays = (struct tsc_relays){
        .shim = shim, .list = list, .sweep = {.fire = tsc_relay_stream_sweep, .data = relays}};
    shim->relays = relays;
    for (size_t i = 0; i < options->relay_count; i++) {
        int error = relay_open(relays, &list[i], &options->relays[i]);
        if (error < 0)
            return tsc_failf(reterr, error, "relay", "%s:%d", options->relays[i].address,
                             options->relays[i].port);
        relays->count++;
    }
    return 0;
}
