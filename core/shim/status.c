/* The status file: one line of JSON, see shim.h. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "health.h"
#include "supervise.h"

static const char *const state_names[TSC_STATES] = {
    [TSC_STATE_HELD] = "creating",      [TSC_STATE_CREATING] = "creating",
    [TSC_STATE_CREATED] = "created",    [TSC_STATE_STARTING] = "created",
    [TSC_STATE_RUNNING] = "running",    [TSC_STATE_PAUSED] = "paused",
    [TSC_STATE_WAITING] = "restarting", [TSC_STATE_RELAUNCHING] = "restarting",
    [TSC_STATE_ENDED] = "stopped",
};

/* A launch that never came to run leaves a container that is merely created. */
static const char *state_name(const struct tsc_shim *shim) {
    if (shim->state == TSC_STATE_ENDED && shim->status.started.tv_sec == 0)
        return state_names[TSC_STATE_CREATED];
    return state_names[shim->state];
}

static void add_string(struct tsc_text *text, const char *key, const char *value) {
    tsc_text_format(text, ",\"%s\":", key);
    tsc_text_json(text, value, strlen(value));
}

static void add_time(struct tsc_text *text, const char *key, const struct timespec *time) {
    char value[TSC_TIME_SIZE];
    tsc_time_format(time, value);
    add_string(text, key, value);
}

static void add_bool(struct tsc_text *text, const char *key, bool value) {
    tsc_text_format(text, ",\"%s\":%s", key, value ? "true" : "false");
}

static void add_error(struct tsc_text *text, const struct tsc_error *error) {
    if (error->code == 0) {
        tsc_text_string(text, ",\"error\":null");
        return;
    }
    tsc_text_format(text, ",\"error\":{\"errno\":%d", error->code);
    add_string(text, "step", error->step);
    add_string(text, "path", error->path);
    add_string(text, "message", strerror(error->code));
    tsc_text_string(text, "}");
}

void tsc_status_text(const struct tsc_shim *shim, struct tsc_text *text) {
    const struct tsc_status *status = &shim->status;
    tsc_text_string(text, "{\"version\":1");
    add_string(text, "id", shim->options->id);
    add_string(text, "state", state_name(shim));
    tsc_text_format(text,
                    ",\"shim\":%d,\"shimStart\":%" PRIu64 ",\"socket\":%" PRIu64
                    ",\"pid\":%d,\"pidStart\":%" PRIu64,
                    (int)getpid(), status->shim_start, status->socket, (int)status->pid, status->pid_start);
    add_time(text, "startedAt", &status->started);
    add_time(text, "finishedAt", &status->finished);
    tsc_text_format(text, ",\"exitCode\":%d,\"signal\":%d", status->exit_code, status->signal);
    add_bool(text, "oomKilled", status->oom_killed);
    tsc_text_format(text, ",\"restarts\":%" PRId64, status->restarts);
    add_bool(text, "stopRequested", status->stop_requested);
    tsc_health_text(shim->health, text);
    add_error(text, &status->error);
    tsc_text_string(text, "}\n");
}

int tsc_status_write(const struct tsc_shim *shim) {
    struct tsc_text text = {0};
    tsc_status_text(shim, &text);
    int error =
        text.failed ? -ENOMEM : tsc_file_replace(shim->run_dir, "status", 0644, text.bytes, text.size);
    tsc_text_free(&text);
    return error;
}
