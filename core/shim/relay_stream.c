/*
 * Streams through published ports. Bytes go from one socket to the other through pipes with splice(2); an idle connection
 * holds no pipe.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "relay_parts.h"

enum {
    CONNECTIONS_MAX = 4096,
    SPLICE_BYTES = 1 << 20,
    NARROW_BYTES = 64 << 10, /* what a pipe takes that nobody made wider */
    RETRY_MS = 100,
};

static const struct tsc_pipe no_pipe = {.ends = {-1, -1}};

enum side { OUTSIDE, INSIDE, SIDES };

/* What flows from one side to the other. */
struct flow {
    struct tsc_pipe pipe;
    size_t held; /* bytes in the pipe */
    bool ended;  /* the sender said so */
    bool done;   /* and the receiver was told */
};

struct tsc_connection {
    struct tsc_relay *relay;
    struct end {
        struct tsc_connection *connection;
        struct tsc_source source;
    } ends[SIDES];
    struct flow flows[SIDES]; /* by the side that sends */
    bool connected;
    bool dead;
    struct tsc_connection *next;
};

static bool pipe_take(struct tsc_relays *relays, struct tsc_pipe *pipe) {
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
static void pipe_give(struct tsc_relays *relays, struct tsc_pipe *pipe, bool empty) {
    if (pipe->ends[0] < 0)
        return;
    if (empty && relays->pool_count < TSC_PIPES_KEPT) {
        relays->pool[relays->pool_count++] = *pipe;
    } else {
        close(pipe->ends[0]);
        close(pipe->ends[1]);
    }
    *pipe = no_pipe;
}

void tsc_relay_stream_sweep(void *data) {
    struct tsc_relays *relays = data;
    for (struct tsc_connection **at = &relays->connections; *at;) {
        struct tsc_connection *connection = *at;
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

static void connection_close(struct tsc_connection *connection, bool broken) {
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
static void connection_watch(struct tsc_connection *connection) {
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
static void pipe_widen(struct tsc_pipe *pipe) {
    pipe->wide = true;
    fcntl(pipe->ends[1], F_SETPIPE_SZ, SPLICE_BYTES);
}

/* -errno when the connection is broken. */
static int flow_fill(struct tsc_connection *connection, enum side side) {
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

static int flow_drain(struct tsc_connection *connection, enum side side) {
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

static int flow_move(struct tsc_connection *connection, enum side side) {
    int error = flow_fill(connection, side);
    return error < 0 ? error : flow_drain(connection, side);
}

static int finish_connect(struct tsc_connection *connection) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(connection->ends[INSIDE].source.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    connection->connected = error == 0;
    return -error;
}

static void end_ready(void *data, uint32_t events) {
    struct end *end = data;
    struct tsc_connection *connection = end->connection;
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
static void connection_open(struct tsc_relay *relay, int outside) {
    struct tsc_relays *relays = relay->relays;
    int protocol = relay->protocol == IPPROTO_TCP ? 0 : relay->protocol;
    int inside = socket(relay->target.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    struct tsc_connection *connection = inside < 0 ? NULL : calloc(1, sizeof(*connection));
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
    *connection = (struct tsc_connection){.relay = relay, .next = relays->connections};
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

void tsc_relay_stream_again(void *data) {
    struct tsc_relay *relay = data;
    tsc_loop_watch(&relay->relays->shim->loop, &relay->source, EPOLLIN);
}

void tsc_relay_stream_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_relay *relay = data;
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
