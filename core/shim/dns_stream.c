/* Questions over TCP, each forwarded over a connection of its own through the host's network. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "dns_parts.h"
#include "fd.h"

enum { CONNECTIONS_MAX = 64, TCP_IDLE_MS = 10000 };

/* A TCP connection: of an asker, or to a server for one of his questions. */
struct tsc_dns_connection {
    struct tsc_dns *dns;
    struct tsc_source source;
    struct tsc_timer idle;
    struct tsc_text in;
    struct tsc_text out;
    struct tsc_dns_connection *asker; /* set: this one goes to a server */
    size_t server;                    /* which */
    uint8_t *query;                   /* with its length before it, to try the next server */
    size_t query_size;
    bool answered;
    bool dead;
    struct tsc_dns_connection *next;
};

static void connection_drop(struct tsc_dns_connection *connection);
static int ask_server(struct tsc_dns_connection *asker, const uint8_t *query, size_t size, size_t server);

void tsc_dns_stream_sweep(void *data) {
    struct tsc_dns *dns = data;
    for (struct tsc_dns_connection **at = &dns->connections; *at;) {
        struct tsc_dns_connection *connection = *at;
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

static void connection_send(struct tsc_dns_connection *connection, const uint8_t *message, size_t size) {
    uint8_t length[2] = {(uint8_t)(size >> 8), (uint8_t)size};
    tsc_text_append(&connection->out, length, sizeof(length));
    tsc_text_append(&connection->out, message, size);
    tsc_loop_watch(&connection->dns->shim->loop, &connection->source, EPOLLIN | EPOLLOUT);
}

static void send_failure(struct tsc_dns_connection *asker, const uint8_t *query, size_t size) {
    struct tsc_dns_question question;
    uint8_t answer[TSC_DNS_UDP_MIN];
    if (!asker->dead && tsc_dns_parse(query, size, &question) == 0)
        connection_send(asker, answer, tsc_dns_refuse(query, &question, TSC_DNS_SERVER_FAILURE, answer));
}

/* A server's connection that ends without an answer is followed by one to the next server. */
static void connection_drop(struct tsc_dns_connection *connection) {
    struct tsc_dns *dns = connection->dns;
    if (connection->dead)
        return;
    connection->dead = true;
    tsc_loop_close(&dns->shim->loop, &connection->source);
    tsc_timer_clear(&dns->shim->loop, &connection->idle);
    tsc_timer_set(&dns->shim->loop, &dns->sweep, 0);
    if (!connection->asker) {
        for (struct tsc_dns_connection *other = dns->connections; other; other = other->next)
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

static void take_query(struct tsc_dns_connection *connection, const uint8_t *query, size_t size) {
    struct tsc_dns_question question;
    uint8_t answer[16384];
    size_t answer_size = 0;
    if (tsc_dns_parse(query, size, &question) < 0) {
        connection_drop(connection);
        return;
    }
    if (tsc_dns_answer_own(connection->dns, query, &question, sizeof(answer), answer, &answer_size) ==
        TSC_DNS_ANSWERED)
        connection_send(connection, answer, answer_size);
    else if (ask_server(connection, query, size, 0) < 0)
        send_failure(connection, query, size);
}

static void take_answer(struct tsc_dns_connection *connection, const uint8_t *answer, size_t size) {
    connection->answered = true;
    if (!connection->asker->dead)
        connection_send(connection->asker, answer, size);
    connection_drop(connection);
}

static void connection_read(struct tsc_dns_connection *connection) {
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

static void connection_write(struct tsc_dns_connection *connection) {
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
    struct tsc_dns_connection *connection = data;
    if (events & EPOLLOUT)
        connection_write(connection);
    if (!connection->dead && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        connection_read(connection);
}

/* Owns the descriptor from here on. */
static struct tsc_dns_connection *connection_add(struct tsc_dns *dns, int fd, uint32_t events) {
    struct tsc_dns_connection *connection =
        dns->connection_count < CONNECTIONS_MAX ? calloc(1, sizeof(*connection)) : NULL;
    if (!connection) {
        close(fd);
        return NULL;
    }
    *connection = (struct tsc_dns_connection){
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

void tsc_dns_stream_ready(void *data, uint32_t events) {
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

static int ask_server(struct tsc_dns_connection *asker, const uint8_t *query, size_t size, size_t server) {
    struct tsc_dns *dns = asker->dns;
    if (asker->dead || server >= dns->server_count)
        return -EHOSTUNREACH;
    const union tsc_dns_server *address = &dns->servers[server];
    int fd = host_socket(dns->shim, address->any.sa_family, SOCK_STREAM);
    if (fd < 0)
        return fd;
    if (connect(fd, &address->any, tsc_dns_server_size(address)) < 0 && errno != EINPROGRESS) {
        close(fd);
        return ask_server(asker, query, size, server + 1);
    }
    struct tsc_dns_connection *connection = connection_add(dns, fd, EPOLLOUT);
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
    tsc_timer_set(&dns->shim->loop, &connection->idle, TSC_DNS_TRY_MS * TSC_DNS_ROUNDS);
    return 0;
}
