/* The namespaces that belong to the shim: user and network, which outlive a restart of the container. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "loopback.h"
#include "supervise.h"
#include "syscalls.h"

static int find_slot(const struct tsc_run_options *options, const char *name) {
    for (size_t i = 0; i < options->slot_count; i++)
        if (strcmp(options->slots[i].name, name) == 0)
            return options->slots[i].fd;
    return -1;
}

static int join_all(struct tsc_shim *shim, struct tsc_error *reterr) {
    struct tsc_namespaces *namespaces = &shim->namespaces;
    const char *name = tsc_step_name(TSC_STEP_JOIN_NAMESPACE);
    tsc_program_each(&shim->program, TSC_STEP_JOIN_NAMESPACE, step) {
        unsigned flag = (unsigned)tsc_step_integer(step, 0);
        int fd = find_slot(shim->options, tsc_step_text(step, 1));
        if (fd < 0)
            return tsc_fail(reterr, -EBADF, name, tsc_step_text(step, 1));
        if (flag == CLONE_NEWNET) {
            if (setns(fd, CLONE_NEWNET) < 0)
                return tsc_fail(reterr, -errno, name, tsc_step_text(step, 1));
            namespaces->own_network = true;
            continue;
        }
        namespaces->all |= flag;
        if (flag == CLONE_NEWUSER)
            namespaces->user = fd;
        else if (namespaces->join_count < TSC_JOINS_MAX)
            namespaces->joins[namespaces->join_count++] = (struct tsc_join){flag, fd};
        else
            return tsc_fail(reterr, -E2BIG, name, tsc_step_text(step, 1));
    }
    return 0;
}

static int write_map(struct tsc_shim *shim, pid_t pid, uint32_t op, const char *file,
                     struct tsc_error *reterr) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
    int error = tsc_fault_of(&shim->options->fault, op, reterr);
    tsc_program_each(&shim->program, op, step) {
        if (error == 0)
            error = tsc_file_write(AT_FDCWD, path, tsc_step_text(step, 0));
        if (error < 0)
            return tsc_fail(reterr, error, tsc_step_name(op), tsc_step_text(step, 0));
    }
    return error;
}

static int open_namespace(pid_t pid, const char *name) {
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
    return tsc_fd_open(path, O_RDONLY, 0);
}

/* The one that the caller has made already, and may be setting up, or a new one. */
static int take_network(const struct tsc_shim *shim) {
    tsc_auto_fd int made = find_slot(shim->options, "own-network");
    if (made >= 0)
        return setns(made, CLONE_NEWNET) < 0 ? -errno : 0;
    return unshare(CLONE_NEWNET) < 0 ? -errno : tsc_loopback_up();
}

/* The network namespace has to belong to the user namespace, so both are born together, in a process that only
 * exists for that; the shim keeps the one and moves into the other. */
static int adopt_namespaces(struct tsc_shim *shim, pid_t pid, bool network, struct tsc_error *reterr) {
    int error = write_map(shim, pid, TSC_STEP_UID_MAP, "uid_map", reterr);
    if (error == 0)
        error = write_map(shim, pid, TSC_STEP_GID_MAP, "gid_map", reterr);
    if (error < 0)
        return error;
    tsc_auto_fd int user = open_namespace(pid, "user");
    if (user < 0)
        return tsc_fail(reterr, user, "open", "user namespace");
    tsc_auto_fd int net = network ? open_namespace(pid, "net") : -1;
    if (network && (net < 0 || setns(net, CLONE_NEWNET) < 0))
        return tsc_fail(reterr, net < 0 ? net : -errno, tsc_step_name(TSC_STEP_NAMESPACES), "net");
    error = network ? tsc_loopback_up() : 0;
    if (error < 0)
        return tsc_fail(reterr, error, "bring up", "lo");
    shim->namespaces.user = tsc_take_fd(&user);
    return 0;
}

static int make_user_namespace(struct tsc_shim *shim, bool network, struct tsc_error *reterr) {
    unsigned long flags = CLONE_NEWUSER | (network ? CLONE_NEWNET : 0);
    pid_t pid = (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        for (;;)
            pause();
    }
    if (pid < 0)
        return tsc_fail(reterr, -errno, tsc_step_name(TSC_STEP_NAMESPACES), "user");
    int error = adopt_namespaces(shim, pid, network, reterr);
    int status;
    kill(pid, SIGKILL);
    tsc_wait(pid, &status);
    return error;
}

int tsc_prepare_namespaces(struct tsc_shim *shim, struct tsc_error *reterr) {
    struct tsc_namespaces *namespaces = &shim->namespaces;
    const char *name = tsc_step_name(TSC_STEP_NAMESPACES);
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_NAMESPACES, NULL);
    unsigned flags = step ? (unsigned)tsc_step_integer(step, 0) : 0;
    bool network = flags & CLONE_NEWNET;
    namespaces->user = -1;
    namespaces->unshare = flags & ~(unsigned)(CLONE_NEWUSER | CLONE_NEWNET);
    namespaces->all = flags & ~(unsigned)CLONE_NEWNET;
    int error = join_all(shim, reterr);
    if (error < 0)
        return error;
    if (flags & CLONE_NEWUSER)
        error = make_user_namespace(shim, network, reterr);
    else if (network && (error = take_network(shim)) < 0)
        return tsc_fail(reterr, error, name, "net");
    if (error < 0)
        return error;
    namespaces->own_network = namespaces->own_network || network;
    namespaces->made_network = network;
    return 0;
}
