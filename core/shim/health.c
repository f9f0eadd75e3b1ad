/*
 * The health check, with Docker's meaning: the first probe comes after the start interval when there is a start period, else
 * after the interval. Failures within the start period do not count, a first success ends it.
 */
#include "health.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "fd.h"
#include "probe.h"

enum { RESULTS = 5, OUTPUT_MAX = 4096, ARGV_FIRST = 5, ABANDONED = -1 };

enum verdict { STARTING, HEALTHY, UNHEALTHY };

static const char *const verdict_names[] = {
    [STARTING] = "starting", [HEALTHY] = "healthy", [UNHEALTHY] = "unhealthy"};

struct result {
    struct timespec start;
    struct timespec end;
    int exit_code;
    char *output;
    size_t length;
};

struct tsc_health {
    struct tsc_shim *shim;
    const struct tsc_step *step;
    const struct tsc_step *native;     /* PROBE, instead of a command */
    struct tsc_line_watch *line_watch; /* of one that waits for a line */
    enum verdict verdict;
    int64_t failing;
    int64_t run_started_ms;
    struct result results[RESULTS];
    size_t count;
    bool active; /* the container runs */
    bool suspended;
    /* the probe that is under way */
    bool probing;
    bool timed_out;
    struct tsc_process process;
    struct tsc_source exit_source;
    struct tsc_source channel_source;
    struct tsc_source output_source;
    struct tsc_text output;
    bool output_cut;
    struct timespec probe_start;
    struct tsc_timer next;
    struct tsc_timer limit;
};

static int64_t setting(const struct tsc_health *health, uint32_t index) {
    return tsc_step_integer(health->step, index);
}

#define INTERVAL(health)       setting(health, 0)
#define TIMEOUT(health)        setting(health, 1)
#define START_PERIOD(health)   setting(health, 2)
#define START_INTERVAL(health) setting(health, 3)
#define RETRIES(health)        setting(health, 4)

static bool in_start_period(const struct tsc_health *health) {
    return health->verdict == STARTING && tsc_now() - health->run_started_ms < START_PERIOD(health);
}

static void schedule(struct tsc_health *health) {
    bool early = in_start_period(health) && START_INTERVAL(health) > 0;
    tsc_timer_set(&health->shim->loop, &health->next, early ? START_INTERVAL(health) : INTERVAL(health));
}

/* --- results --- */

static void add_result(struct tsc_health *health, int exit_code) {
    if (health->count == RESULTS) {
        free(health->results[0].output);
        memmove(health->results, health->results + 1, (RESULTS - 1) * sizeof(*health->results));
        health->count--;
    }
    struct result *result = &health->results[health->count++];
    if (health->output_cut)
        tsc_text_string(&health->output, "...");
    *result = (struct result){
        .start = health->probe_start,
        .end = tsc_time_now(),
        .exit_code = exit_code,
        .length = tsc_text_length(&health->output),
    };
    result->output = malloc(result->length + 1);
    if (result->output && result->length > 0)
        memcpy(result->output, health->output.bytes + health->output.start, result->length);
    else
        result->length = 0;
    tsc_text_free(&health->output);
}

static void judge(struct tsc_health *health, int exit_code) {
    if (exit_code == 0) {
        health->failing = 0;
        health->verdict = HEALTHY;
        return;
    }
    if (in_start_period(health))
        return;
    health->failing++;
    if (health->failing >= RETRIES(health))
        health->verdict = UNHEALTHY;
}

/* --- the probe's output --- */

static ssize_t read_output(struct tsc_health *health) {
    char bytes[OUTPUT_MAX];
    ssize_t count = tsc_fd_read(health->output_source.fd, bytes, sizeof(bytes));
    if (count <= 0)
        return count;
    size_t room = OUTPUT_MAX - tsc_text_length(&health->output);
    health->output_cut = health->output_cut || (size_t)count > room;
    tsc_text_append(&health->output, bytes, (size_t)count < room ? (size_t)count : room);
    return count;
}

static void output_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_health *health = data;
    ssize_t count = read_output(health);
    if (count == 0 || (count < 0 && count != -EAGAIN))
        tsc_loop_close(&health->shim->loop, &health->output_source);
}

/* --- the probe's process --- */

static void close_probe(struct tsc_health *health) {
    struct tsc_loop *loop = &health->shim->loop;
    tsc_timer_clear(loop, &health->limit);
    tsc_loop_close(loop, &health->exit_source);
    tsc_loop_close(loop, &health->channel_source);
    tsc_loop_close(loop, &health->output_source);
    health->probing = false;
}

static void conclude(struct tsc_health *health, int exit_code) {
    /* What it left in the pipe; a process it left behind must not keep us. */
    for (int reads = 0; reads < 64 && health->output_source.fd >= 0 && read_output(health) > 0; reads++)
        ;
    close_probe(health);
    if (health->timed_out) {
        tsc_text_free(&health->output);
        health->output_cut = false;
        tsc_text_format(&health->output, "Health check exceeded timeout (%g s)",
                        (double)TIMEOUT(health) / 1000);
    }
    judge(health, exit_code);
    add_result(health, exit_code);
    schedule(health);
    tsc_supervise_report(health->shim);
}

static void probe_channel(void *data, uint32_t events) {
    (void)events;
    struct tsc_health *health = data;
    struct tsc_message message;
    int got = tsc_channel_receive(health->channel_source.fd, &message, NULL);
    if (got == 1 && message.kind == TSC_SYNC_FAILED)
        tsc_text_format(&health->output, "%s %s: %s", message.error.step, message.error.path,
                        strerror(message.error.code));
    if (got <= 0)
        tsc_loop_close(&health->shim->loop, &health->channel_source);
}

static void probe_ended(void *data, uint32_t events) {
    (void)events;
    struct tsc_health *health = data;
    int status = 0;
    while (health->channel_source.fd >= 0 && tsc_fd_poll(health->channel_source.fd, POLLIN, 0) > 0)
        probe_channel(health, EPOLLIN);
    if (tsc_wait(health->process.pid, &status) < 0)
        status = 0xff00;
    int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    conclude(health, health->timed_out ? ABANDONED : code);
}

/* It leads a session: all it started goes with it. */
static void kill_probe(const struct tsc_health *health) {
    kill(-health->process.pid, SIGKILL);
    kill(health->process.pid, SIGKILL);
}

static void probe_late(void *data) {
    struct tsc_health *health = data;
    health->timed_out = true;
    kill_probe(health);
}

static int enter_probe(struct tsc_health *health, int output, struct tsc_error *reterr) {
    struct tsc_shim *shim = health->shim;
    struct tsc_launch launch = {
        .program = &shim->program,
        .mode = TSC_MODE_JOIN,
        .exec = health->step,
        .exec_first = ARGV_FIRST,
        .no_terminal = true,
        .user_namespace = shim->namespaces.user >= 0,
        .descriptors = shim->descriptors,
        .self = -1,
        .root = -1,
    };
    struct tsc_entry entry = {
        .launch = &launch,
        .standard = {-1, output, output},
        .pidfd = shim->process.pidfd,
        .pidfd_flags = shim->namespaces.all,
        .user_namespace = -1,
    };
    return tsc_enter(&entry, &health->process, reterr);
}

static int start_probe(struct tsc_health *health, struct tsc_error *reterr) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return tsc_fail(reterr, -errno, "open", "pipe");
    tsc_auto_fd int theirs = ends[1];
    struct tsc_loop *loop = &health->shim->loop;
    health->output_source = (struct tsc_source){.fd = ends[0], .ready = output_ready, .data = health};
    tsc_fd_set_nonblocking(ends[0], true);
    int error = health->native ? tsc_probe_start(health->native, health->shim->process.pid, theirs,
                                                 &health->process, reterr)
                               : enter_probe(health, theirs, reterr);
    if (error < 0)
        return error;
    health->exit_source =
        (struct tsc_source){.fd = health->process.pidfd, .ready = probe_ended, .data = health};
    health->channel_source =
        (struct tsc_source){.fd = health->process.channel, .ready = probe_channel, .data = health};
    tsc_loop_watch(loop, &health->output_source, EPOLLIN);
    if (health->channel_source.fd >= 0)
        tsc_loop_watch(loop, &health->channel_source, EPOLLIN);
    tsc_loop_watch(loop, &health->exit_source, EPOLLIN);
    if (TIMEOUT(health) > 0)
        tsc_timer_set(loop, &health->limit, TIMEOUT(health));
    return 0;
}

static void probe(void *data) {
    struct tsc_health *health = data;
    struct tsc_error error = {0};
    if (health->probing || !health->active || health->suspended)
        return;
    health->probing = true;
    health->timed_out = false;
    health->output_cut = false;
    health->probe_start = tsc_time_now();
    tsc_timer_clear(&health->shim->loop, &health->next);
    if (health->line_watch) {
        tsc_text_string(&health->output, health->line_watch->seen ? "the line came\n" : "no such line yet\n");
        conclude(health, health->line_watch->seen ? 0 : 1);
        return;
    }
    if (start_probe(health, &error) == 0)
        return;
    tsc_text_format(&health->output, "%s %s: %s", error.step, error.path, strerror(error.code));
    conclude(health, ABANDONED);
}

/* --- for the supervisor --- */

int tsc_health_open(struct tsc_shim *shim, struct tsc_error *reterr) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_HEALTH, NULL);
    if (!step)
        return 0;
    const char *name = tsc_step_name(TSC_STEP_HEALTH);
    int error = tsc_fault_of(&shim->options->fault, TSC_STEP_HEALTH, reterr);
    if (error < 0)
        return error;
    const struct tsc_step *native = tsc_program_find(&shim->program, TSC_STEP_PROBE, NULL);
    error = native ? tsc_fault_of(&shim->options->fault, TSC_STEP_PROBE, reterr) : 0;
    if (error < 0)
        return error;
    struct tsc_line_watch *line_watch = NULL;
    if (tsc_probe_is_log(native))
        error = tsc_line_watch_open(native, &line_watch, reterr);
    if (error < 0)
        return error;
    if ((step->count <= ARGV_FIRST && !native) || tsc_step_integer(step, 0) <= 0)
        return tsc_fail(reterr, -EINVAL, name, "");
    struct tsc_health *health = calloc(1, sizeof(*health));
    if (!health)
        return tsc_fail(reterr, -ENOMEM, name, "");
    *health = (struct tsc_health){
        .shim = shim,
        .step = step,
        .native = native,
        .line_watch = line_watch,
        .next = {.fire = probe, .data = health},
        .limit = {.fire = probe_late, .data = health},
        .exit_source = {.fd = -1},
        .channel_source = {.fd = -1},
        .output_source = {.fd = -1},
    };
    shim->health = health;
    return 0;
}

static void forget_results(struct tsc_health *health) {
    for (size_t i = 0; i < health->count; i++)
        free(health->results[i].output);
    health->count = 0;
}

void tsc_health_start(struct tsc_health *health) {
    if (!health)
        return;
    forget_results(health);
    health->verdict = STARTING;
    health->failing = 0;
    health->run_started_ms = tsc_now();
    health->active = true;
    if (health->line_watch) {
        health->line_watch->seen = false;
        health->line_watch->length[0] = health->line_watch->length[1] = 0;
    }
    health->suspended = false;
    schedule(health);
}

void tsc_health_stop(struct tsc_health *health) {
    if (!health)
        return;
    health->active = false;
    tsc_timer_clear(&health->shim->loop, &health->next);
    if (!health->probing)
        return;
    int status;
    kill_probe(health);
    tsc_wait(health->process.pid, &status);
    close_probe(health);
    tsc_text_free(&health->output);
}

void tsc_health_suspend(struct tsc_health *health, bool suspended) {
    if (!health)
        return;
    health->suspended = suspended;
    struct tsc_loop *loop = &health->shim->loop;
    if (suspended) {
        tsc_timer_clear(loop, &health->next);
        tsc_timer_clear(loop, &health->limit);
    } else if (!health->probing) {
        schedule(health);
    } else if (TIMEOUT(health) > 0) {
        tsc_timer_set(loop, &health->limit, TIMEOUT(health));
    }
}

void tsc_health_output(struct tsc_health *health, int stream, const char *bytes, size_t size) {
    if (!health || !health->line_watch || !health->active || health->line_watch->seen)
        return;
    if (tsc_line_watch_feed(health->line_watch, stream, bytes, size))
        probe(health);
}

int tsc_health_probe_now(struct tsc_health *health) {
    if (!health)
        return -ENOENT;
    if (!health->active || health->suspended)
        return -EINVAL;
    probe(health);
    return 0;
}

static void add_result_text(const struct result *result, struct tsc_text *text) {
    char time[TSC_TIME_SIZE];
    tsc_time_format(&result->start, time);
    tsc_text_format(text, "{\"start\":\"%s\"", time);
    tsc_time_format(&result->end, time);
    tsc_text_format(text, ",\"end\":\"%s\",\"exitCode\":%d,\"output\":", time, result->exit_code);
    tsc_text_json(text, result->output ? result->output : "", result->length);
    tsc_text_string(text, "}");
}

void tsc_health_text(const struct tsc_health *health, struct tsc_text *text) {
    if (!health) {
        tsc_text_string(text, ",\"health\":null");
        return;
    }
    tsc_text_format(text, ",\"health\":{\"status\":\"%s\",\"failing\":%lld,\"log\":[",
                    verdict_names[health->verdict], (long long)health->failing);
    for (size_t i = 0; i < health->count; i++) {
        if (i > 0)
            tsc_text_string(text, ",");
        add_result_text(&health->results[i], text);
    }
    tsc_text_string(text, "]}");
}
