/* Filling struct tsc_error. */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void copy(char *to, size_t size, const char *from) {
    size_t length = from ? strnlen(from, size - 1) : 0;
    if (length > 0)
        memcpy(to, from, length);
    to[length] = '\0';
}

int tsc_fail(struct tsc_error *reterr, int code, const char *step, const char *path) {
    if (reterr) {
        reterr->code = -code;
        copy(reterr->step, sizeof(reterr->step), step);
        copy(reterr->path, sizeof(reterr->path), path);
    }
    return code;
}

int tsc_fail_step(struct tsc_error *reterr, int code, const char *step) {
    if (reterr) {
        reterr->code = -code;
        copy(reterr->step, sizeof(reterr->step), step);
    }
    return code;
}

int tsc_failf(struct tsc_error *reterr, int code, const char *step, const char *format, ...) {
    if (!reterr)
        return code;
    reterr->code = -code;
    copy(reterr->step, sizeof(reterr->step), step);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reterr->path, sizeof(reterr->path), format, arguments);
    va_end(arguments);
    return code;
}
