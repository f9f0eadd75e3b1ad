/* Published ports: what streams and datagrams of the relay share. */
#ifndef TSC_RELAY_PARTS_H
#define TSC_RELAY_PARTS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "relay.h"

union tsc_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
};

/* One published port. */
struct tsc_relay {
    struct tsc_relays *relays;
    struct tsc_source source;
    struct tsc_timer retry;
    int protocol;
    union tsc_address target;
    socklen_t target_size;
    struct tsc_udp_client *clients;
    size_t client_count;
    struct tsc_timer expiry;
};

struct tsc_pipe {
    int ends[2]; /* -1: none */
    bool wide;
};

enum { TSC_PIPES_KEPT = 4 };

struct tsc_relays {
    struct tsc_shim *shim;
    struct tsc_relay *list;
    size_t count;
    struct tsc_connection *connections;
    size_t connection_count;
    struct tsc_pipe pool[TSC_PIPES_KEPT];
    size_t pool_count;
    struct tsc_timer sweep;
};

/* relay_stream.c: tcp and sctp. */
void tsc_relay_stream_ready(void *data, uint32_t events);
void tsc_relay_stream_again(void *data);
void tsc_relay_stream_sweep(void *data);

/* relay_datagram.c */
void tsc_relay_datagram_ready(void *data, uint32_t events);
void tsc_relay_datagram_expire(void *data);

#endif
