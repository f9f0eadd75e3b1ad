/* The container's first process, as the shim sees it: started, spoken to, signalled, reaped. */
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "fd.h"
#include "hook.h"
#include "supervise.h"
#include "syscalls.h"

void tsc_first_forget(struct tsc_shim *shim) {
    tsc_loop_forget(&shim->loop, &shim->exit_source);
    tsc_loop_close(&shim->loop, &shim->channel_source);
    if (shim->process.pidfd >= 0)
        close(shim->process.pidfd);
    shim->process = (struct tsc_process){.pidfd = -1, .channel = -1};
    shim->status.pid = 0;
    shim->status.pid_start = 0;
}

/* The first process waits meanwhile, and there is nobody else to serve before it runs. */
static int run_hooks(struct tsc_shim *shim) {
    struct tsc_hook_state state = {.program = &shim->program,
                                   .status = "creating",
                                   .pid = shim->process.pid,
                                   .network = shim->host_network};
    int error = tsc_hooks_run(TSC_HOOK_CREATE_RUNTIME, &state, &shim->status.error);
    if (error < 0)
        return error;
    return tsc_channel_send(shim->process.channel, &(struct tsc_message){.kind = TSC_SYNC_GO}, -1);
}

static void channel_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_shim *shim = data;
    struct tsc_message message;
    int fd = -1;
    int got = tsc_channel_receive(shim->process.channel, &message, &fd);
    if (got == 1 && message.kind == TSC_SYNC_TERMINAL && fd >= 0) {
        tsc_streams_take_terminal(shim, fd);
    } else if (got == 1 && message.kind == TSC_SYNC_READY) {
        tsc_supervise(shim, TSC_EVENT_READY, NULL);
    } else if (got == 1 && message.kind == TSC_SYNC_HOOKS) {
        if (run_hooks(shim) < 0)
            tsc_supervise(shim, TSC_EVENT_FAILED, NULL);
    } else if (got == 1 && message.kind == TSC_SYNC_FAILED) {
        shim->status.error = message.error;
        tsc_supervise(shim, TSC_EVENT_FAILED, NULL);
    } else if (got <= 0) {
        tsc_loop_forget(&shim->loop, &shim->channel_source);
        tsc_supervise(shim, TSC_EVENT_EXECUTED, NULL);
    }
}

static void reap(struct tsc_shim *shim) {
    int status = 0;
    if (tsc_wait(shim->process.pid, &status) < 0)
        return;
    shim->status.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    shim->status.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void process_ended(void *data, uint32_t events) {
    (void)events;
    struct tsc_shim *shim = data;
    /* Its last words may still be on the channel. */
    while (shim->channel_source.added && tsc_fd_poll(shim->process.channel, POLLIN, 0) > 0 &&
           shim->process.pidfd >= 0)
        channel_ready(shim, EPOLLIN);
    if (shim->process.pidfd < 0)
        return;
    reap(shim);
    tsc_supervise(shim, TSC_EVENT_EXITED, NULL);
}

int tsc_first_launch(struct tsc_shim *shim, struct tsc_error *reterr) {
    struct tsc_launch launch = {
        .program = &shim->program,
        .mode = TSC_MODE_FIRST,
        .fault = shim->options->fault,
        .exec = tsc_program_find(&shim->program, TSC_STEP_EXEC, NULL),
        .gated = true,
        .user_namespace = shim->namespaces.user >= 0,
        .private_pids = shim->namespaces.unshare & CLONE_NEWPID,
        .descriptors = shim->descriptors,
        .self = shim->self,
        .root = -1,
    };
    if (!launch.exec)
        return tsc_fail(reterr, -EINVAL, tsc_step_name(TSC_STEP_EXEC), "");
    struct tsc_entry entry = {
        .launch = &launch,
        .standard = {-1, -1, -1},
        .pidfd = -1,
        .join_count = shim->namespaces.join_count,
        .user_namespace = shim->namespaces.user,
        .unshare = shim->namespaces.unshare,
    };
    memcpy(entry.joins, shim->namespaces.joins, sizeof(entry.joins));
    int error = tsc_streams_open(shim, entry.standard, reterr);
    if (error == 0)
        error = tsc_enter(&entry, &shim->process, reterr);
    for (int i = 0; i < 3; i++)
        if (entry.standard[i] >= 0)
            close(entry.standard[i]);
    if (error < 0)
        return error;
    shim->status.pid = shim->process.pid;
    tsc_process_start(shim->process.pid, &shim->status.pid_start);
    shim->exit_source = (struct tsc_source){.fd = shim->process.pidfd, .ready = process_ended, .data = shim};
    shim->channel_source =
        (struct tsc_source){.fd = shim->process.channel, .ready = channel_ready, .data = shim};
    error = tsc_loop_watch(&shim->loop, &shim->channel_source, EPOLLIN);
    if (error == 0)
        error = tsc_loop_watch(&shim->loop, &shim->exit_source, EPOLLIN);
    return error < 0 ? tsc_fail(reterr, error, "watch", "first process") : 0;
}

int tsc_first_signal(const struct tsc_shim *shim, int signal) {
    if (shim->process.pidfd < 0)
        return -ESRCH;
    return tsc_sys_pidfd_send_signal(shim->process.pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

/* Every process of the container. With the first one of a pid namespace go all others in it. */
void tsc_first_kill_all(const struct tsc_shim *shim) {
    tsc_first_signal(shim, SIGKILL);
    if (!(shim->namespaces.unshare & CLONE_NEWPID) || shim->state == TSC_STATE_PAUSED)
        tsc_cgroup_kill(&shim->cgroups);
    if (shim->state == TSC_STATE_PAUSED)
        tsc_cgroup_freeze(&shim->cgroups, false);
}
