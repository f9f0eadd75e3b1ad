/*
 * The way to journald or to a syslog daemon. A receiver that takes nothing holds up the container, never the shim; one
 * that went away is called again each second, and gets what was kept for him meanwhile.
 */
#include "log_receiver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"

enum {
    FULL_BYTES = 256 << 10,
    FIRST_CALL_S = 5,
    CALL_AGAIN_MS = 1000,
    LINGER_MS = 5000,
};

static bool is_internet(const struct tsc_receiver *receiver) {
    return receiver->address.any.sa_family != AF_UNIX;
}

static bool parse(struct tsc_receiver *receiver, const char *destination) {
    char copy[sizeof(receiver->address.un.sun_path) + 16];
    snprintf(copy, sizeof(copy), "%s", destination);
    char *rest = copy;
    const char *kind = strsep(&rest, " ");
    bool datagrams = strcmp(kind, "udp") == 0 || strcmp(kind, "unixgram") == 0;
    receiver->type = datagrams ? SOCK_DGRAM : SOCK_STREAM;
    if (!rest || strlen(destination) >= sizeof(copy))
        return false;
    if (strncmp(kind, "unix", 4) == 0) {
        receiver->address.un.sun_family = AF_UNIX;
        snprintf(receiver->address.un.sun_path, sizeof(receiver->address.un.sun_path), "%s", rest);
        receiver->address_size = sizeof(receiver->address.un);
        return true;
    }
    const char *host = strsep(&rest, " ");
    in_port_t port = htons((uint16_t)(rest ? atoi(rest) : 0));
    receiver->address.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = port};
    receiver->address_size = sizeof(receiver->address.in);
    if (inet_pton(AF_INET, host, &receiver->address.in.sin_addr) == 1)
        return true;
    receiver->address.in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
    receiver->address_size = sizeof(receiver->address.in6);
    return inet_pton(AF_INET6, host, &receiver->address.in6.sin6_addr) == 1;
}

/* --- being connected --- */

static void advance(struct tsc_receiver *receiver);

static void lose(struct tsc_receiver *receiver, int64_t delay_ms) {
    receiver->connected = false;
    receiver->sent = 0;
    tsc_loop_forget(receiver->loop, &receiver->source);
    tsc_timer_set(receiver->loop, &receiver->retry, delay_ms);
    receiver->relieved(receiver->data);
}

/* A connection that was begun, or the answer to one. */
static void settle(struct tsc_receiver *receiver, int error) {
    if (error == -EINPROGRESS)
        tsc_loop_watch(receiver->loop, &receiver->source, EPOLLOUT);
    else if (error < 0)
        lose(receiver, CALL_AGAIN_MS);
    else
        receiver->connected = true;
    if (receiver->connected)
        advance(receiver);
}

static void call_again(void *data) {
    struct tsc_receiver *receiver = data;
    tsc_loop_forget(receiver->loop, &receiver->source);
    if (is_internet(receiver)) {
        /* The same socket: another one would belong to the container's network. */
        struct sockaddr nobody = {.sa_family = AF_UNSPEC};
        connect(receiver->source.fd, &nobody, sizeof(nobody));
    } else {
        close(receiver->source.fd);
        receiver->source.fd = socket(AF_UNIX, receiver->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    int error = connect(receiver->source.fd, &receiver->address.any, receiver->address_size) < 0 ? -errno : 0;
    settle(receiver, error);
}

static void receiver_ready(void *data, uint32_t events) {
    struct tsc_receiver *receiver = data;
    char bytes[256];
    if (!receiver->connected) {
        int error = 0;
        socklen_t size = sizeof(error);
        getsockopt(receiver->source.fd, SOL_SOCKET, SO_ERROR, &error, &size);
        settle(receiver, -error);
        return;
    }
    if (receiver->type == SOCK_STREAM && events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        ssize_t count = recv(receiver->source.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
            lose(receiver, 0);
            return;
        }
    }
    advance(receiver);
}

/* --- sending --- */

static uint32_t first_length(const struct tsc_receiver *receiver) {
    uint32_t length;
    memcpy(&length, receiver->queue.bytes + receiver->queue.start, sizeof(length));
    return length;
}

/* What one message did: 1 it has left, 0 it has to wait, or -errno. */
static int send_first(struct tsc_receiver *receiver) {
    uint32_t length = first_length(receiver);
    const char *bytes = receiver->queue.bytes + receiver->queue.start + sizeof(length);
    ssize_t count = send(receiver->source.fd, bytes + receiver->sent, length - receiver->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR)
        return 1;
    if (count < 0 && (errno == EAGAIN || errno == ENOBUFS))
        return 0;
    bool undeliverable = errno == EMSGSIZE || (is_internet(receiver) && receiver->type == SOCK_DGRAM);
    if (count < 0 && !undeliverable)
        return -errno;
    receiver->sent += count < 0 ? length : (size_t)count;
    if (receiver->sent >= length) {
        tsc_text_consume(&receiver->queue, sizeof(length) + length);
        receiver->sent = 0;
    }
    return 1;
}

static void advance(struct tsc_receiver *receiver) {
    bool full = tsc_receiver_is_full(receiver);
    int result = 1;
    while (result > 0 && tsc_text_length(&receiver->queue) > 0)
        result = send_first(receiver);
    if (result < 0) {
        lose(receiver, 0);
        return;
    }
    uint32_t events = receiver->type == SOCK_STREAM ? EPOLLIN | EPOLLRDHUP : 0;
    if (tsc_text_length(&receiver->queue) > 0)
        events |= EPOLLOUT;
    if (events != 0)
        tsc_loop_watch(receiver->loop, &receiver->source, events);
    else
        tsc_loop_forget(receiver->loop, &receiver->source);
    if (full && !tsc_receiver_is_full(receiver))
        receiver->relieved(receiver->data);
}

bool tsc_receiver_is_full(const struct tsc_receiver *receiver) {
    return receiver->patient && receiver->connected && tsc_text_length(&receiver->queue) >= FULL_BYTES;
}

void tsc_receiver_send(struct tsc_receiver *receiver, const void *bytes, size_t size) {
    bool waits = receiver->patient && receiver->connected;
    size_t held = tsc_text_length(&receiver->queue);
    if (!waits && held > 0 && held + size > receiver->limit)
        return;
    uint32_t length = (uint32_t)size;
    tsc_text_append(&receiver->queue, &length, sizeof(length));
    tsc_text_append(&receiver->queue, bytes, size);
    if (receiver->queue.failed) { /* no memory: better to lose entries than their borders */
        tsc_text_free(&receiver->queue);
        receiver->sent = 0;
    } else if (receiver->connected && !(receiver->source.added && receiver->source.events & EPOLLOUT)) {
        advance(receiver);
    }
}

/* --- beginning and end --- */

int tsc_receiver_open(struct tsc_receiver *receiver, const char *destination) {
    if (!parse(receiver, destination))
        return -EINVAL;
    tsc_auto_fd int fd = socket(receiver->address.any.sa_family, receiver->type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct timeval limit = {.tv_sec = FIRST_CALL_S};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, &receiver->address.any, receiver->address_size) < 0)
        return errno == EINPROGRESS || errno == EAGAIN ? -ETIMEDOUT : -errno;
    tsc_fd_set_nonblocking(fd, true);
    receiver->connected = true;
    receiver->retry = (struct tsc_timer){.fire = call_again, .data = receiver};
    receiver->source = (struct tsc_source){.fd = tsc_take_fd(&fd), .ready = receiver_ready, .data = receiver};
    return 0;
}

void tsc_receiver_close(struct tsc_receiver *receiver) {
    if (receiver->type == 0 || receiver->source.fd < 0)
        return;
    int64_t limit = tsc_now() + LINGER_MS;
    while (receiver->connected && tsc_text_length(&receiver->queue) > 0 && tsc_now() < limit) {
        tsc_fd_poll(receiver->source.fd, POLLOUT, (int)(limit - tsc_now()));
        advance(receiver);
    }
    tsc_timer_clear(receiver->loop, &receiver->retry);
    tsc_loop_close(receiver->loop, &receiver->source);
    tsc_text_free(&receiver->queue);
    receiver->connected = false;
}
