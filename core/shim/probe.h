/* Probes of the health check that need no program in the container. */
#ifndef TSC_PROBE_H
#define TSC_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "supervise.h"

enum { TSC_LINE_MAX = 4096 };

/* Watches the output of the container for a line. */
struct tsc_line_watch {
    void *pattern; /* regex_t */
    bool seen;
    size_t length[2];
    char line[2][TSC_LINE_MAX];
};

/* Whether the program has PROBE of the kind "log". */
bool tsc_probe_is_log(const struct tsc_step *probe);
int tsc_line_watch_open(const struct tsc_step *probe, struct tsc_line_watch **ret, struct tsc_error *reterr);
/* True once, when the line came. */
bool tsc_line_watch_feed(struct tsc_line_watch *watch, int stream, const char *bytes, size_t size);

/* Starts a process in the namespaces of the shim, whose network is the container's: it exits with 0 or 1 and says why to `output`. */
int tsc_probe_start(const struct tsc_step *probe, pid_t container, int output, struct tsc_process *ret,
                    struct tsc_error *reterr);

#endif
