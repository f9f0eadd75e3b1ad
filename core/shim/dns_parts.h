/* The name server on 127.0.0.11: what its parts share. */
#ifndef TSC_DNS_PARTS_H
#define TSC_DNS_PARTS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "dns.h"

enum {
    TSC_DNS_SERVERS_MAX = 8,
    TSC_DNS_TRY_MS = 2000,
    TSC_DNS_ROUNDS = 2, /* through all servers */
    TSC_DNS_SERVER_FAILURE = 2,
};

union tsc_dns_server {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

struct tsc_dns {
    struct tsc_shim *shim;
    struct tsc_source udp;
    struct tsc_source tcp;
    int redirect; /* the netlink socket that made the rules */
    struct tsc_source upstream[2];
    union tsc_dns_server servers[TSC_DNS_SERVERS_MAX];
    size_t server_count;
    struct tsc_dns_forward *forwards;
    size_t forward_count;
    struct tsc_dns_connection *connections;
    size_t connection_count;
    struct tsc_timer sweep;
    unsigned turn;
};

/* dns.c */
socklen_t tsc_dns_server_size(const union tsc_dns_server *address);
/* From the name tables. */
enum tsc_dns_verdict tsc_dns_answer_own(struct tsc_dns *dns, const uint8_t *query,
                                        const struct tsc_dns_question *question, size_t limit,
                                        uint8_t *answer, size_t *ret_size);

/* dns_datagram.c: questions over UDP, and what is forwarded of them. */
void tsc_dns_datagram_ready(void *data, uint32_t events);
void tsc_dns_upstream4_ready(void *data, uint32_t events);
void tsc_dns_upstream6_ready(void *data, uint32_t events);

/* dns_stream.c: the same over TCP. */
void tsc_dns_stream_ready(void *data, uint32_t events);
void tsc_dns_stream_sweep(void *data);

#endif
