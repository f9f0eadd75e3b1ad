/* Fuzz target: the decoder of launch programs takes any bytes. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "program.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    struct tsc_program program = {0};
    struct tsc_error error = {0};
    if (tsc_program_decode(bytes, size, &program, &error) < 0)
        return error.code == 0 ? abort(), 1 : 0;
    /* Whatever was accepted can be read to its end. */
    size_t sum = 0;
    for (size_t i = 0; i < program.count; i++)
        for (uint32_t k = 0; k < program.steps[i].count; k++) {
            const struct tsc_argument *argument = &program.steps[i].arguments[k];
            for (uint32_t at = 0; at <= argument->length; at++)
                sum += (unsigned char)argument->bytes[at];
            if (argument->bytes[argument->length] != '\0')
                abort();
        }
    if (sum == 0 && program.count > 0 &&
        tsc_program_find(&program, program.steps[0].op, NULL) != program.steps)
        abort();
    tsc_program_free(&program);
    return 0;
}

static size_t number(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (8 * i));
    return 4;
}

size_t fuzz_seed(unsigned which, uint8_t *bytes) {
    static const struct {
        uint32_t op;
        uint32_t count;
    } steps[] = {{TSC_STEP_HOSTNAME, 1},
                 {TSC_STEP_EXEC, 3},
                 {TSC_STEP_PIVOT_ROOT, 0},
                 {TSC_STEP_RLIMIT, 3},
                 {TSC_STEP_SECCOMP, 2}};
    size_t count = 1 + which % 5;
    size_t size = 4;
    memcpy(bytes, TSC_LAUNCH_MAGIC, 4);
    size += number(bytes + size, TSC_LAUNCH_VERSION);
    size += number(bytes + size, (uint32_t)count);
    size += number(bytes + size, 0);
    for (size_t i = 0; i < count; i++) {
        size += number(bytes + size, steps[i].op);
        size += number(bytes + size, steps[i].count);
        for (uint32_t k = 0; k < steps[i].count; k++) {
            size += number(bytes + size, 8);
            memcpy(bytes + size, "argument", 9);
            bytes[size + 8] = 0;
            size += 9;
        }
    }
    return size;
}
