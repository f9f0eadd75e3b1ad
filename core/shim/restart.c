/* Whether a container that ended is launched again, and when: Docker's policies, with delay, attempts and window of Swarm. */
#include <string.h>

#include "supervise.h"

enum {
    BACKOFF_FIRST_MS = 100, /* Docker's: doubled at each restart, */
    BACKOFF_LAST_MS = 60000,
    BACKOFF_RESET_MS = 10000, /* and forgotten when the container ran so long */
};

static const struct tsc_step *restart_step(const struct tsc_shim *shim) {
    return tsc_program_find(&shim->program, TSC_STEP_RESTART, NULL);
}

int64_t tsc_restart_delay(struct tsc_shim *shim) {
    const struct tsc_step *step = restart_step(shim);
    int64_t fixed = tsc_step_integer(step, 2);
    if (tsc_now() - shim->started_ms >= BACKOFF_RESET_MS)
        shim->backoff_ms = 0;
    int64_t delay = shim->backoff_ms == 0 ? BACKOFF_FIRST_MS : shim->backoff_ms * 2;
    shim->backoff_ms = delay > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : delay;
    return fixed >= 0 ? fixed : shim->backoff_ms;
}

bool tsc_restart_is_wanted(struct tsc_shim *shim) {
    const struct tsc_step *step = restart_step(shim);
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
