/* What a fuzz target has; fuzz_main.c drives it where there is no libFuzzer. */
#ifndef TSC_FUZZ_H
#define TSC_FUZZ_H

#include <stddef.h>
#include <stdint.h>

enum { FUZZ_SIZE = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
/* A valid input, one of several, to mutate; its size, at most FUZZ_SIZE / 2. */
size_t fuzz_seed(unsigned which, uint8_t *bytes);

#endif
