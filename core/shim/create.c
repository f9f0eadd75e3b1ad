/* A launch without supervisor: the first process waits at a socket, and belongs to the nearest subreaper afterwards. */
#include "create.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "exec.h"
#include "fd.h"
#include "hook.h"
#include "syscalls.h"

/* --- what the caller is told --- */

static int report(int fd, struct tsc_text *text) {
    int error = text->failed ? -ENOMEM : tsc_fd_write_full(fd, text->bytes, text->size);
    tsc_text_free(text);
    return error;
}

int tsc_report_process(int fd, pid_t pid) {
    struct tsc_text text = {0};
    uint64_t start = 0;
    tsc_process_start(pid, &start);
    tsc_text_format(&text, "{\"pid\":%d,\"start\":%" PRIu64 "}\n", (int)pid, start);
    return report(fd, &text);
}

static void add_string(struct tsc_text *text, const char *key, const char *value) {
    tsc_text_format(text, ",\"%s\":", key);
    tsc_text_json(text, value, strlen(value));
}

int tsc_report_error(int fd, const struct tsc_error *error) {
    struct tsc_text text = {0};
    tsc_text_format(&text, "{\"errno\":%d", error->code);
    add_string(&text, "step", error->step);
    add_string(&text, "path", error->path);
    add_string(&text, "message", strerror(error->code));
    tsc_text_string(&text, "}\n");
    return report(fd, &text);
}

/* --- sockets --- */

/* A path that is too long for an address is reached through the descriptor of its directory. */
static int address_of(const char *path, struct sockaddr_un *ret, int *ret_directory) {
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) < sizeof(ret->sun_path)) {
        strcpy(ret->sun_path, path);
        return 0;
    }
    const char *name = strrchr(path, '/');
    tsc_auto_free char *directory = name ? strndup(path, (size_t)(name - path)) : NULL;
    if (!directory)
        return -ENAMETOOLONG;
    int fd = tsc_fd_open(directory, O_PATH | O_DIRECTORY, 0);
    if (fd < 0)
        return fd;
    *ret_directory = fd;
    int length = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d%s", fd, name);
    return length < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

static int connect_to(const char *path, int type) {
    struct sockaddr_un address;
    tsc_auto_fd int directory = -1;
    int error = address_of(path, &address, &directory);
    if (error < 0)
        return error;
    tsc_auto_fd int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return tsc_take_fd(&fd);
}

static int listen_at(const char *path) {
    struct sockaddr_un address;
    tsc_auto_fd int directory = -1;
    int error = address_of(path, &address, &directory);
    if (error < 0)
        return error;
    tsc_auto_fd int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* Not for the container's user, whoever that is. */
    mode_t before = umask(077);
    error = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0 ? -errno : 0;
    umask(before);
    return error < 0 ? error : tsc_take_fd(&fd);
}

int tsc_console_send(const char *path, int master, struct tsc_error *reterr) {
    static const char name[] = "/dev/ptmx";
    tsc_auto_fd int fd = connect_to(path, SOCK_STREAM);
    if (fd < 0)
        return tsc_fail(reterr, fd, "console socket", path);
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)name, .iov_len = sizeof(name) - 1};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(first), &master, sizeof(int));
    return sendmsg(fd, &header, MSG_NOSIGNAL) < 0 ? tsc_fail(reterr, -errno, "console socket", path) : 0;
}

/* --- create --- */

struct creation {
    const struct tsc_create_options *options;
    struct tsc_shim shim; /* only its program, cgroups and namespaces */
    struct tsc_process process;
    int host_network;
    int gate;
    int master;
};

static int prepare(struct creation *creation, struct tsc_error *reterr) {
    const struct tsc_create_options *options = creation->options;
    if (options->keyring)
        syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING,
                options->keyring); /* a kernel without keys has none to leak */
    creation->host_network = tsc_fd_open("/proc/self/ns/net", O_RDONLY, 0);
    int error = creation->gate = listen_at(options->gate);
    if (error < 0)
        return tsc_fail(reterr, error, "gate", options->gate);
    error = tsc_program_load(options->run.program, &creation->shim.program, reterr);
    if (error == 0)
        error =
            tsc_cgroup_prepare(&creation->shim.cgroups, &creation->shim.program, &options->run.fault, reterr);
    return error < 0 ? error : tsc_prepare_namespaces(&creation->shim, reterr);
}

static int enter(struct creation *creation, struct tsc_error *reterr) {
    const struct tsc_namespaces *namespaces = &creation->shim.namespaces;
    bool terminal = tsc_program_find(&creation->shim.program, TSC_STEP_TERMINAL, NULL) != NULL;
    struct tsc_launch launch = {
        .program = &creation->shim.program,
        .mode = TSC_MODE_FIRST,
        .fault = creation->options->run.fault,
        .exec = tsc_program_find(&creation->shim.program, TSC_STEP_EXEC, NULL),
        .gated = true,
        .gate = creation->gate,
        .first_kept = 3,
        .kept_count = creation->options->kept,
        .user_namespace = namespaces->user >= 0,
        .private_pids = namespaces->unshare & CLONE_NEWPID,
        .self = -1,
        .root = -1,
    };
    if (!launch.exec)
        return tsc_fail(reterr, -EINVAL, tsc_step_name(TSC_STEP_EXEC), "");
    struct tsc_entry entry = {
        .launch = &launch,
        .pidfd = -1,
        .join_count = namespaces->join_count,
        .user_namespace = namespaces->user,
        .unshare = namespaces->unshare,
    };
    memcpy(entry.joins, namespaces->joins, sizeof(entry.joins));
    for (int i = 0; i < 3; i++)
        entry.standard[i] = terminal ? -1 : i;
    return tsc_enter(&entry, &creation->process, reterr);
}

static int run_hooks(const struct creation *creation, struct tsc_error *reterr) {
    struct tsc_hook_state state = {.program = &creation->shim.program,
                                   .status = "creating",
                                   .pid = creation->process.pid,
                                   .network = creation->host_network};
    int error = tsc_hooks_run(TSC_HOOK_CREATE_RUNTIME, &state, reterr);
    if (error < 0)
        return error;
    error = tsc_channel_send(creation->process.channel, &(struct tsc_message){.kind = TSC_SYNC_GO}, -1);
    return error < 0 ? tsc_fail(reterr, error, "launch", "") : 0;
}

static int take_terminal(struct creation *creation, int master, struct tsc_error *reterr) {
    if (!creation->options->console) {
        creation->master = master;
        return 0;
    }
    int error = tsc_console_send(creation->options->console, master, reterr);
    close(master);
    return error;
}

static int await_ready(struct creation *creation, struct tsc_error *reterr) {
    for (int error = 0; error == 0;) {
        struct tsc_message message;
        int fd = -1;
        int got = tsc_channel_receive(creation->process.channel, &message, &fd);
        if (got <= 0)
            return tsc_fail(reterr, got < 0 ? got : -ECHILD, "launch", "");
        if (message.kind == TSC_SYNC_READY)
            return 0;
        if (message.kind == TSC_SYNC_FAILED)
            *reterr = message.error;
        error = message.kind == TSC_SYNC_FAILED                ? -message.value
                : message.kind == TSC_SYNC_HOOKS               ? run_hooks(creation, reterr)
                : message.kind == TSC_SYNC_TERMINAL && fd >= 0 ? take_terminal(creation, fd, reterr)
                                                               : tsc_fail(reterr, -EPROTO, "launch", "");
        if (error < 0)
            return error;
    }
    return 0;
}

static void undo(struct creation *creation) {
    int status;
    if (creation->process.pidfd >= 0) {
        tsc_sys_pidfd_send_signal(creation->process.pidfd, SIGKILL, NULL, 0);
        tsc_wait(creation->process.pid, &status);
    }
    if (creation->gate >= 0)
        unlink(creation->options->gate);
    tsc_cgroup_remove(&creation->shim.cgroups);
}

/* Who waits for us ends when we leave: the report comes last. */
static int leave(const struct creation *creation, struct tsc_error *reterr) {
    int error = tsc_report_process(creation->options->report, creation->process.pid);
    return error < 0 ? tsc_fail(reterr, error, "report", "") : 0;
}

static int run_to_end(struct creation *creation, struct tsc_error *reterr) {
    close(creation->process.channel);
    creation->process.channel = connect_to(creation->options->gate, SOCK_SEQPACKET);
    if (creation->process.channel < 0)
        return tsc_fail(reterr, creation->process.channel, "gate", creation->options->gate);
    unlink(creation->options->gate);
    return tsc_exec_relay(&creation->process, creation->master, creation->options->report, reterr);
}

int tsc_create(const struct tsc_create_options *options, struct tsc_error *reterr) {
    tsc_auto_free struct creation *creation = calloc(1, sizeof(*creation));
    if (!creation)
        return tsc_fail(reterr, -ENOMEM, "create", "");
    *creation = (struct creation){.options = options,
                                  .shim = {.options = &options->run},
                                  .process = {.pidfd = -1, .channel = -1},
                                  .gate = -1,
                                  .master = -1};
    int error = prepare(creation, reterr);
    if (error == 0)
        error = enter(creation, reterr);
    if (error == 0)
        error = await_ready(creation, reterr);
    if (error == 0)
        error = tsc_network_sysctls(&creation->shim.program, creation->shim.namespaces.own_network, reterr);
    if (error == 0)
        error = options->start ? run_to_end(creation, reterr) : leave(creation, reterr);
    if (error < 0)
        undo(creation);
    return error;
}

/* --- start --- */

int tsc_start(const char *gate, struct tsc_error *reterr) {
    tsc_auto_fd int channel = connect_to(gate, SOCK_SEQPACKET);
    if (channel < 0)
        return tsc_fail(reterr, channel, "gate", gate);
    struct tsc_message message;
    int got = tsc_channel_receive(channel, &message, NULL);
    if (got < 0)
        return tsc_fail(reterr, got, "gate", gate);
    if (got == 1 && message.kind == TSC_SYNC_FAILED) {
        *reterr = message.error;
        return -message.value;
    }
    return 0;
}
