/*
 * The name server on 127.0.0.11:53 of the container's network namespace: answers from the name tables, forwards the rest.
 * What is forwarded leaves through sockets of the host's network namespace.
 */
#include "dns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"

enum {
    PORT = 53,
    SERVERS_MAX = 8,
    FORWARDS_MAX = 512,
    CONNECTIONS_MAX = 64,
    TRY_MS = 2000,
    ROUNDS = 2, /* through all servers */
    TCP_IDLE_MS = 10000,
    SERVER_FAILURE = 2,
};

#define ADDRESS "127.0.0.11"

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* A TCP connection: of an asker, or to a server for one of his questions. */
struct connection {
    struct tsc_dns *dns;
    struct tsc_source source;
    struct tsc_timer idle;
    struct tsc_text in;
    struct tsc_text out;
    struct connection *asker; /* set: this one goes to a server */
    size_t server;            /* which */
    uint8_t *query;           /* with its length before it, to try the next server */
    size_t query_size;
    bool answered;
    bool dead;
    struct connection *next;
};

/* A question that waits for a server's datagram. */
struct forward {
    struct tsc_dns *dns;
    uint16_t id; /* ours; the asker's is in the query */
    struct sockaddr_in asker;
    size_t tries;
    size_t udp_size;
    struct tsc_timer limit;
    struct forward *next;
    size_t size;
    uint8_t query[]; /* as the asker wrote it */
};

struct tsc_dns {
    struct tsc_shim *shim;
    struct tsc_source udp;
    struct tsc_source tcp;
    int redirect; /* the netlink socket that made the rules */
    struct tsc_source upstream[2];
    union address servers[SERVERS_MAX];
    size_t server_count;
    struct forward *forwards;
    size_t forward_count;
    struct connection *connections;
    size_t connection_count;
    struct tsc_timer sweep;
    unsigned turn;
};

static socklen_t address_size(const union address *address) {
    return address->any.sa_family == AF_INET ? sizeof(address->in) : sizeof(address->in6);
}

static bool same_address(const union address *a, const union address *b) {
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->in.sin_addr.s_addr == b->in.sin_addr.s_addr && a->in.sin_port == b->in.sin_port;
    return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0 && a->in6.sin6_port == b->in6.sin6_port;
}

/* "ADDRESS", or "ADDRESS#PORT" as dnsmasq writes it. */
static bool parse_server(const char *text, union address *ret) {
    char copy[INET6_ADDRSTRLEN + 8];
    snprintf(copy, sizeof(copy), "%s", text);
    char *port = strchr(copy, '#');
    if (port)
        *port++ = '\0';
    uint16_t number = htons(port ? (uint16_t)atoi(port) : PORT);
    *ret = (union address){0};
    if (inet_pton(AF_INET, copy, &ret->in.sin_addr) == 1) {
        ret->in.sin_family = AF_INET;
        ret->in.sin_port = number;
        return true;
    }
    ret->in6.sin6_family = AF_INET6;
    ret->in6.sin6_port = number;
    return inet_pton(AF_INET6, copy, &ret->in6.sin6_addr) == 1;
}

static enum tsc_dns_verdict answer_own(struct tsc_dns *dns, const uint8_t *query, size_t size,
                                       const struct tsc_dns_question *question, size_t limit, uint8_t *answer,
                                       size_t *ret_size) {
    const struct tsc_name *names;
    size_t count = tsc_names_list(dns->shim->names, &names);
    return tsc_dns_answer(query, size, question, names, count, dns->turn++, limit, answer, ret_size);
}

/* --- forwarding over UDP --- */

static void forward_free(struct forward *forward) {
    struct tsc_dns *dns = forward->dns;
    tsc_timer_clear(&dns->shim->loop, &forward->limit);
    for (struct forward **at = &dns->forwards; *at; at = &(*at)->next)
        if (*at == forward) {
            *at = forward->next;
            break;
        }
    dns->forward_count--;
    free(forward);
}

static void reply(const struct tsc_dns *dns, const struct sockaddr_in *asker, const uint8_t *answer,
                  size_t size) {
    (void)!sendto(dns->udp.fd, answer, size, MSG_DONTWAIT, (const struct sockaddr *)asker, sizeof(*asker));
}

static void reply_failure(const struct tsc_dns *dns, const struct sockaddr_in *asker, const uint8_t *query,
                          size_t size) {
    struct tsc_dns_question question;
    uint8_t answer[TSC_DNS_UDP_MIN];
    if (tsc_dns_parse(query, size, &question) == 0)
        reply(dns, asker, answer, tsc_dns_refuse(query, &question, SERVER_FAILURE, answer));
}

static uint16_t new_id(const struct tsc_dns *dns) {
    for (;;) {
        uint16_t id = 0;
        bool taken = getrandom(&id, sizeof(id), 0) != sizeof(id);
        for (const struct forward *forward = dns->forwards; forward; forward = forward->next)
            taken = taken || forward->id == id;
        if (!taken)
            return id;
    }
}

/* To the next server; after all of them had their turns the asker is told that it failed. */
static void forward_try(void *data) {
    struct forward *forward = data;
    struct tsc_dns *dns = forward->dns;
    while (forward->tries < dns->server_count * ROUNDS) {
        const union address *server = &dns->servers[forward->tries++ % dns->server_count];
        int fd = dns->upstream[server->any.sa_family == AF_INET ? 0 : 1].fd;
        uint8_t id[2] = {forward->query[0], forward->query[1]};
        forward->query[0] = (uint8_t)(forward->id >> 8);
        forward->query[1] = (uint8_t)forward->id;
        ssize_t sent = fd < 0 ? -1
                              : sendto(fd, forward->query, forward->size, MSG_DONTWAIT, &server->any,
                                       address_size(server));
        memcpy(forward->query, id, 2);
        if (sent < 0)
            continue;
        tsc_timer_set(&dns->shim->loop, &forward->limit, TRY_MS);
        return;
    }
    reply_failure(dns, &forward->asker, forward->query, forward->size);
    forward_free(forward);
}

static void forward_start(struct tsc_dns *dns, const struct sockaddr_in *asker, const uint8_t *query,
                          size_t size, size_t udp_size) {
    struct forward *forward = dns->forward_count < FORWARDS_MAX ? malloc(sizeof(*forward) + size) : NULL;
    if (!forward) {
        reply_failure(dns, asker, query, size);
        return;
    }
    *forward = (struct forward){.dns = dns,
                                .id = new_id(dns),
                                .asker = *asker,
                                .udp_size = udp_size,
                                .next = dns->forwards,
                                .size = size};
    forward->limit = (struct tsc_timer){.fire = forward_try, .data = forward};
    memcpy(forward->query, query, size);
    dns->forwards = forward;
    dns->forward_count++;
    forward_try(forward);
}

static struct forward *find_forward(const struct tsc_dns *dns, const uint8_t *answer, size_t size,
                                    struct tsc_dns_question *ret_question) {
    uint16_t id = (uint16_t)(answer[0] << 8 | answer[1]);
    for (struct forward *forward = dns->forwards; forward; forward = forward->next) {
        if (forward->id != id || tsc_dns_parse(forward->query, forward->size, ret_question) < 0)
            continue;
        size_t length = ret_question->end - TSC_DNS_HEADER;
        /* The question comes back with the answer: one more thing that a forger would have to guess. */
        if (size >= ret_question->end &&
            memcmp(answer + TSC_DNS_HEADER, forward->query + TSC_DNS_HEADER, length) == 0)
            return forward;
    }
    return NULL;
}

static void upstream_ready(struct tsc_dns *dns, int fd) {
    union address from = {0};
    socklen_t length = sizeof(from);
    uint8_t *answer = (uint8_t *)dns->shim->buffer;
    ssize_t size = recvfrom(fd, answer, TSC_BUFFER_SIZE, MSG_DONTWAIT, &from.any, &length);
    if (size < TSC_DNS_HEADER || !(answer[2] & 0x80))
        return;
    bool known = false;
    for (size_t i = 0; i < dns->server_count; i++)
        known = known || same_address(&from, &dns->servers[i]);
    struct tsc_dns_question question;
    struct forward *forward = known ? find_forward(dns, answer, (size_t)size, &question) : NULL;
    if (!forward)
        return;
    /* A server that cannot is asked no more; another may know. */
    unsigned code = answer[3] & 15;
    if ((code == SERVER_FAILURE || code == 5) && forward->tries < dns->server_count) {
        forward_try(forward);
        return;
    }
    memcpy(answer, forward->query, 2);
    if ((size_t)size > forward->udp_size) {
        answer[2] |= 0x02; /* truncated: only the question, the asker comes again over TCP */
        memset(answer + 6, 0, 6);
        size = (ssize_t)question.end;
    }
    reply(dns, &forward->asker, answer, (size_t)size);
    forward_free(forward);
}

static void upstream4_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_dns *dns = data;
    upstream_ready(dns, dns->upstream[0].fd);
}

static void upstream6_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_dns *dns = data;
    upstream_ready(dns, dns->upstream[1].fd);
}

static void udp_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_dns *dns = data;
    struct sockaddr_in asker;
    socklen_t length = sizeof(asker);
    uint8_t query[4096];
    uint8_t answer[4096];
    size_t answer_size = 0;
    ssize_t size =
        recvfrom(dns->udp.fd, query, sizeof(query), MSG_DONTWAIT, (struct sockaddr *)&asker, &length);
    struct tsc_dns_question question;
    if (size < 0 || tsc_dns_parse(query, (size_t)size, &question) < 0)
        return;
    size_t limit = question.udp_size < sizeof(answer) ? question.udp_size : sizeof(answer);
    if (answer_own(dns, query, (size_t)size, &question, limit, answer, &answer_size) == TSC_DNS_ANSWERED)
        reply(dns, &asker, answer, answer_size);
    else
        forward_start(dns, &asker, query, (size_t)size, question.udp_size);
}

/* --- TCP --- */

static void connection_drop(struct connection *connection);
static int ask_server(struct connection *asker, const uint8_t *query, size_t size, size_t server);

static void connection_sweep(void *data) {
    struct tsc_dns *dns = data;
    for (struct connection **at = &dns->connections; *at;) {
        struct connection *connection = *at;
        if (!connection->dead) {
            at = &connection->next;
            continue;
        }
        *at = connection->next;
        dns->connection_count--;
        tsc_text_free(&connection->in);
        tsc_text_free(&connection->out);
        free(connection->query);
        free(connection);
    }
}

static void connection_idle(void *data) {
    connection_drop(data);
}

static void connection_send(struct connection *connection, const uint8_t *message, size_t size) {
    uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    tsc_text_append(&connection->out, length, sizeof(length));
    tsc_text_append(&connection->out, message, size);
    tsc_loop_watch(&connection->dns->shim->loop, &connection->source, EPOLLIN | EPOLLOUT);
}

static void send_failure(struct connection *asker, const uint8_t *query, size_t size) {
    struct tsc_dns_question question;
    uint8_t answer[TSC_DNS_UDP_MIN];
    if (!asker->dead && tsc_dns_parse(query, size, &question) == 0)
        connection_send(asker, answer, tsc_dns_refuse(query, &question, SERVER_FAILURE, answer));
}

/* A server's connection that ends without an answer is followed by one to the next server. */
static void connection_drop(struct connection *connection) {
    struct tsc_dns *dns = connection->dns;
    if (connection->dead)
        return;
    connection->dead = true;
    tsc_loop_close(&dns->shim->loop, &connection->source);
    tsc_timer_clear(&dns->shim->loop, &connection->idle);
    tsc_timer_set(&dns->shim->loop, &dns->sweep, 0);
    if (!connection->asker) {
        for (struct connection *other = dns->connections; other; other = other->next)
            if (other->asker == connection) {
                other->answered = true;
                connection_drop(other);
            }
        return;
    }
    if (!connection->answered &&
        ask_server(connection->asker, connection->query, connection->query_size, connection->server + 1) < 0)
        send_failure(connection->asker, connection->query, connection->query_size);
}

static void take_query(struct connection *connection, const uint8_t *query, size_t size) {
    struct tsc_dns_question question;
    uint8_t answer[16384];
    size_t answer_size = 0;
    if (tsc_dns_parse(query, size, &question) < 0) {
        connection_drop(connection);
        return;
    }
    if (answer_own(connection->dns, query, size, &question, sizeof(answer), answer, &answer_size) ==
        TSC_DNS_ANSWERED)
        connection_send(connection, answer, answer_size);
    else if (ask_server(connection, query, size, 0) < 0)
        send_failure(connection, query, size);
}

static void take_answer(struct connection *connection, const uint8_t *answer, size_t size) {
    connection->answered = true;
    if (!connection->asker->dead)
        connection_send(connection->asker, answer, size);
    connection_drop(connection);
}

static void connection_read(struct connection *connection) {
    uint8_t bytes[4096];
    ssize_t count = recv(connection->source.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        connection_drop(connection);
        return;
    }
    tsc_timer_set(&connection->dns->shim->loop, &connection->idle, TCP_IDLE_MS);
    tsc_text_append(&connection->in, bytes, (size_t)count);
    while (!connection->dead && tsc_text_length(&connection->in) >= 2) {
        const uint8_t *begin = (const uint8_t *)connection->in.bytes + connection->in.start;
        size_t size = (size_t)(begin[0] << 8 | begin[1]);
        if (tsc_text_length(&connection->in) < size + 2)
            return;
        if (connection->asker)
            take_answer(connection, begin + 2, size);
        else
            take_query(connection, begin + 2, size);
        tsc_text_consume(&connection->in, size + 2);
    }
}

static void connection_write(struct connection *connection) {
    ssize_t sent = send(connection->source.fd, connection->out.bytes + connection->out.start,
                        tsc_text_length(&connection->out), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        connection_drop(connection);
        return;
    }
    if (sent > 0)
        tsc_text_consume(&connection->out, (size_t)sent);
    if (tsc_text_length(&connection->out) == 0)
        tsc_loop_watch(&connection->dns->shim->loop, &connection->source, EPOLLIN);
}

static void connection_ready(void *data, uint32_t events) {
    struct connection *connection = data;
    if (events & EPOLLOUT)
        connection_write(connection);
    if (!connection->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        connection_read(connection);
}

/* Owns the descriptor from here on. */
static struct connection *connection_add(struct tsc_dns *dns, int fd, uint32_t events) {
    struct connection *connection =
        dns->connection_count < CONNECTIONS_MAX ? calloc(1, sizeof(*connection)) : NULL;
    if (!connection) {
        close(fd);
        return NULL;
    }
    *connection = (struct connection){
        .dns = dns,
        .next = dns->connections,
        .source = {.fd = fd, .ready = connection_ready, .data = connection},
        .idle = {.fire = connection_idle, .data = connection},
    };
    dns->connections = connection;
    dns->connection_count++;
    tsc_timer_set(&dns->shim->loop, &connection->idle, TCP_IDLE_MS);
    tsc_loop_watch(&dns->shim->loop, &connection->source, events);
    return connection;
}

static void tcp_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_dns *dns = data;
    int fd = accept4(dns->tcp.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        connection_add(dns, fd, EPOLLIN);
}

/* A socket of the host's network: the shim goes there and comes back. */
static int host_socket(const struct tsc_shim *shim, int family, int type) {
    tsc_auto_fd int own = tsc_fd_open("/proc/self/ns/net", O_RDONLY, 0);
    if (own < 0)
        return own;
    if (setns(shim->host_network, CLONE_NEWNET) < 0)
        return -errno;
    int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int error = -errno;
    /* Staying behind would relay into the wrong network: better no shim than that. */
    if (setns(own, CLONE_NEWNET) < 0)
        abort();
    return fd < 0 ? error : fd;
}

static int ask_server(struct connection *asker, const uint8_t *query, size_t size, size_t server) {
    struct tsc_dns *dns = asker->dns;
    if (asker->dead || server >= dns->server_count)
        return -EHOSTUNREACH;
    const union address *address = &dns->servers[server];
    int fd = host_socket(dns->shim, address->any.sa_family, SOCK_STREAM);
    if (fd < 0)
        return fd;
    if (connect(fd, &address->any, address_size(address)) < 0 && errno != EINPROGRESS) {
        close(fd);
        return ask_server(asker, query, size, server + 1);
    }
    struct connection *connection = connection_add(dns, fd, EPOLLOUT);
    if (!connection)
        return -ENOBUFS;
    connection->asker = asker;
    connection->server = server;
    connection->query = malloc(size + 1);
    if (!connection->query) {
        connection->answered = true;
        connection_drop(connection);
        return -ENOMEM;
    }
    memcpy(connection->query, query, size);
    connection->query_size = size;
    connection_send(connection, query, size);
    tsc_timer_set(&dns->shim->loop, &connection->idle, TRY_MS * ROUNDS);
    return 0;
}

/* --- opening --- */

void tsc_dns_open_upstream(struct tsc_shim *shim) {
    if (!tsc_program_find(&shim->program, TSC_STEP_DNS, NULL))
        return;
    shim->host_network = tsc_fd_open("/proc/self/ns/net", O_RDONLY, 0);
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
        .udp = {.fd = -1, .ready = udp_ready, .data = dns},
        .tcp = {.fd = -1, .ready = tcp_ready, .data = dns},
        .redirect = -1,
        .upstream = {{.fd = shim->upstream[0], .ready = upstream4_ready, .data = dns},
                     {.fd = shim->upstream[1], .ready = upstream6_ready, .data = dns}},
        .sweep = {.fire = connection_sweep, .data = dns},
    };
    for (uint32_t i = 0; i < step->count && dns->server_count < SERVERS_MAX; i++)
        if (parse_server(tsc_step_text(step, i), &dns->servers[dns->server_count]))
            dns->server_count++;
    shim->dns = dns;
    error = bind_servers(dns);
    if (error == 0)
        error = watch_all(dns);
    return error < 0 ? tsc_fail(reterr, error, name, ADDRESS) : 0;
}
