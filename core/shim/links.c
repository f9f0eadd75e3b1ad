/* rtnetlink, as little of it as the end of a container takes. */
#include "links.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"

enum {
    GROUP = 0x74736365, /* ours, in a namespace that is ours too */
    LINKS_MAX = 64,
    ANSWER_SIZE = 32 << 10,
    PATIENCE_SECONDS = 2,
};

struct request {
    struct nlmsghdr header;
    struct ifinfomsg link;
    struct rtattr group_header;
    uint32_t group;
};

static int ask(int fd, uint16_t type, uint16_t flags, int index) {
    struct request request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = type,
                   .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags)},
        .link = {.ifi_index = index},
        .group_header = {.rta_len = RTA_LENGTH(sizeof(uint32_t)), .rta_type = IFLA_GROUP},
        .group = GROUP,
    };
    if (flags & NLM_F_DUMP)
        request.header.nlmsg_len = NLMSG_LENGTH(sizeof(request.link));
    return send(fd, &request, request.header.nlmsg_len, 0) < 0 ? -errno : 0;
}

/* Hardware that was moved here has no kind: it cannot be deleted, and goes home by itself. */
static bool was_made(const struct nlmsghdr *answer) {
    const struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(answer));
    size_t left = IFLA_PAYLOAD(answer);
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
        if ((attribute->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO)
            return true;
    return false;
}

struct found {
    int indices[LINKS_MAX];
    size_t count;
    bool done;
};

static void take_answers(const char *bytes, size_t size, struct found *found) {
    const struct nlmsghdr *answer = (const void *)bytes;
    for (; NLMSG_OK(answer, size); answer = NLMSG_NEXT(answer, size)) {
        const struct ifinfomsg *link = NLMSG_DATA(answer);
        if (answer->nlmsg_type == NLMSG_DONE || answer->nlmsg_type == NLMSG_ERROR)
            found->done = true;
        else if (answer->nlmsg_type == RTM_NEWLINK && was_made(answer) && found->count < LINKS_MAX)
            found->indices[found->count++] = link->ifi_index;
    }
}

static int find(int fd, struct found *found) {
    _Alignas(struct nlmsghdr) char bytes[ANSWER_SIZE];
    int error = ask(fd, RTM_GETLINK, NLM_F_DUMP, 0);
    while (error == 0 && !found->done) {
        ssize_t size = tsc_fd_read(fd, bytes, sizeof(bytes));
        if (size <= 0)
            return size < 0 ? (int)size : -EPIPE;
        take_answers(bytes, (size_t)size, found);
    }
    return error;
}

/* `TCP: inuse 3 …`: of this network namespace. */
static bool has_connections(const char *path, const char *format) {
    char text[1024];
    int count = 0;
    tsc_auto_fd int fd = tsc_fd_open(path, O_RDONLY, 0);
    ssize_t size = fd < 0 ? fd : tsc_fd_read(fd, text, sizeof(text) - 1);
    if (size <= 0)
        return false;
    text[size] = '\0';
    const char *line = strstr(text, "TCP");
    return line && sscanf(line, format, &count) == 1 && count > 0;
}

static void remove_all(void) {
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    const struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    struct found found = {0};
    tsc_auto_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || connect(fd, (const void *)&kernel, sizeof(kernel)) < 0)
        return;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (find(fd, &found) < 0 || found.count == 0)
        return;
    for (size_t i = 0; i < found.count; i++)
        (void)ask(fd, RTM_SETLINK, 0, found.indices[i]);
    /* All at the price of one: the kernel waits for its readers once. */
    (void)ask(fd, RTM_DELLINK, 0, 0);
}

void tsc_links_remove(void) {
    if (has_connections("/proc/self/net/sockstat", "TCP: inuse %d") ||
        has_connections("/proc/self/net/sockstat6", "TCP6: inuse %d"))
        remove_all();
}
