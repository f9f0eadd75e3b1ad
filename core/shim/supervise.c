/* The supervisor: a table of state and event. */
#include "supervise.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "dns.h"
#include "fd.h"
#include "health.h"
#include "links.h"
#include "names.h"
#include "relay.h"
#include "syscalls.h"

enum {
    BACKOFF_FIRST_MS = 100, /* Docker's: doubled at each restart, */
    BACKOFF_LAST_MS = 60000,
    BACKOFF_RESET_MS = 10000, /* and forgotten when the container ran so long */
    DEFAULT_GRACE_MS = 10000,
    TRIM_MS = 1000,
    PIPE_SIZE = 256 << 10,
    DRAIN_READS = 1024, /* a process that escaped may write for ever */
};

static int relaunch(struct tsc_shim *shim);

void tsc_supervise_report(struct tsc_shim *shim) {
    tsc_status_write(shim);
    tsc_clients_status(shim);
}

static void change(struct tsc_shim *shim, enum tsc_state state) {
    shim->state = state;
    tsc_supervise_report(shim);
}

/* --- streams of the container --- */

void tsc_supervise_reading(struct tsc_shim *shim, bool on) {
    for (int i = 0; i < TSC_STREAMS; i++)
        if (shim->outputs[i].source.fd >= 0) {
            if (on)
                tsc_loop_watch(&shim->loop, &shim->outputs[i].source, EPOLLIN);
            else
                tsc_loop_forget(&shim->loop, &shim->outputs[i].source);
        }
}

/* One read; what it returned. A terminal says EIO when its last user is gone. */
static ssize_t pump(struct tsc_output *output) {
    struct tsc_shim *shim = output->shim;
    ssize_t count = tsc_fd_read(output->source.fd, shim->buffer, TSC_BUFFER_SIZE);
    if (count <= 0)
        return count;
    tsc_log_write(&shim->log, output->stream, shim->buffer, (size_t)count);
    tsc_clients_output(shim, output->stream, shim->buffer, (size_t)count);
    tsc_health_output(shim->health, (int)output->stream, shim->buffer, (size_t)count);
    if (count > 4096 && !shim->trim_timer.added)
        tsc_timer_set(&shim->loop, &shim->trim_timer, TRIM_MS);
    return count;
}

static void output_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_output *output = data;
    ssize_t count = pump(output);
    if (count > 0 || count == -EAGAIN)
        return;
    tsc_log_finish(&output->shim->log, output->stream);
    tsc_loop_close(&output->shim->loop, &output->source);
}

static void trim(void *data) {
    struct tsc_shim *shim = data;
    madvise(shim->buffer, TSC_BUFFER_SIZE, MADV_DONTNEED);
    tsc_log_trim(&shim->log);
}

static void flush_input(struct tsc_shim *shim) {
    struct tsc_text *input = &shim->input;
    if (shim->input_source.fd < 0) {
        tsc_text_free(input);
        return;
    }
    while (tsc_text_length(input) > 0) {
        ssize_t count =
            tsc_fd_write(shim->input_source.fd, input->bytes + input->start, tsc_text_length(input));
        if (count == -EAGAIN)
            break;
        tsc_text_consume(input, count < 0 ? tsc_text_length(input) : (size_t)count);
    }
    if (tsc_text_length(input) > 0) {
        tsc_loop_watch(&shim->loop, &shim->input_source, EPOLLOUT);
        return;
    }
    tsc_loop_forget(&shim->loop, &shim->input_source);
    if (shim->input_ended && !shim->terminal)
        tsc_loop_close(&shim->loop, &shim->input_source);
    tsc_clients_resume(shim);
}

static void input_ready(void *data, uint32_t events) {
    (void)events;
    flush_input(data);
}

void tsc_supervise_input(struct tsc_shim *shim, const char *bytes, size_t size) {
    tsc_text_append(&shim->input, bytes, size);
    flush_input(shim);
}

void tsc_supervise_input_end(struct tsc_shim *shim) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_STANDARD_INPUT, NULL);
    if (!step || tsc_step_integer(step, 0) != 2)
        return;
    shim->input_ended = true;
    flush_input(shim);
}

void tsc_supervise_resize(struct tsc_shim *shim, unsigned rows, unsigned columns) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    if (shim->terminal && shim->outputs[TSC_STDOUT].source.fd >= 0)
        ioctl(shim->outputs[TSC_STDOUT].source.fd, TIOCSWINSZ, &size);
}

static int adopt_output(struct tsc_shim *shim, enum tsc_stream stream, int fd) {
    struct tsc_output *output = &shim->outputs[stream];
    *output = (struct tsc_output){
        .shim = shim, .stream = stream, .source = {.fd = fd, .ready = output_ready, .data = output}};
    tsc_fd_set_nonblocking(fd, true);
    return tsc_loop_watch(&shim->loop, &output->source, EPOLLIN);
}

static void adopt_input(struct tsc_shim *shim, int fd) {
    shim->input_source = (struct tsc_source){.fd = fd, .ready = input_ready, .data = shim};
    if (fd >= 0)
        tsc_fd_set_nonblocking(fd, true);
    flush_input(shim);
}

static int make_pipe(int *ret_ours, int *ret_theirs, bool we_read) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE);
    *ret_ours = ends[we_read ? 0 : 1];
    *ret_theirs = ends[we_read ? 1 : 0];
    return 0;
}

/* The container's ends go to `standard`; it gets a terminal's instead when that message comes. */
static int open_streams(struct tsc_shim *shim, int standard[3], struct tsc_error *reterr) {
    const struct tsc_step *input = tsc_program_find(&shim->program, TSC_STEP_STANDARD_INPUT, NULL);
    shim->terminal = tsc_program_find(&shim->program, TSC_STEP_TERMINAL, NULL) != NULL;
    shim->input_source.fd = -1;
    shim->input_ended = false;
    for (int i = 0; i < TSC_STREAMS; i++)
        shim->outputs[i].source.fd = -1;
    if (shim->terminal)
        return 0;
    int error = 0;
    for (int i = 0; i < TSC_STREAMS && error == 0; i++) {
        int ours = -1;
        error = make_pipe(&ours, &standard[i + 1], true);
        if (error == 0)
            error = adopt_output(shim, (enum tsc_stream)i, ours);
    }
    if (error == 0 && input && tsc_step_integer(input, 0) != 0) {
        int ours = -1;
        error = make_pipe(&ours, &standard[0], false);
        if (error == 0)
            adopt_input(shim, ours);
    }
    return error < 0 ? tsc_fail(reterr, error, "open", "standard streams") : 0;
}

static void drain(struct tsc_shim *shim) {
    for (int i = 0; i < TSC_STREAMS; i++) {
        struct tsc_output *output = &shim->outputs[i];
        if (output->source.fd < 0)
            continue;
        for (int reads = 0; reads < DRAIN_READS && pump(output) > 0; reads++)
            ;
        tsc_log_finish(&shim->log, output->stream);
        tsc_loop_close(&shim->loop, &output->source);
    }
    tsc_loop_close(&shim->loop, &shim->input_source);
    tsc_text_free(&shim->input);
}

/* --- the first process --- */

static void forget_process(struct tsc_shim *shim) {
    tsc_loop_forget(&shim->loop, &shim->exit_source);
    tsc_loop_close(&shim->loop, &shim->channel_source);
    if (shim->process.pidfd >= 0)
        close(shim->process.pidfd);
    shim->process = (struct tsc_process){.pidfd = -1, .channel = -1};
    shim->status.pid = 0;
    shim->status.pid_start = 0;
}

static void take_terminal(struct tsc_shim *shim, int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    adopt_output(shim, TSC_STDOUT, fd);
    adopt_input(shim, copy);
}

static void channel_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_shim *shim = data;
    struct tsc_message message;
    int fd = -1;
    int got = tsc_channel_receive(shim->process.channel, &message, &fd);
    if (got == 1 && message.kind == TSC_SYNC_TERMINAL && fd >= 0) {
        take_terminal(shim, fd);
    } else if (got == 1 && message.kind == TSC_SYNC_READY) {
        tsc_supervise(shim, TSC_EVENT_READY, NULL);
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

static int launch(struct tsc_shim *shim, struct tsc_error *reterr) {
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
    int error = open_streams(shim, entry.standard, reterr);
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

static int signal_process(const struct tsc_shim *shim, int signal) {
    if (shim->process.pidfd < 0)
        return -ESRCH;
    return tsc_sys_pidfd_send_signal(shim->process.pidfd, signal, NULL, 0) < 0 ? -errno : 0;
}

/* Every process of the container. With the first one of a pid namespace go all others in it. */
static void kill_all(const struct tsc_shim *shim) {
    signal_process(shim, SIGKILL);
    if (!(shim->namespaces.unshare & CLONE_NEWPID) || shim->state == TSC_STATE_PAUSED)
        tsc_cgroup_kill(&shim->cgroups);
    if (shim->state == TSC_STATE_PAUSED)
        tsc_cgroup_freeze(&shim->cgroups, false);
}

/* --- the end --- */

/* Each batch has its length before it. */
static void send_netfilter(struct tsc_shim *shim) {
    struct tsc_text *batches = &shim->netfilter_batches;
    uint32_t length;
    while (shim->netfilter >= 0 && tsc_text_length(batches) >= sizeof(length)) {
        memcpy(&length, batches->bytes + batches->start, sizeof(length));
        tsc_text_consume(batches, sizeof(length));
        (void)!send(shim->netfilter, batches->bytes + batches->start, length, MSG_DONTWAIT);
        tsc_text_consume(batches, length);
    }
}

static void clean_up(struct tsc_shim *shim) {
    tsc_names_withdraw(shim->names);
    send_netfilter(shim);
    tsc_cgroup_remove(&shim->cgroups);
    tsc_log_close(&shim->log);
}

static int finish(struct tsc_shim *shim) {
    tsc_timer_clear(&shim->loop, &shim->grace_timer);
    tsc_timer_clear(&shim->loop, &shim->retry_timer);
    clean_up(shim);
    unlinkat(shim->run_dir, "sock", 0);
    change(shim, TSC_STATE_ENDED);
    tsc_clients_exit(shim);
    tsc_clients_close(shim);
    shim->loop.stopped = true;
    return 0;
}

/* The first process is gone, or is made so; nothing of this run is left afterwards. */
static void end_run(struct tsc_shim *shim, bool reaped) {
    if (!reaped && shim->process.pidfd >= 0) {
        kill_all(shim);
        int status;
        tsc_wait(shim->process.pid, &status);
    }
    if (!(shim->namespaces.unshare & CLONE_NEWPID))
        tsc_cgroup_kill(&shim->cgroups);
    tsc_timer_clear(&shim->loop, &shim->grace_timer);
    tsc_health_stop(shim->health);
    drain(shim);
    forget_process(shim);
}

static int64_t restart_delay(struct tsc_shim *shim, const struct tsc_step *step) {
    int64_t fixed = tsc_step_integer(step, 2);
    if (tsc_now() - shim->started_ms >= BACKOFF_RESET_MS)
        shim->backoff_ms = 0;
    int64_t delay = shim->backoff_ms == 0 ? BACKOFF_FIRST_MS : shim->backoff_ms * 2;
    shim->backoff_ms = delay > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : delay;
    return fixed >= 0 ? fixed : shim->backoff_ms;
}

static bool wants_restart(struct tsc_shim *shim, const struct tsc_step *step) {
    if (!step || shim->status.stop_requested)
        return false;
    const char *policy = tsc_step_text(step, 0);
    int64_t limit = tsc_step_integer(step, 1);
    int64_t window = tsc_step_integer(step, 3);
    if (window > 0 && tsc_now() - shim->started_ms >= window)
        shim->attempts = 0;
    if (limit > 0 && shim->attempts >= limit)
        return false;
    if (strcmp(policy, "on-failure") == 0)
        return shim->status.exit_code != 0;
    return strcmp(policy, "always") == 0 || strcmp(policy, "unless-stopped") == 0;
}

static void retry(void *data) {
    tsc_supervise(data, TSC_EVENT_RETRY, NULL);
}

static int ended(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_RESTART, NULL);
    shim->status.finished = tsc_time_now();
    shim->status.oom_killed = tsc_cgroup_oom_kills(&shim->cgroups) > shim->oom_kills;
    end_run(shim, true);
    if (!wants_restart(shim, step))
        return finish(shim);
    shim->retry_timer = (struct tsc_timer){.fire = retry, .data = shim};
    tsc_timer_set(&shim->loop, &shim->retry_timer, restart_delay(shim, step));
    tsc_clients_exit(shim);
    change(shim, TSC_STATE_WAITING);
    return 0;
}

/* --- the handlers of the table --- */

typedef int transition(struct tsc_shim *shim, const struct tsc_request *request);

static int created(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    change(shim, TSC_STATE_CREATED);
    return 0;
}

/* What Docker answers for a command that could not be started. */
static int code_of_failure(const struct tsc_error *error) {
    if (strcmp(error->step, tsc_step_name(TSC_STEP_EXEC)) != 0)
        return 128;
    return error->code == ENOENT ? 127 : 126;
}

static int failed(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    end_run(shim, false);
    shim->status.exit_code = code_of_failure(&shim->status.error);
    return finish(shim);
}

static int died_early(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    end_run(shim, true);
    if (shim->status.error.code == 0)
        tsc_fail(&shim->status.error, -ECHILD, "launch", "");
    return finish(shim);
}

/* Taken back before it ran. */
static int abandon(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    end_run(shim, false);
    return finish(shim);
}

static int hang_up(struct tsc_shim *shim, const struct tsc_request *request) {
    return shim->options->keep ? 0 : abandon(shim, request);
}

static int ignore(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)shim;
    (void)request;
    return 0;
}

/* Network settings name interfaces, which exist by now; the shim lives in the container's network namespace. */
static int set_network_sysctls(struct tsc_shim *shim) {
    tsc_auto_fd int proc = tsc_fd_open("/proc", O_PATH | O_DIRECTORY, 0);
    tsc_program_each(&shim->program, TSC_STEP_SYSCTL, step) {
        if (!tsc_sysctl_is_network(step))
            continue;
        int error = shim->namespaces.own_network
                        ? tsc_sysctl_write(proc, step, &shim->status.error)
                        : tsc_fail(&shim->status.error, -EPERM, "", tsc_step_text(step, 0));
        if (error < 0)
            return tsc_fail_step(&shim->status.error, error, tsc_step_name(step->op));
    }
    return 0;
}

static int send_go(struct tsc_shim *shim) {
    return tsc_channel_send(shim->process.channel, &(struct tsc_message){.kind = TSC_SYNC_GO}, -1);
}

static int open_gate(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    tsc_names_refresh(shim->names);
    int error = set_network_sysctls(shim);
    if (error < 0) {
        failed(shim, NULL);
        return error;
    }
    shim->state = TSC_STATE_STARTING;
    return send_go(shim);
}

static int go_again(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    return send_go(shim);
}

static int executed(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    tsc_loop_close(&shim->loop, &shim->channel_source);
    shim->status.started = tsc_time_now();
    shim->status.finished = (struct timespec){0};
    shim->status.exit_code = 0;
    shim->status.signal = 0;
    shim->status.oom_killed = false;
    shim->started_ms = tsc_now();
    shim->state = TSC_STATE_RUNNING;
    tsc_health_start(shim->health);
    tsc_supervise_report(shim);
    return 0;
}

/* The channel closed without exec: the process died at the gate, its exit tells. */
static int lost(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)shim;
    (void)request;
    return 0;
}

static void grace_over(void *data) {
    tsc_supervise(data, TSC_EVENT_GRACE, NULL);
}

static int stop(struct tsc_shim *shim, const struct tsc_request *request) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_STOP, NULL);
    int signal = request && request->signal > 0 ? request->signal
                 : step                         ? (int)tsc_step_integer(step, 0)
                                                : SIGTERM;
    int64_t grace = request && request->grace_ms != INT64_MIN ? request->grace_ms
                    : step                                    ? tsc_step_integer(step, 1)
                                                              : DEFAULT_GRACE_MS;
    bool first = !shim->status.stop_requested;
    shim->status.stop_requested = true;
    if (signal == SIGKILL)
        kill_all(shim);
    else
        signal_process(shim, signal);
    /* A frozen process would not even see the signal. */
    if (shim->state == TSC_STATE_PAUSED) {
        tsc_cgroup_freeze(&shim->cgroups, false);
        shim->state = TSC_STATE_RUNNING;
    }
    shim->grace_timer.fire = grace_over;
    shim->grace_timer.data = shim;
    if (grace >= 0)
        tsc_timer_set(&shim->loop, &shim->grace_timer, grace);
    if (first)
        tsc_supervise_report(shim);
    return 0;
}

static int stop_waiting(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    shim->status.stop_requested = true;
    return finish(shim);
}

static int stop_relaunch(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    shim->status.stop_requested = true;
    end_run(shim, false);
    return finish(shim);
}

static int end_grace(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    kill_all(shim);
    return 0;
}

static int send_signal(struct tsc_shim *shim, const struct tsc_request *request) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_STOP, NULL);
    int stop_signal = step ? (int)tsc_step_integer(step, 0) : SIGTERM;
    /* As in Docker: who kills a container by hand does not want it back. */
    if (request->signal == SIGKILL || request->signal == stop_signal)
        shim->status.stop_requested = true;
    if (request->signal != SIGKILL)
        return signal_process(shim, request->signal);
    kill_all(shim);
    return 0;
}

static int pause_all(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    int error = tsc_cgroup_freeze(&shim->cgroups, true);
    if (error < 0) {
        tsc_cgroup_freeze(&shim->cgroups, false);
        return error;
    }
    tsc_health_suspend(shim->health, true);
    change(shim, TSC_STATE_PAUSED);
    return 0;
}

static int unpause_all(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    int error = tsc_cgroup_freeze(&shim->cgroups, false);
    if (error < 0)
        return error;
    tsc_health_suspend(shim->health, false);
    change(shim, TSC_STATE_RUNNING);
    return 0;
}

static int launch_again(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    return relaunch(shim);
}

#define BEFORE_START                                                                      \
    [TSC_EVENT_STOP] = abandon, [TSC_EVENT_KILL] = abandon, [TSC_EVENT_HANGUP] = hang_up, \
    [TSC_EVENT_FAILED] = failed, [TSC_EVENT_EXITED] = died_early, [TSC_EVENT_EXECUTED] = lost
#define AFTER_START [TSC_EVENT_HANGUP] = ignore

/* Every event in every state; what is not here is refused. */
static transition *const transitions[TSC_STATES][TSC_EVENTS] = {
    [TSC_STATE_CREATING] = {BEFORE_START, [TSC_EVENT_READY] = created},
    [TSC_STATE_CREATED] = {BEFORE_START, [TSC_EVENT_START] = open_gate},
    [TSC_STATE_STARTING] = {AFTER_START, [TSC_EVENT_EXECUTED] = executed, [TSC_EVENT_FAILED] = failed,
                            [TSC_EVENT_EXITED] = died_early, [TSC_EVENT_STOP] = stop,
                            [TSC_EVENT_KILL] = send_signal, [TSC_EVENT_GRACE] = end_grace},
    [TSC_STATE_RUNNING] = {AFTER_START, [TSC_EVENT_EXITED] = ended, [TSC_EVENT_STOP] = stop,
                           [TSC_EVENT_GRACE] = end_grace, [TSC_EVENT_KILL] = send_signal,
                           [TSC_EVENT_PAUSE] = pause_all},
    [TSC_STATE_PAUSED] = {AFTER_START, [TSC_EVENT_EXITED] = ended, [TSC_EVENT_STOP] = stop,
                          [TSC_EVENT_GRACE] = end_grace, [TSC_EVENT_KILL] = send_signal,
                          [TSC_EVENT_UNPAUSE] = unpause_all},
    [TSC_STATE_WAITING] = {AFTER_START, [TSC_EVENT_RETRY] = launch_again, [TSC_EVENT_STOP] = stop_waiting,
                           [TSC_EVENT_KILL] = stop_waiting},
    [TSC_STATE_RELAUNCHING] = {AFTER_START, [TSC_EVENT_READY] = go_again, [TSC_EVENT_EXECUTED] = executed,
                               [TSC_EVENT_FAILED] = failed, [TSC_EVENT_EXITED] = died_early,
                               [TSC_EVENT_STOP] = stop_relaunch, [TSC_EVENT_KILL] = stop_relaunch},
    [TSC_STATE_ENDED] = {AFTER_START, [TSC_EVENT_STOP] = ignore},
};

int tsc_supervise(struct tsc_shim *shim, enum tsc_event event, const struct tsc_request *request) {
    transition *perform = transitions[shim->state][event];
    return perform ? perform(shim, request) : -EINVAL;
}

static int relaunch(struct tsc_shim *shim) {
    shim->status.restarts++;
    shim->attempts++;
    shim->oom_kills = tsc_cgroup_oom_kills(&shim->cgroups);
    shim->state = TSC_STATE_RELAUNCHING;
    if (launch(shim, &shim->status.error) < 0)
        return failed(shim, NULL);
    return 0;
}

/* --- the life of a launch --- */

static void signal_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_shim *shim = data;
    struct signalfd_siginfo info;
    if (tsc_fd_read(shim->signal_source.fd, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo != SIGHUP)
        tsc_supervise(shim, TSC_EVENT_STOP, NULL);
}

static int open_signals(struct tsc_shim *shim, struct tsc_error *reterr) {
    sigset_t set;
    sigemptyset(&set);
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < TSC_COUNT(numbers); i++)
        sigaddset(&set, numbers[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    shim->signal_source = (struct tsc_source){.fd = fd, .ready = signal_ready, .data = shim};
    int error = fd < 0 ? -errno : tsc_loop_watch(&shim->loop, &shim->signal_source, EPOLLIN);
    return error < 0 ? tsc_fail(reterr, error, "signalfd", "") : 0;
}

static int take_lock(struct tsc_shim *shim, struct tsc_error *reterr) {
    const char *path = shim->options->run_dir;
    int error = shim->run_dir = tsc_fd_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (error < 0)
        return tsc_fail(reterr, error, "open", path);
    error = shim->lock = tsc_fd_openat(shim->run_dir, "lock", O_RDWR | O_CREAT, 0600);
    if (error >= 0)
        error = tsc_fd_lock(shim->lock);
    return error < 0 ? tsc_fail(reterr, error, "lock", path) : 0;
}

/* Relays need many descriptors; the container has nothing to do with that. */
static void raise_descriptors(struct tsc_shim *shim) {
    struct rlimit limit;
    if (shim->options->relay_count == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    shim->descriptors = (int64_t)limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* In the host's network, for as long as the shim is there. */
static void open_host_sockets(struct tsc_shim *shim) {
    shim->netfilter = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 12 /* NETLINK_NETFILTER */);
    tsc_dns_open_upstream(shim);
}

static int prepare(struct tsc_shim *shim, struct tsc_error *reterr) {
    int error = tsc_cgroup_prepare(&shim->cgroups, &shim->program, &shim->options->fault, reterr);
    if (error == 0)
        error = tsc_prepare_namespaces(shim, reterr);
    if (error == 0)
        error = tsc_log_open(&shim->log, &shim->program, &shim->options->fault, shim->options->id, reterr);
    if (error == 0)
        error = tsc_health_open(shim, reterr);
    if (error == 0)
        error = tsc_names_open(shim, reterr);
    if (error == 0)
        error = tsc_dns_open(shim, reterr);
    if (error == 0)
        error = tsc_relays_open(shim, reterr);
    shim->oom_kills = tsc_cgroup_oom_kills(&shim->cgroups);
    return error;
}

static int begin(struct tsc_shim *shim, struct tsc_error *reterr) {
    int error = prepare(shim, reterr);
    if (error < 0)
        return error;
    tsc_supervise_report(shim);
    return launch(shim, reterr);
}

int tsc_run(const struct tsc_run_options *options, struct tsc_error *reterr) {
    struct tsc_shim shim = {
        .options = options,
        .process = {.pidfd = -1, .channel = -1},
        .input_source = {.fd = -1},
        .channel_source = {.fd = -1},
        .trim_timer = {.fire = trim, .data = &shim},
        .upstream = {-1, -1},
        .host_network = -1,
        .outputs = {{.source = {.fd = -1}}, {.source = {.fd = -1}}},
        .log = {.fd = -1},
        .netfilter = -1,
    };
    int error = take_lock(&shim, reterr);
    if (error == 0)
        error = tsc_program_load(options->program, &shim.program, reterr);
    if (error == 0 && (error = tsc_loop_open(&shim.loop)) < 0)
        tsc_fail(reterr, error, "epoll", "");
    if (error < 0)
        return error;
    shim.self = tsc_fd_open("/proc/self/exe", O_RDONLY, 0);
    shim.buffer = mmap(NULL, TSC_BUFFER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shim.log.driver = NULL;
    tsc_process_start(getpid(), &shim.status.shim_start);
    error = open_signals(&shim, reterr);
    if (error == 0)
        error = tsc_clients_open(&shim, reterr);
    if (error < 0)
        return error;
    raise_descriptors(&shim);
    open_host_sockets(&shim);
    if (begin(&shim, &shim.status.error) < 0)
        failed(&shim, NULL);
    error = tsc_loop_run(&shim.loop);
    /* Who waits for the end sees it; sockets of our own would count as connections. */
    tsc_sys_close_range(STDERR_FILENO + 1, UINT_MAX, 0);
    if (shim.namespaces.made_network)
        tsc_links_remove();
    return error;
}
