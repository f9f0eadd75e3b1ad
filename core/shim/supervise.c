/* The supervisor: a table of state and event. */
#include "supervise.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "fd.h"
#include "health.h"
#include "names.h"

enum { DEFAULT_GRACE_MS = 10000 };

static int relaunch(struct tsc_shim *shim);

void tsc_supervise_report(struct tsc_shim *shim) {
    tsc_status_write(shim);
    tsc_clients_status(shim);
}

static void change(struct tsc_shim *shim, enum tsc_state state) {
    shim->state = state;
    tsc_supervise_report(shim);
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
    tsc_clients_exit(shim, false);
    tsc_clients_close(shim);
    shim->loop.stopped = true;
    return 0;
}

/* The first process is gone, or is made so; nothing of this run is left afterwards. */
static void end_run(struct tsc_shim *shim, bool reaped) {
    if (!reaped && shim->process.pidfd >= 0) {
        tsc_first_kill_all(shim);
        int status;
        tsc_wait(shim->process.pid, &status);
    }
    if (!(shim->namespaces.unshare & CLONE_NEWPID))
        tsc_cgroup_kill(&shim->cgroups);
    tsc_timer_clear(&shim->loop, &shim->grace_timer);
    tsc_health_stop(shim->health);
    tsc_streams_drain(shim);
    tsc_first_forget(shim);
}

static void retry(void *data) {
    tsc_supervise(data, TSC_EVENT_RETRY, NULL);
}

static int ended(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    shim->status.finished = tsc_time_now();
    shim->status.oom_killed = tsc_cgroup_oom_kills(&shim->cgroups) > shim->oom_kills;
    end_run(shim, true);
    if (!tsc_restart_is_wanted(shim))
        return finish(shim);
    shim->retry_timer = (struct tsc_timer){.fire = retry, .data = shim};
    tsc_timer_set(&shim->loop, &shim->retry_timer, tsc_restart_delay(shim));
    tsc_clients_exit(shim, true);
    change(shim, TSC_STATE_WAITING);
    return 0;
}

/* --- the handlers of the table --- */

typedef int transition(struct tsc_shim *shim, const struct tsc_request *request);

static int failed(struct tsc_shim *shim, const struct tsc_request *request);

static int launch(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    shim->state = TSC_STATE_CREATING;
    return tsc_first_launch(shim, &shim->status.error) < 0 ? failed(shim, NULL) : 0;
}

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

static int send_go(struct tsc_shim *shim) {
    return tsc_channel_send(shim->process.channel, &(struct tsc_message){.kind = TSC_SYNC_GO}, -1);
}

static int open_gate(struct tsc_shim *shim, const struct tsc_request *request) {
    (void)request;
    tsc_names_refresh(shim->names);
    int error = tsc_network_sysctls(&shim->program, shim->namespaces.own_network, &shim->status.error);
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
    tsc_names_announce(shim->names);
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
        tsc_first_kill_all(shim);
    else
        tsc_first_signal(shim, signal);
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
    tsc_first_kill_all(shim);
    return 0;
}

static int send_signal(struct tsc_shim *shim, const struct tsc_request *request) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_STOP, NULL);
    int stop_signal = step ? (int)tsc_step_integer(step, 0) : SIGTERM;
    /* As in Docker: who kills a container by hand does not want it back. */
    if (request->signal == SIGKILL || request->signal == stop_signal)
        shim->status.stop_requested = true;
    if (request->signal != SIGKILL)
        return tsc_first_signal(shim, request->signal);
    tsc_first_kill_all(shim);
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
    [TSC_STATE_HELD] = {BEFORE_START, [TSC_EVENT_LAUNCH] = launch},
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
    if (tsc_first_launch(shim, &shim->status.error) < 0)
        return failed(shim, NULL);
    return 0;
}
