/* The launch program in memory: steps whose arguments point into the file's bytes. */
#ifndef TSC_PROGRAM_H
#define TSC_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "../include/launch.h"
#include "error.h"

/* A string or bytes (NUL-terminated beyond `length`), or an integer; the signature of the step says which. */
struct tsc_argument {
    const char *bytes;
    uint32_t length;
    int64_t integer;
};

struct tsc_step {
    uint32_t op;
    uint32_t count;
    const struct tsc_argument *arguments;
};

struct tsc_program {
    uint8_t *bytes;
    struct tsc_argument *arguments;
    struct tsc_step *steps;
    size_t count;
};

/* Checks and indexes `bytes`, which the program refers to as long as it lives; -EBADMSG when anything is malformed. */
int tsc_program_decode(const uint8_t *bytes, size_t size, struct tsc_program *ret, struct tsc_error *reterr);
int tsc_program_load(const char *path, struct tsc_program *ret, struct tsc_error *reterr);
void tsc_program_free(struct tsc_program *program);

/* The next step with this number after `previous` (NULL: the first), or NULL. */
const struct tsc_step *tsc_program_find(const struct tsc_program *program, uint32_t op,
                                        const struct tsc_step *previous);

/* "MOUNT" for TSC_STEP_MOUNT; "" for what is none. */
const char *tsc_step_name(uint32_t op);

static inline const char *tsc_step_text(const struct tsc_step *step, uint32_t index) {
    return step->arguments[index].bytes;
}

static inline int64_t tsc_step_integer(const struct tsc_step *step, uint32_t index) {
    return step->arguments[index].integer;
}

#define tsc_program_each(program, number, step)                                       \
    for (const struct tsc_step *step = tsc_program_find(program, number, NULL); step; \
         step = tsc_program_find(program, number, step))

#endif
