/* Drives a fuzz target with mutations of its seeds: `fuzz_x [ROUNDS [SEED]]`, same numbers, same run; ROUNDS may be a time, `60s`. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fuzz.h"

static uint64_t state;

static unsigned pick(unsigned limit) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 16) % limit;
}

static size_t mutate(uint8_t *bytes, size_t size) {
    static const uint8_t special[] = {0, 1, 0x3F, 0x40, 0x7F, 0x80, 0xC0, 0xFF};
    for (unsigned changes = pick(8); changes > 0; changes--) {
        size_t at = size > 0 ? pick((unsigned)size) : 0;
        switch (pick(6)) {
        case 0:
            bytes[at] = (uint8_t)pick(256);
            break;
        case 1:
            bytes[at] = special[pick(sizeof(special))];
            break;
        case 2:
            bytes[at] ^= (uint8_t)(1u << pick(8));
            break;
        case 3:
            size = at;
            break;
        case 4:
            if (size < FUZZ_SIZE - 64) {
                size_t length = pick(64);
                memmove(bytes + at + length, bytes + at, size - at);
                size += length;
            }
            break;
        default:
            if (size > at + 8)
                memcpy(bytes + at, bytes + pick((unsigned)size - 7), 4);
        }
    }
    return size;
}

static void run(const uint8_t *bytes, size_t size) {
    /* A block of its own size: one byte too far is seen by the sanitizer. */
    uint8_t *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static bool is_over(unsigned long done, unsigned long wanted, time_t until) {
    return until == 0 ? done == wanted : done % 1024 == 0 && time(NULL) >= until;
}

int main(int argc, char *argv[]) {
    static uint8_t bytes[FUZZ_SIZE + 128];
    char *unit = NULL;
    unsigned long wanted = argc > 1 ? strtoul(argv[1], &unit, 10) : 200000;
    time_t until = unit && *unit == 's' ? time(NULL) + (time_t)wanted : 0;
    state = argc > 2 ? strtoull(argv[2], NULL, 10) * 2 + 1 : 0x9E3779B97F4A7C15u;
    unsigned long done = 0;
    for (; !is_over(done, wanted, until); done++) {
        size_t size = fuzz_seed(pick(64), bytes);
        run(bytes, mutate(bytes, size));
    }
    printf("%lu inputs\n", done);
    return 0;
}
