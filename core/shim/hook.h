/* Hooks of the OCI runtime specification: programs that read the container's state on standard input. */
#ifndef TSC_HOOK_H
#define TSC_HOOK_H

#include <sys/types.h>

#include "program.h"

struct tsc_hook_state {
    const struct tsc_program *program; /* has HOOK_STATE and the HOOKs */
    const char *status;
    pid_t pid;
    int network; /* network namespace that the hook runs in, or -1: the caller's */
};

/* Runs one HOOK and waits for it. A failure is named by its program, exit code and last words. */
int tsc_hook_run(const struct tsc_step *hook, const struct tsc_hook_state *state, struct tsc_error *reterr);
/* All of one moment (TSC_HOOK_*), in their order, up to the first that fails. */
int tsc_hooks_run(int moment, const struct tsc_hook_state *state, struct tsc_error *reterr);

#endif
