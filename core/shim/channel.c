/* Datagrams between the shim and the processes that it makes. */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
};

int tsc_channel_open(int ret_fds[2]) {
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0 ? -errno : 0;
}

int tsc_channel_send(int channel, const struct tsc_message *message, int fd) {
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message)};
    union control control = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof(control.bytes);
        struct cmsghdr *first = CMSG_FIRSTHDR(&header);
        first->cmsg_level = SOL_SOCKET;
        first->cmsg_type = SCM_RIGHTS;
        first->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(first), &fd, sizeof(int));
    }
    ssize_t count;
    do
        count = sendmsg(channel, &header, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : 0;
}

int tsc_channel_receive(int channel, struct tsc_message *ret, int *ret_fd) {
    struct iovec part = {.iov_base = ret, .iov_len = sizeof(*ret)};
    union control control = {0};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    ssize_t count;
    do
        count = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    int fd = -1;
    struct cmsghdr *first = count >= 0 ? CMSG_FIRSTHDR(&header) : NULL;
    if (first && first->cmsg_level == SOL_SOCKET && first->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(first), sizeof(int));
    if (fd >= 0 && !ret_fd)
        close(fd);
    if (ret_fd)
        *ret_fd = fd;
    /* The container may have written it. */
    ret->error.step[sizeof(ret->error.step) - 1] = ret->error.path[sizeof(ret->error.path) - 1] = '\0';
    if (count < 0)
        return errno == ECONNRESET ? 0 : -errno;
    return count == 0 ? 0 : count == (ssize_t)sizeof(*ret) ? 1 : -EBADMSG;
}
