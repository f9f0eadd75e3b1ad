/*
 * Published ports. The listening sockets belong to the host's network; sockets made here belong to the container's, because
 * the shim lives in it. Bytes go from one to the other through pipes with splice(2); an idle connection holds no pipe.
 */
#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"

enum {
    CONNECTIONS_MAX = 4096,
    SPLICE_BYTES = 1 << 20,
    NARROW_BYTES = 64 << 10, /* what a pipe takes that nobody made wider */
    POOL_MAX = 4,            /* empty pipes that are kept */
    RETRY_MS = 100,
    UDP_CLIENTS_MAX = 1024,
    UDP_BATCH = 64,
    UDP_EXPIRY_MS = 90000,
    DATAGRAM_MAX = 65536,
};

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_storage storage;
};

struct relay {
    struct tsc_relays *relays;
    struct tsc_source source;
    struct tsc_timer retry;
    int protocol;
    union address target;
    socklen_t target_size;
    struct udp_client *clients;
    size_t client_count;
    struct tsc_timer expiry;
};

struct pipe {
    int ends[2]; /* -1: none */
    bool wide;
};

static const struct pipe no_pipe = {.ends = {-1, -1}};

enum side { OUTSIDE, INSIDE, SIDES };

/* What flows from one side to the other. */
struct flow {
    struct pipe pipe;
    size_t held; /* bytes in the pipe */
    bool ended;  /* the sender said so */
    bool done;   /* and the receiver was told */
};

struct connection {
    struct relay *relay;
    struct end {
        struct connection *connection;
        struct tsc_source source;
    } ends[SIDES];
    struct flow flows[SIDES]; /* by the side that sends */
    bool connected;
    bool dead;
    struct connection *next;
};

struct udp_client {
    struct relay *relay;
    struct tsc_source source; /* connected to the container */
    union address address;
    socklen_t address_size;
    uint8_t local[sizeof(struct in6_pktinfo)]; /* where it had sent to: answers come from there */
    int64_t used_ms;
    struct udp_client *next;
};

struct tsc_relays {
    struct tsc_shim *shim;
    struct relay *list;
    size_t count;
    struct connection *connections;
    size_t connection_count;
    struct pipe pool[POOL_MAX];
    size_t pool_count;
    struct tsc_timer sweep;
};

/* --- tcp and sctp --- */

static bool pipe_take(struct tsc_relays *relays, struct pipe *pipe) {
    if (pipe->ends[0] >= 0)
        return true;
    if (relays->pool_count > 0) {
        *pipe = relays->pool[--relays->pool_count];
        return true;
    }
    if (pipe2(pipe->ends, O_CLOEXEC | O_NONBLOCK) == 0)
        return true;
    *pipe = no_pipe;
    return false;
}

/* Only an empty one can serve another connection. */
static void pipe_give(struct tsc_relays *relays, struct pipe *pipe, bool empty) {
    if (pipe->ends[0] < 0)
        return;
    if (empty && relays->pool_count < POOL_MAX) {
        relays->pool[relays->pool_count++] = *pipe;
    } else {
        close(pipe->ends[0]);
        close(pipe->ends[1]);
    }
    *pipe = no_pipe;
}

static void connection_sweep(void *data) {
    struct tsc_relays *relays = data;
    for (struct connection **at = &relays->connections; *at;) {
        struct connection *connection = *at;
        if (!connection->dead) {
            at = &connection->next;
            continue;
        }
        *at = connection->next;
        free(connection);
        relays->connection_count--;
    }
    for (size_t i = 0; i < relays->count; i++)
        if (relays->list[i].protocol != IPPROTO_UDP && !relays->list[i].source.added)
            tsc_loop_watch(&relays->shim->loop, &relays->list[i].source, EPOLLIN);
}

/* A broken connection is broken for the other side too, instead of ended. */
static void reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void connection_close(struct connection *connection, bool broken) {
    struct tsc_relays *relays = connection->relay->relays;
    for (int side = 0; side < SIDES; side++) {
        if (broken && connection->ends[side].source.fd >= 0)
            reset(connection->ends[side].source.fd);
        tsc_loop_close(&relays->shim->loop, &connection->ends[side].source);
        pipe_give(relays, &connection->flows[side].pipe, connection->flows[side].held == 0);
    }
    connection->dead = true;
    tsc_timer_set(&relays->shim->loop, &relays->sweep, 0);
}

/* Waits for what each side can do next. */
static void connection_watch(struct connection *connection) {
    struct tsc_loop *loop = &connection->relay->relays->shim->loop;
    for (int side = 0; side < SIDES; side++) {
        const struct flow *from = &connection->flows[side];
        const struct flow *to = &connection->flows[1 - side];
        uint32_t events = 0;
        /* Closed both ways, this side has nothing more to say; its hang-up would be reported without end. */
        if (from->ended && to->done) {
            tsc_loop_forget(loop, &connection->ends[side].source);
            continue;
        }
        if (!connection->connected) {
            events = side == INSIDE ? EPOLLOUT : 0;
        } else {
            if (!from->ended && from->held == 0)
                events |= EPOLLIN;
            if (to->held > 0)
                events |= EPOLLOUT;
        }
        tsc_loop_watch(loop, &connection->ends[side].source, events);
    }
}

/* Fewer turns for who sends much; short talks are not worth its memory. */
static void pipe_widen(struct pipe *pipe) {
    pipe->wide = true;
    fcntl(pipe->ends[1], F_SETPIPE_SZ, SPLICE_BYTES);
}

/* -errno when the connection is broken. */
static int flow_fill(struct connection *connection, enum side side) {
    struct flow *flow = &connection->flows[side];
    if (flow->ended || flow->held > 0)
        return 0;
    if (!pipe_take(connection->relay->relays, &flow->pipe))
        return -EMFILE;
    ssize_t count = splice(connection->ends[side].source.fd, NULL, flow->pipe.ends[1], NULL, SPLICE_BYTES,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (count < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    flow->ended = count == 0;
    flow->held = (size_t)count;
    if (count >= NARROW_BYTES && !flow->pipe.wide)
        pipe_widen(&flow->pipe);
    return 0;
}

static int flow_drain(struct connection *connection, enum side side) {
    struct flow *flow = &connection->flows[side];
    int to = connection->ends[1 - side].source.fd;
    while (flow->held > 0) {
        ssize_t count =
            splice(flow->pipe.ends[0], NULL, to, NULL, flow->held, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return errno == EAGAIN ? 0 : -errno;
        flow->held -= (size_t)count;
    }
    pipe_give(connection->relay->relays, &flow->pipe, true);
    if (flow->ended && !flow->done) {
        flow->done = true;
        if (shutdown(to, SHUT_WR) < 0 && errno != ENOTCONN)
            return -errno;
    }
    return 0;
}

static int flow_move(struct connection *connection, enum side side) {
    int error = flow_fill(connection, side);
    return error < 0 ? error : flow_drain(connection, side);
}

static int finish_connect(struct connection *connection) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(connection->ends[INSIDE].source.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    connection->connected = error == 0;
    return -error;
}

static void end_ready(void *data, uint32_t events) {
    struct end *end = data;
    struct connection *connection = end->connection;
    int error = 0;
    if (!connection->connected && events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
        error = end == &connection->ends[INSIDE] ? finish_connect(connection) : -ECONNRESET;
    for (int side = 0; side < SIDES && error == 0 && connection->connected; side++)
        error = flow_move(connection, (enum side)side);
    if (error < 0 || events & EPOLLERR)
        connection_close(connection, true);
    else if (connection->flows[OUTSIDE].done && connection->flows[INSIDE].done)
        connection_close(connection, false);
    else
        connection_watch(connection);
}

static void tune(int fd) {
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Owns `outside`. */
static void connection_open(struct relay *relay, int outside) {
    struct tsc_relays *relays = relay->relays;
    int protocol = relay->protocol == IPPROTO_TCP ? 0 : relay->protocol;
    int inside = socket(relay->target.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    struct connection *connection = inside < 0 ? NULL : calloc(1, sizeof(*connection));
    bool refused =
        inside >= 0 && connect(inside, &relay->target.any, relay->target_size) < 0 && errno != EINPROGRESS;
    if (!connection || refused) {
        reset(outside);
        close(outside);
        if (inside >= 0)
            close(inside);
        free(connection);
        return;
    }
    int fds[SIDES] = {[OUTSIDE] = outside, [INSIDE] = inside};
    *connection = (struct connection){.relay = relay, .next = relays->connections};
    for (int side = 0; side < SIDES; side++) {
        tune(fds[side]);
        connection->flows[side].pipe = no_pipe;
        connection->ends[side].connection = connection;
        connection->ends[side].source =
            (struct tsc_source){.fd = fds[side], .ready = end_ready, .data = &connection->ends[side]};
    }
    relays->connections = connection;
    relays->connection_count++;
    connection_watch(connection);
}

static void accept_again(void *data) {
    struct relay *relay = data;
    tsc_loop_watch(&relay->relays->shim->loop, &relay->source, EPOLLIN);
}

static void listener_ready(void *data, uint32_t events) {
    (void)events;
    struct relay *relay = data;
    struct tsc_loop *loop = &relay->relays->shim->loop;
    if (relay->relays->connection_count >= CONNECTIONS_MAX) {
        tsc_loop_forget(loop, &relay->source); /* the rest waits in the backlog until one ends */
        return;
    }
    int fd = accept4(relay->source.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        connection_open(relay, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        tsc_loop_forget(loop, &relay->source);
        tsc_timer_set(loop, &relay->retry, RETRY_MS);
    }
}

/* --- udp --- */

static void client_free(struct udp_client *client) {
    struct relay *relay = client->relay;
    tsc_loop_close(&relay->relays->shim->loop, &client->source);
    for (struct udp_client **at = &relay->clients; *at; at = &(*at)->next)
        if (*at == client) {
            *at = client->next;
            break;
        }
    relay->client_count--;
    free(client);
}

static void expire(void *data) {
    struct relay *relay = data;
    int64_t now = tsc_now();
    for (struct udp_client *client = relay->clients; client;) {
        struct udp_client *next = client->next;
        if (now - client->used_ms >= UDP_EXPIRY_MS)
            client_free(client);
        client = next;
    }
    if (relay->clients)
        tsc_timer_set(&relay->relays->shim->loop, &relay->expiry, UDP_EXPIRY_MS / 3);
}

union packet_control {
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct cmsghdr align;
};

/* From the address to which the client had sent, or it would not know the answer. */
static void send_back(const struct udp_client *client, const char *bytes, size_t size) {
    struct relay *relay = client->relay;
    bool v4 = client->address.any.sa_family == AF_INET;
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    union packet_control control = {0};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)&client->address,
                             .msg_namelen = client->address_size,
                             .msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *info = CMSG_FIRSTHDR(&message);
    size_t length = v4 ? sizeof(struct in_pktinfo) : sizeof(struct in6_pktinfo);
    info->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    info->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
    info->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(info), client->local, length);
    message.msg_controllen = CMSG_SPACE(length);
    (void)!sendmsg(relay->source.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void client_ready(void *data, uint32_t events) {
    (void)events;
    struct udp_client *client = data;
    char *bytes = client->relay->relays->shim->buffer;
    for (int i = 0; i < UDP_BATCH; i++) {
        ssize_t count = recv(client->source.fd, bytes, TSC_BUFFER_SIZE, MSG_DONTWAIT);
        if (count < 0)
            return; /* nothing more, or the container refused a datagram */
        client->used_ms = tsc_now();
        send_back(client, bytes, (size_t)count);
    }
}

static bool same_client(const struct udp_client *client, const union address *address) {
    if (client->address.any.sa_family != address->any.sa_family)
        return false;
    if (address->any.sa_family == AF_INET)
        return client->address.in.sin_port == address->in.sin_port &&
               client->address.in.sin_addr.s_addr == address->in.sin_addr.s_addr;
    return client->address.in6.sin6_port == address->in6.sin6_port &&
           memcmp(&client->address.in6.sin6_addr, &address->in6.sin6_addr, 16) == 0;
}

static struct udp_client *client_add(struct relay *relay, const union address *address, socklen_t size) {
    int fd = socket(relay->target.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct udp_client *client = fd < 0 ? NULL : calloc(1, sizeof(*client));
    if (!client || connect(fd, &relay->target.any, relay->target_size) < 0) {
        if (fd >= 0)
            close(fd);
        free(client);
        return NULL;
    }
    *client = (struct udp_client){.relay = relay,
                                  .address = *address,
                                  .address_size = size,
                                  .next = relay->clients,
                                  .source = {.fd = fd, .ready = client_ready, .data = client}};
    relay->clients = client;
    relay->client_count++;
    tsc_loop_watch(&relay->relays->shim->loop, &client->source, EPOLLIN);
    if (!relay->expiry.added)
        tsc_timer_set(&relay->relays->shim->loop, &relay->expiry, UDP_EXPIRY_MS / 3);
    return client;
}

static struct udp_client *find_client(struct relay *relay, const union address *address, socklen_t size) {
    struct udp_client *oldest = NULL;
    for (struct udp_client *client = relay->clients; client; client = client->next) {
        if (same_client(client, address))
            return client;
        if (!oldest || client->used_ms < oldest->used_ms)
            oldest = client;
    }
    if (relay->client_count >= UDP_CLIENTS_MAX)
        client_free(oldest);
    return client_add(relay, address, size);
}

static void remember_local(struct udp_client *client, struct msghdr *message) {
    for (struct cmsghdr *info = CMSG_FIRSTHDR(message); info; info = CMSG_NXTHDR(message, info)) {
        if (info->cmsg_level == IPPROTO_IP && info->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo packet;
            memcpy(&packet, CMSG_DATA(info), sizeof(packet));
            packet.ipi_ifindex = 0; /* the way back is the routes' matter */
            memcpy(client->local, &packet, sizeof(packet));
        } else if (info->cmsg_level == IPPROTO_IPV6 && info->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo packet;
            memcpy(&packet, CMSG_DATA(info), sizeof(packet));
            if (!IN6_IS_ADDR_LINKLOCAL(&packet.ipi6_addr))
                packet.ipi6_ifindex = 0;
            memcpy(client->local, &packet, sizeof(packet));
        }
    }
}

static void datagrams_ready(void *data, uint32_t events) {
    (void)events;
    struct relay *relay = data;
    for (int i = 0; i < UDP_BATCH; i++) {
        union address from = {0};
        union packet_control control;
        struct iovec part = {.iov_base = relay->relays->shim->buffer, .iov_len = TSC_BUFFER_SIZE};
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof(from),
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control.bytes,
                                 .msg_controllen = sizeof(control.bytes)};
        ssize_t count = recvmsg(relay->source.fd, &message, MSG_DONTWAIT);
        if (count < 0)
            return;
        struct udp_client *client = find_client(relay, &from, message.msg_namelen);
        if (!client)
            continue;
        remember_local(client, &message);
        client->used_ms = tsc_now();
        (void)!send(client->source.fd, part.iov_base, (size_t)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

/* --- opening --- */

static bool parse_target(struct relay *relay, const struct tsc_relay_option *option) {
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

static int relay_open(struct tsc_relays *relays, struct relay *relay, const struct tsc_relay_option *option) {
    int on = 1;
    bool udp = option->protocol == IPPROTO_UDP;
    *relay = (struct relay){
        .relays = relays,
        .protocol = option->protocol,
        .source = {.fd = option->fd, .ready = udp ? datagrams_ready : listener_ready, .data = relay},
        .retry = {.fire = accept_again, .data = relay},
        .expiry = {.fire = expire, .data = relay},
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
    struct relay *list = calloc(options->relay_count, sizeof(*list));
    if (!relays || !list) {
        free(relays);
        free(list);
        return tsc_fail(reterr, -ENOMEM, "relay", "");
    }
    *relays =
        (struct tsc_relays){.shim = shim, .list = list, .sweep = {.fire = connection_sweep, .data = relays}};
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
