/* Restarts at a clock of our own: `unit_restart PROGRAM RUN_MS:EXIT_CODE...` prints the delay after each run, or `ends`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "supervise.h"

static int64_t now = 1000;

int64_t tsc_now(void) {
    return now;
}

int main(int argc, char *argv[]) {
    static struct tsc_shim shim;
    struct tsc_error error = {0};
    if (argc < 2 || tsc_program_load(argv[1], &shim.program, &error) < 0)
        return fprintf(stderr, "%s %s: %s\n", error.step, error.path, strerror(error.code)), 1;
    for (int i = 2; i < argc; i++) {
        char *code;
        shim.started_ms = now;
        now += strtoll(argv[i], &code, 10);
        shim.status.exit_code = *code == ':' ? atoi(code + 1) : 0;
        if (!tsc_restart_is_wanted(&shim)) {
            puts("ends");
            break;
        }
        int64_t delay = tsc_restart_delay(&shim);
        printf("%lld\n", (long long)delay);
        now += delay;
        shim.attempts++;
    }
    tsc_program_free(&shim.program);
    return 0;
}
