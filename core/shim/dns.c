/*
 * The name server on 127.0.0.11:53 of the container's network namespace: answers from the name tables, forwards the rest.
 * What is forwarded leaves through sockets of the host's network namespace.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "dns_parts.h"
#include "fd.h"

enum { PORT = 53 };

#define ADDRESS "127.0.0.11"

socklen_t tsc_dns_server_size(const union tsc_dns_server *address) {
    return address->any.sa_family == AF_INET ? sizeof(address->in) : sizeof(address->in6);
}

static void look_at(void *data, const struct tsc_name *name) {
    tsc_dns_look_at(data, name);
}

enum tsc_dns_verdict tsc_dns_answer_own(struct tsc_dns *dns, const uint8_t *query,
                                        const struct tsc_dns_question *question, size_t limit,
                                        uint8_t *answer, size_t *ret_size) {
    struct tsc_dns_search search;
    tsc_dns_search_for(&search, question);
    tsc_names_each(dns->shim->names, look_at, &search);
    return tsc_dns_answer(query, &search, dns->turn++, limit, answer, ret_size);
}

/* "ADDRESS", or "ADDRESS#PORT" as dnsmasq writes it. */
static bool parse_server(const char *text, union tsc_dns_server *ret) {
    char copy[INET6_ADDRSTRLEN + 8];
    snprintf(copy, sizeof(copy), "%s", text);
    char *port = strchr(copy, '#');
    if (port)
        *port++ = '\0';
    uint16_t number = htons(port ? (uint16_t)atoi(port) : PORT);
    *ret = (union tsc_dns_server){0};
    if (inet_pton(AF_INET, copy, &ret->in.sin_addr) == 1) {
        ret->in.sin_family = AF_INET;
        ret->in.sin_port = number;
        return true;
    }
    ret->in6.sin6_family = AF_INET6;
    ret->in6.sin6_port = number;
    return inet_pton(AF_INET6, copy, &ret->in6.sin6_addr) == 1;
}

void tsc_dns_open_upstream(struct tsc_shim *shim) {
    if (!tsc_program_find(&shim->program, TSC_STEP_DNS, NULL))
        return;
    shim->upstream[0] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    shim->upstream[1] = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int bind_server(int type, uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = port};
    inet_pton(AF_INET, ADDRESS, &address.sin_addr);
    int on = 1;
    tsc_auto_fd int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        (type == SOCK_STREAM && listen(fd, 32) < 0))
        return -errno;
    return tsc_take_fd(&fd);
}

static uint16_t port_of(int fd) {
    struct sockaddr_in address = {0};
    socklen_t size = sizeof(address);
    getsockname(fd, (struct sockaddr *)&address, &size);
    return address.sin_port;
}

static int bind_both(struct tsc_dns *dns, uint16_t port) {
    dns->udp.fd = bind_server(SOCK_DGRAM, port);
    if (dns->udp.fd < 0)
        return dns->udp.fd;
    dns->tcp.fd = bind_server(SOCK_STREAM, port);
    return dns->tcp.fd < 0 ? dns->tcp.fd : 0;
}

/* A container with a name server of its own wants port 53 of all addresses for itself: ours only seems to be there. Where
 * the kernel cannot redirect, it is there. */
static int bind_servers(struct tsc_dns *dns) {
    int error = bind_both(dns, 0);
    if (error < 0)
        return error;
    if (tsc_dns_redirect(inet_addr(ADDRESS), htons(PORT), port_of(dns->udp.fd), port_of(dns->tcp.fd),
                         &dns->redirect) == 0)
        return 0;
    close(dns->udp.fd);
    close(dns->tcp.fd);
    return bind_both(dns, htons(PORT));
}

static int watch_all(struct tsc_dns *dns) {
    struct tsc_loop *loop = &dns->shim->loop;
    int error = tsc_loop_watch(loop, &dns->udp, EPOLLIN);
    if (error == 0)
        error = tsc_loop_watch(loop, &dns->tcp, EPOLLIN);
    for (int i = 0; i < 2 && error == 0; i++)
        if (dns->upstream[i].fd >= 0)
            error = tsc_loop_watch(loop, &dns->upstream[i], EPOLLIN);
    return error;
}

int tsc_dns_open(struct tsc_shim *shim, struct tsc_error *reterr) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_DNS, NULL);
    const char *name = tsc_step_name(TSC_STEP_DNS);
    if (!step)
        return 0;
    int error = tsc_fault_of(&shim->options->fault, TSC_STEP_DNS, reterr);
    if (error < 0)
        return error;
    /* In the host's network that address is not ours to take. */
    if (!shim->namespaces.own_network)
        return tsc_fail(reterr, -EPERM, name, "host network");
    struct tsc_dns *dns = calloc(1, sizeof(*dns));
    if (!dns)
        return tsc_fail(reterr, -ENOMEM, name, "");
    *dns = (struct tsc_dns){
        .shim = shim,
        .udp = {.fd = -1, .ready = tsc_dns_datagram_ready, .data = dns},
        .tcp = {.fd = -1, .ready = tsc_dns_stream_ready, .data = dns},
        .redirect = -1,
        .upstream = {{.fd = shim->upstream[0], .ready = tsc_dns_upstream4_ready, .data = dns},
                     {.fd = shim->upstream[1], .ready = tsc_dns_upstream6_ready, .data = dns}},
        .sweep = {.fire = tsc_dns_stream_sweep, .data = dns},
    };
    for (uint32_t i = 0; i < step->count && dns->server_count < TSC_DNS_SERVERS_MAX; i++)
        if (parse_server(tsc_step_text(step, i), &dns->servers[dns->server_count]))
            dns->server_count++;
    shim->dns = dns;
    error = bind_servers(dns);
    if (error == 0)
        error = watch_all(dns);
    return error < 0 ? tsc_fail(reterr, error, name, ADDRESS) : 0;
}
