/* The container's health check. */
#ifndef TSC_HEALTH_H
#define TSC_HEALTH_H

#include "supervise.h"

/* NULL when the program has no HEALTH. */
int tsc_health_open(struct tsc_shim *shim, struct tsc_error *reterr);
/* The container runs; the check starts anew. */
void tsc_health_start(struct tsc_health *health);
void tsc_health_stop(struct tsc_health *health);
/* While the container is paused nobody asks it. */
void tsc_health_suspend(struct tsc_health *health, bool suspended);
/* The container printed something. */
void tsc_health_output(struct tsc_health *health, int stream, const char *bytes, size_t size);
int tsc_health_probe_now(struct tsc_health *health);
/* `,"health":…` of the status. */
void tsc_health_text(const struct tsc_health *health, struct tsc_text *text);

#endif
