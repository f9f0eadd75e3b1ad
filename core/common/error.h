/* The one error shape: what could not be done, to which object, and the errno. */
#ifndef TSC_ERROR_H
#define TSC_ERROR_H

#include <errno.h>

#include "../include/tscore.h"

/* Fills `reterr` (may be NULL) and returns `code`, a negative errno: `return tsc_fail(reterr, -errno, "mount", path);` */
int tsc_fail(struct tsc_error *reterr, int code, const char *step, const char *path);

/* Names the step of an error whose path is filled already. */
int tsc_fail_step(struct tsc_error *reterr, int code, const char *step);

/* Like tsc_fail() with a formatted path. */
__attribute__((format(printf, 4, 5))) int tsc_failf(struct tsc_error *reterr, int code, const char *step,
                                                    const char *format, ...);

#endif
