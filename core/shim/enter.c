/* Making a process in a container. */
#include "enter.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "fd.h"
#include "syscalls.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static _Noreturn void die(int channel, int code, const struct tsc_error *error) {
    struct tsc_message message = {.kind = TSC_SYNC_FAILED, .value = -code, .error = *error};
    tsc_channel_send(channel, &message, -1);
    _exit(code == -ENOENT ? 127 : 126);
}

static void take_standard(const struct tsc_entry *entry) {
    tsc_auto_fd int null = tsc_fd_open("/dev/null", O_RDWR, 0);
    for (int i = 0; i < 3; i++)
        if (entry->standard[i] != i)
            dup2(entry->standard[i] >= 0 ? entry->standard[i] : null, i);
}

/* What the shim has open is none of the container's business, not even before exec. */
static void drop_descriptors(const struct tsc_entry *entry) {
    int kept[TSC_JOINS_MAX + 5 + TSC_KEPT_MAX];
    size_t count = 0;
    kept[count++] = entry->launch->gate;
    for (int i = 0; i < entry->launch->kept_count; i++) {
        tsc_fd_set_cloexec(entry->launch->first_kept + i, false);
        kept[count++] = entry->launch->first_kept + i;
    }
    kept[count++] = entry->launch->channel;
    kept[count++] = entry->launch->self;
    kept[count++] = entry->pidfd;
    kept[count++] = entry->user_namespace;
    for (size_t i = 0; i < entry->join_count; i++)
        kept[count++] = entry->joins[i].fd;
    tsc_fd_close_others(kept, count);
}

/*
 * This process has one thread. To move a whole process, the kernel first keeps all others from forking, for which it
 * waits for an RCU grace period of tens of milliseconds; a thread that moves itself needs none of that. In v2 only the
 * clone can spare it: see clone_helper.
 */
static int join_cgroup(const char *directory, struct tsc_error *reterr) {
    const char *const files[] = {"tasks", "cgroup.procs"};
    char path[PATH_MAX];
    int error = -ENOENT;
    for (size_t i = 0; i < TSC_COUNT(files) && error == -ENOENT; i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
        error = tsc_file_write(AT_FDCWD, path, "0");
    }
    return error < 0 ? tsc_fail(reterr, error, tsc_step_name(TSC_STEP_CGROUP_JOIN), path) : 0;
}

static int join_cgroups(const struct tsc_entry *entry, struct tsc_error *reterr) {
    int error = tsc_fault_of(&entry->launch->fault, TSC_STEP_CGROUP_JOIN, reterr);
    tsc_program_each(entry->launch->program, TSC_STEP_CGROUP_JOIN, step) {
        if (error == 0 && step != entry->joined_cgroup)
            error = join_cgroup(tsc_step_text(step, 0), reterr);
    }
    return error < 0 ? tsc_fail_step(reterr, error, tsc_step_name(TSC_STEP_CGROUP_JOIN)) : 0;
}

/* Things that only the host's root may do, and that a new process inherits. */
static int inherit_limits(const struct tsc_launch *launch, struct tsc_error *reterr) {
    int error = 0;
    struct rlimit descriptors;
    if (launch->descriptors > 0 && getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
        descriptors.rlim_cur = (rlim_t)launch->descriptors;
        setrlimit(RLIMIT_NOFILE, &descriptors);
    }
    tsc_program_each(launch->program, TSC_STEP_OOM_SCORE_ADJ, step) {
        error = tsc_fault_of(&launch->fault, TSC_STEP_OOM_SCORE_ADJ, reterr);
        if (error == 0)
            error = tsc_oom_score(launch->proc, step, reterr);
        if (error < 0)
            return tsc_fail_step(reterr, error, tsc_step_name(TSC_STEP_OOM_SCORE_ADJ));
    }
    if (!launch->user_namespace)
        return 0;
    tsc_program_each(launch->program, TSC_STEP_RLIMIT, step) {
        __rlimit_resource_t resource = (__rlimit_resource_t)tsc_step_integer(step, 0);
        struct rlimit limit;
        if (getrlimit(resource, &limit) == 0 && limit.rlim_max < (rlim_t)tsc_step_integer(step, 2)) {
            limit.rlim_max = (rlim_t)tsc_step_integer(step, 2);
            setrlimit(resource, &limit); /* the step itself reports a refusal */
        }
    }
    return 0;
}

static int open_sources(struct tsc_launch *launch, struct tsc_error *reterr) {
    launch->sources = malloc((launch->program->count + 1) * sizeof(int));
    if (!launch->sources)
        return tsc_fail(reterr, -ENOMEM, "open sources", "");
    for (size_t i = 0; i < launch->program->count; i++) {
        const struct tsc_step *step = &launch->program->steps[i];
        const struct tsc_step *before = i > 0 && step[-1].op == TSC_STEP_BIND_IDMAP ? step - 1 : NULL;
        int error = 0;
        launch->sources[i] = -1;
        if (step->op == TSC_STEP_BIND)
            error = tsc_bind_source(step, before, &launch->sources[i], reterr);
        else if (step->op == TSC_STEP_ROOT_OVERLAY && i > 0 && step[-1].op == TSC_STEP_ROOT_IDMAP)
            error = tsc_overlay_source(step, step - 1, &launch->sources[i], reterr);
        else if (step->op == TSC_STEP_ROOT_BIND)
            error = tsc_root_source(step, &launch->sources[i], reterr);
        if (error < 0)
            return tsc_fail_step(reterr, error, tsc_step_name(step->op));
    }
    return 0;
}

static int shift_time(const struct tsc_launch *launch, struct tsc_error *reterr) {
    if (unshare(CLONE_NEWTIME) < 0)
        return tsc_fail(reterr, -errno, tsc_step_name(TSC_STEP_NAMESPACES), "time");
    int error = tsc_fault_of(&launch->fault, TSC_STEP_TIME_OFFSET, reterr);
    tsc_program_each(launch->program, TSC_STEP_TIME_OFFSET, step) {
        char text[80];
        snprintf(text, sizeof(text), "%s %lld %lld", tsc_step_text(step, 0),
                 (long long)tsc_step_integer(step, 1), (long long)tsc_step_integer(step, 2));
        if (error == 0)
            error = tsc_file_write(launch->proc, "self/timens_offsets", text);
        if (error < 0)
            return tsc_fail(reterr, error, tsc_step_name(TSC_STEP_TIME_OFFSET), tsc_step_text(step, 0));
    }
    return error;
}

static int join_namespaces(const struct tsc_entry *entry, struct tsc_error *reterr) {
    const char *name = tsc_step_name(TSC_STEP_JOIN_NAMESPACE);
    int error = tsc_fault_of(&entry->launch->fault, TSC_STEP_JOIN_NAMESPACE, reterr);
    if (error < 0)
        return error;
    for (size_t i = 0; i < entry->join_count; i++)
        if (setns(entry->joins[i].fd, (int)entry->joins[i].flag) < 0)
            return tsc_failf(reterr, -errno, name, "%#x", entry->joins[i].flag);
    if (entry->pidfd >= 0 && entry->pidfd_flags && setns(entry->pidfd, (int)entry->pidfd_flags) < 0)
        return tsc_failf(reterr, -errno, name, "%#x", entry->pidfd_flags);
    if (entry->user_namespace >= 0 && setns(entry->user_namespace, CLONE_NEWUSER) < 0)
        return tsc_fail(reterr, -errno, name, "user");
    return 0;
}

static int make_namespaces(const struct tsc_entry *entry, struct tsc_error *reterr) {
    const char *name = tsc_step_name(TSC_STEP_NAMESPACES);
    int error = tsc_fault_of(&entry->launch->fault, TSC_STEP_NAMESPACES, reterr);
    if (error == 0 && unshare((int)(entry->unshare & ~(unsigned)CLONE_NEWTIME)) < 0)
        return tsc_failf(reterr, -errno, name, "%#x", entry->unshare);
    return error;
}

static int prepare_entry(struct tsc_entry *entry, struct tsc_error *reterr) {
    struct tsc_launch *launch = entry->launch;
    int error = launch->proc = tsc_fd_open("/proc", O_PATH | O_DIRECTORY, 0);
    if (error < 0)
        return tsc_fail(reterr, error, "open", "/proc");
    error = join_cgroups(entry, reterr);
    if (error == 0)
        error = inherit_limits(launch, reterr);
    if (error == 0 && launch->mode == TSC_MODE_FIRST)
        error = open_sources(launch, reterr);
    if (error == 0 && entry->unshare & CLONE_NEWTIME)
        error = shift_time(launch, reterr);
    /* From here on processes of the container may see us; none of them may look into us. */
    if (launch->mode == TSC_MODE_JOIN || !launch->private_pids)
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (error == 0)
        error = join_namespaces(entry, reterr);
    return error < 0 ? error : make_namespaces(entry, reterr);
}

static _Noreturn void enter(struct tsc_entry *entry) {
    struct tsc_launch *launch = entry->launch;
    struct tsc_error error = {0};
    take_standard(entry);
    drop_descriptors(entry);
    int code = prepare_entry(entry, &error);
    if (code == 0 && tsc_settles_first(launch))
        code = tsc_settle(launch, &error);
    if (code < 0)
        die(launch->channel, code, &error);
    /* The new process starts when this one is gone: CLONED has to be the first message. */
    int turn[2];
    if (pipe2(turn, O_CLOEXEC) < 0) {
        code = tsc_fail(&error, -errno, "enter", "");
        die(launch->channel, code, &error);
    }
    /* A sibling instead of a child: its parent is the shim, which reaps it and with which it dies. */
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) {
        char nothing;
        close(turn[1]);
        tsc_fd_read(turn[0], &nothing, 1);
        close(turn[0]);
        code = tsc_perform(launch, &error);
        die(launch->channel, code, &error);
    }
    if (pid < 0) {
        code = tsc_fail(&error, -errno, tsc_step_name(TSC_STEP_NAMESPACES), "clone");
        die(launch->channel, code, &error);
    }
    tsc_channel_send(launch->channel, &(struct tsc_message){.kind = TSC_SYNC_CLONED, .value = pid}, -1);
    _exit(0);
}

static int await_clone(int channel, pid_t *ret_pid, struct tsc_error *reterr) {
    struct tsc_message message;
    int got = tsc_channel_receive(channel, &message, NULL);
    if (got < 0)
        return tsc_fail(reterr, got, "enter", "");
    if (got == 0)
        return tsc_fail(reterr, -ECHILD, "enter", "");
    if (message.kind != TSC_SYNC_CLONED) {
        *reterr = message.error;
        return message.kind == TSC_SYNC_FAILED ? -message.value : -EPROTO;
    }
    *ret_pid = message.value;
    return 0;
}

/* A fork that begins in its v2 control group, where kernel and group allow it; otherwise it joins as in v1. */
static pid_t clone_helper(struct tsc_entry *entry) {
    entry->joined_cgroup = NULL;
    tsc_program_each(entry->launch->program, TSC_STEP_CGROUP_JOIN, step) {
        const char *directory = tsc_step_text(step, 0);
        tsc_auto_fd int fd = tsc_step_integer(step, 1) ? tsc_fd_open(directory, O_PATH | O_DIRECTORY, 0) : -1;
        if (fd < 0)
            continue;
        struct tsc_clone_args arguments = {
            .flags = TSC_CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (unsigned)fd};
        entry->joined_cgroup = step;
        pid_t pid = (pid_t)syscall(TSC_NR_clone3, &arguments, sizeof(arguments));
        if (pid >= 0)
            return pid;
        entry->joined_cgroup = NULL;
    }
    return fork();
}

int tsc_enter(struct tsc_entry *entry, struct tsc_process *ret, struct tsc_error *reterr) {
    int pair[2];
    int error = tsc_channel_open(pair);
    if (error < 0)
        return tsc_fail(reterr, error, "enter", "");
    tsc_auto_fd int ours = pair[0];
    tsc_auto_fd int theirs = pair[1];
    entry->launch->channel = theirs;
    pid_t helper = clone_helper(entry);
    if (helper == 0)
        enter(entry);
    if (helper < 0)
        return tsc_fail(reterr, -errno, "fork", "");
    close(tsc_take_fd(&theirs));
    pid_t pid = 0;
    int status;
    error = await_clone(ours, &pid, reterr);
    int reaped = tsc_wait(helper, &status);
    if (error < 0 || reaped < 0)
        return error < 0 ? error : tsc_fail(reterr, reaped, "wait", "");
    int pidfd = tsc_sys_pidfd_open(pid, 0);
    if (pidfd < 0) {
        error = tsc_fail(reterr, -errno, "pidfd_open", "");
        kill(pid, SIGKILL);
        tsc_wait(pid, &status);
        return error;
    }
    tsc_fd_set_cloexec(pidfd, true);
    *ret = (struct tsc_process){pid, pidfd, tsc_take_fd(&ours)};
    return 0;
}
