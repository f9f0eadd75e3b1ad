/* Carries netlink messages to the kernel and answers back; what they mean, TypeScript knows. */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cleanup.h"
#include "error.h"
#include "fd.h"
#include "loopback.h"

#ifndef NETLINK_CAP_ACK
#define NETLINK_CAP_ACK 10
#endif
#ifndef NETLINK_EXT_ACK
#define NETLINK_EXT_ACK 11
#endif

#define ATTRIBUTE_HEADER sizeof(struct nlattr)

/* One datagram of answers; the kernel fills at most 32 KiB at a time. */
#define DATAGRAM_SIZE (64U * 1024U)
/* The kernel answers while the request is being sent; only a broken one is ever waited for. */
#define PATIENCE_SECONDS 10

struct exchange {
    const uint8_t *request;
    size_t request_length;
    uint8_t *reply;
    size_t capacity;
    size_t reply_length; /* may exceed the capacity: what would have been needed */
    unsigned pending;
    int error; /* the first refusal, as -errno */
    uint32_t failed_seq;
    char message[256]; /* the kernel's own words about it */
};

static const struct nlmsghdr *message_at(const uint8_t *bytes, size_t length, size_t offset) {
    const struct nlmsghdr *header = (const void *)(bytes + offset);
    if (offset + sizeof(*header) > length || header->nlmsg_len < sizeof(*header) ||
        header->nlmsg_len > length - offset)
        return NULL;
    return header;
}

static bool wants_answer(const struct nlmsghdr *header) {
    return (header->nlmsg_flags & NLM_F_ACK) || (header->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

static int count_pending(struct exchange *exchange) {
    const struct nlmsghdr *header;
    size_t offset = 0;
    while ((header = message_at(exchange->request, exchange->request_length, offset))) {
        if (wants_answer(header))
            exchange->pending++;
        offset += NLMSG_ALIGN(header->nlmsg_len);
    }
    return offset < exchange->request_length ? -EINVAL : 0;
}

static int enter_namespace(const char *path) {
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDONLY, 0);
    if (fd < 0)
        return fd;
    return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

static int open_socket(int protocol) {
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    return fd < 0 ? -errno : fd;
}

/* A socket keeps the namespace that it was made in, so the thread is away for this one call only. */
static int open_socket_in(const char *netns, int protocol) {
    tsc_auto_fd int home = tsc_fd_open("/proc/thread-self/ns/net", O_RDONLY, 0);
    int r;

    if (home < 0)
        return home;
    r = enter_namespace(netns);
    if (r < 0)
        return r;
    r = open_socket(protocol);
    /* A thread that is left in a container's network would serve the wrong one from now on. */
    if (setns(home, CLONE_NEWNET) < 0)
        abort();
    return r;
}

/* The thread is away for this one call only, as above. */
static int make_namespace(void) {
    tsc_auto_fd int home = tsc_fd_open("/proc/thread-self/ns/net", O_RDONLY, 0);
    int r;

    if (home < 0)
        return home;
    if (unshare(CLONE_NEWNET) < 0)
        return -errno;
    tsc_auto_fd int made = tsc_fd_open("/proc/thread-self/ns/net", O_RDONLY, 0);
    r = made < 0 ? made : tsc_loopback_up();
    if (setns(home, CLONE_NEWNET) < 0)
        abort();
    return r < 0 ? r : tsc_take_fd(&made);
}

int tsc_network_namespace(int32_t *ret_fd, struct tsc_error *reterr) {
    int fd = make_namespace();
    if (fd < 0)
        return tsc_fail(reterr, fd, "make network namespace", "");
    *ret_fd = fd;
    return 0;
}

/* Room for the answers to a long batch; without the privilege the limits of the system hold. */
static void set_buffer(int fd, int forced, int plain, size_t wanted) {
    int size = (int)wanted;
    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

static int configure(int fd, size_t length) {
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    const int on = 1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        return -errno;
    if (setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on)) < 0)
        return -errno;
    if (setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on)) < 0)
        return -errno;
    if (length > 4096) {
        set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, length * 16 + 1024 * 1024);
        set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, length * 2 + 64 * 1024);
    }
    return 0;
}

static int send_request(int fd, const struct exchange *exchange) {
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent;
    do
        sent =
            sendto(fd, exchange->request, exchange->request_length, 0, (const void *)&kernel, sizeof(kernel));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

static void copy_message(struct exchange *exchange, const struct nlmsghdr *answer) {
    const struct nlattr *attribute;
    size_t offset = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof(struct nlmsgerr));
    if (!(answer->nlmsg_flags & NLM_F_ACK_TLVS) || !(answer->nlmsg_flags & NLM_F_CAPPED))
        return;
    for (; offset + ATTRIBUTE_HEADER <= answer->nlmsg_len; offset += NLMSG_ALIGN(attribute->nla_len)) {
        attribute = (const void *)((const uint8_t *)answer + offset);
        if (attribute->nla_len < ATTRIBUTE_HEADER || attribute->nla_len > answer->nlmsg_len - offset)
            return;
        if ((attribute->nla_type & NLA_TYPE_MASK) != NLMSGERR_ATTR_MSG)
            continue;
        const char *text = (const char *)attribute + ATTRIBUTE_HEADER;
        size_t length = strnlen(text, attribute->nla_len - ATTRIBUTE_HEADER);
        if (length >= sizeof(exchange->message))
            length = sizeof(exchange->message) - 1;
        memcpy(exchange->message, text, length);
        exchange->message[length] = '\0';
    }
}

static void note_verdict(struct exchange *exchange, const struct nlmsghdr *answer) {
    const struct nlmsgerr *verdict = NLMSG_DATA(answer);
    if (answer->nlmsg_len < NLMSG_LENGTH(sizeof(verdict->error)))
        return;
    if (verdict->error == 0) {
        exchange->pending -= exchange->pending > 0;
        return;
    }
    if (exchange->error == 0) {
        exchange->error = verdict->error;
        exchange->failed_seq = answer->nlmsg_seq;
        copy_message(exchange, answer);
    }
}

/* A dump ends with NLMSG_DONE, which carries the error that broke it off. */
static void note_done(struct exchange *exchange, const struct nlmsghdr *answer) {
    int32_t error = 0;
    if (answer->nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
        memcpy(&error, NLMSG_DATA(answer), sizeof(error));
    if (error < 0 && exchange->error == 0) {
        exchange->error = error;
        exchange->failed_seq = answer->nlmsg_seq;
    }
    exchange->pending -= exchange->pending > 0;
}

static void keep(struct exchange *exchange, const struct nlmsghdr *answer) {
    size_t length = NLMSG_ALIGN(answer->nlmsg_len);
    if (exchange->reply_length + length <= exchange->capacity)
        memcpy(exchange->reply + exchange->reply_length, answer, length);
    exchange->reply_length += length;
}

static void take_datagram(struct exchange *exchange, const uint8_t *bytes, size_t length) {
    const struct nlmsghdr *answer;
    for (size_t offset = 0; (answer = message_at(bytes, length, offset));
         offset += NLMSG_ALIGN(answer->nlmsg_len)) {
        if (answer->nlmsg_type == NLMSG_ERROR)
            note_verdict(exchange, answer);
        else if (answer->nlmsg_type == NLMSG_DONE)
            note_done(exchange, answer);
        else if (answer->nlmsg_type != NLMSG_NOOP)
            keep(exchange, answer);
    }
}

static int receive_answers(int fd, struct exchange *exchange) {
    tsc_auto_free uint8_t *bytes = malloc(DATAGRAM_SIZE);
    if (!bytes)
        return -ENOMEM;
    while (exchange->pending > 0) {
        /* After a refusal the kernel may have given up the rest of the batch: only what lies ready counts. */
        ssize_t length = recv(fd, bytes, DATAGRAM_SIZE, exchange->error != 0 ? MSG_DONTWAIT : 0);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0 && exchange->error != 0)
            return 0;
        if (length < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        take_datagram(exchange, bytes, (size_t)length);
    }
    return 0;
}

static int run_exchange(int fd, struct exchange *exchange) {
    int r = configure(fd, exchange->request_length);
    if (r < 0)
        return r;
    r = send_request(fd, exchange);
    return r < 0 ? r : receive_answers(fd, exchange);
}

int tsc_netlink(int32_t protocol, const char *netns, const uint8_t *request, size_t length, uint8_t *reply,
                size_t capacity, size_t *ret_length, uint32_t *ret_failed_seq, struct tsc_error *reterr) {
    struct exchange exchange = {
        .request = request, .request_length = length, .reply = reply, .capacity = capacity};
    int r = count_pending(&exchange);
    if (r < 0)
        return tsc_fail(reterr, r, "send netlink request", "malformed batch");
    tsc_auto_fd int fd = netns ? open_socket_in(netns, protocol) : open_socket(protocol);
    if (fd < 0)
        return tsc_fail(reterr, fd, "open netlink socket", netns);
    r = run_exchange(fd, &exchange);
    if (r < 0)
        return tsc_fail(reterr, r, "exchange netlink messages", netns);
    *ret_length = exchange.reply_length;
    if (exchange.error != 0) {
        *ret_failed_seq = exchange.failed_seq;
        return tsc_fail(reterr, exchange.error, "change network", exchange.message);
    }
    if (exchange.reply_length > capacity)
        return tsc_fail(reterr, -EMSGSIZE, "receive netlink answer", netns);
    return 0;
}
