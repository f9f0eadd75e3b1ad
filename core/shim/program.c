/* Decoding a launch program: everything that launch.h does not allow is refused. */
#include "program.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fd.h"

enum { PROGRAM_LIMIT = 16 << 20, INTEGER_SIZE = 8 };

struct definition {
    uint32_t op;
    const char *name;
    const char *signature;
};

static const struct definition definitions[] = {
#define X(number, name, signature, phase) {number, #name, signature},
    TSC_STEPS(X)
#undef X
};

struct cursor {
    const uint8_t *bytes;
    size_t size;
    size_t at;
};

static const struct definition *find_definition(uint32_t op) {
    for (size_t i = 0; i < TSC_COUNT(definitions); i++)
        if (definitions[i].op == op)
            return &definitions[i];
    return NULL;
}

const char *tsc_step_name(uint32_t op) {
    const struct definition *definition = find_definition(op);
    return definition ? definition->name : "";
}

static bool take_number(struct cursor *cursor, uint32_t *ret) {
    if (cursor->size - cursor->at < 4)
        return false;
    const uint8_t *p = cursor->bytes + cursor->at;
    *ret = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    cursor->at += 4;
    return true;
}

static int64_t integer_of(const uint8_t *p) {
    uint64_t value = 0;
    for (int i = INTEGER_SIZE - 1; i >= 0; i--)
        value = value << 8 | p[i];
    return (int64_t)value;
}

/* The letter for argument `index`: a final `*` repeats the one before it. */
static char letter_of(const char *signature, uint32_t index) {
    size_t length = strlen(signature);
    bool repeats = length > 0 && signature[length - 1] == '*';
    size_t fixed = repeats ? length - 1 : length;
    if (index < fixed)
        return signature[index];
    return repeats ? signature[fixed - 1] : '\0';
}

static bool count_fits(const char *signature, uint32_t count) {
    size_t length = strlen(signature);
    if (length > 0 && signature[length - 1] == '*')
        return count >= length - 2;
    return count == length;
}

static bool take_argument(struct cursor *cursor, char letter, struct tsc_argument *ret) {
    uint32_t length;
    if (!take_number(cursor, &length) || cursor->size - cursor->at < (size_t)length + 1)
        return false;
    const uint8_t *bytes = cursor->bytes + cursor->at;
    cursor->at += (size_t)length + 1;
    if (bytes[length] != 0)
        return false;
    if (letter == 'i' && length != INTEGER_SIZE)
        return false;
    if (letter == 's' && memchr(bytes, 0, length))
        return false;
    *ret = (struct tsc_argument){(const char *)bytes, length, letter == 'i' ? integer_of(bytes) : 0};
    return true;
}

/* One pass over all steps; the first only counts, with steps and arguments NULL. */
static const char *walk(struct cursor *cursor, uint32_t step_count, struct tsc_step *steps,
                        struct tsc_argument *arguments, size_t *ret_arguments) {
    size_t used = 0;
    for (uint32_t i = 0; i < step_count; i++) {
        uint32_t op;
        uint32_t count;
        if (!take_number(cursor, &op) || !take_number(cursor, &count))
            return "truncated step";
        const struct definition *definition = find_definition(op);
        if (!definition)
            return "unknown step";
        if (!count_fits(definition->signature, count))
            return definition->name;
        if (steps)
            steps[i] = (struct tsc_step){op, count, arguments + used};
        for (uint32_t k = 0; k < count; k++, used++) {
            struct tsc_argument scratch;
            if (!take_argument(cursor, letter_of(definition->signature, k),
                               arguments ? &arguments[used] : &scratch))
                return definition->name;
        }
    }
    *ret_arguments = used;
    return cursor->at == cursor->size ? NULL : "bytes after the last step";
}

static const char *take_header(struct cursor *cursor, uint32_t *ret_count) {
    uint32_t version;
    uint32_t reserved;
    if (cursor->size < 4 || memcmp(cursor->bytes, TSC_LAUNCH_MAGIC, 4) != 0)
        return "magic";
    cursor->at = 4;
    if (!take_number(cursor, &version) || version != TSC_LAUNCH_VERSION)
        return "version";
    if (!take_number(cursor, ret_count) || !take_number(cursor, &reserved) || reserved != 0)
        return "header";
    /* Each step takes at least eight bytes: no allocation is larger than the file justifies. */
    return *ret_count <= (cursor->size - cursor->at) / 8 ? NULL : "number of steps";
}

int tsc_program_decode(const uint8_t *bytes, size_t size, struct tsc_program *ret, struct tsc_error *reterr) {
    struct cursor cursor = {bytes, size, 0};
    uint32_t count = 0;
    size_t argument_count = 0;
    const char *wrong = take_header(&cursor, &count);
    size_t first = cursor.at;
    if (!wrong)
        wrong = walk(&cursor, count, NULL, NULL, &argument_count);
    if (wrong)
        return tsc_fail(reterr, -EBADMSG, "decode launch program", wrong);
    tsc_auto_free struct tsc_step *steps = calloc((size_t)count + 1, sizeof(*steps));
    tsc_auto_free struct tsc_argument *arguments = calloc(argument_count + 1, sizeof(*arguments));
    if (!steps || !arguments)
        return tsc_fail(reterr, -ENOMEM, "decode launch program", "");
    cursor.at = first;
    walk(&cursor, count, steps, arguments, &argument_count);
    ret->count = count;
    ret->steps = tsc_take_pointer(steps);
    ret->arguments = tsc_take_pointer(arguments);
    return 0;
}

int tsc_program_load(const char *path, struct tsc_program *ret, struct tsc_error *reterr) {
    tsc_auto_free uint8_t *bytes = NULL;
    size_t size;
    int error = tsc_file_read(AT_FDCWD, path, PROGRAM_LIMIT, &bytes, &size);
    if (error < 0)
        return tsc_fail(reterr, error, "read launch program", path);
    struct tsc_program program = {0};
    error = tsc_program_decode(bytes, size, &program, reterr);
    if (error < 0)
        return error;
    program.bytes = tsc_take_pointer(bytes);
    *ret = program;
    return 0;
}

void tsc_program_free(struct tsc_program *program) {
    free(program->bytes);
    free(program->arguments);
    free(program->steps);
    *program = (struct tsc_program){0};
}

const struct tsc_step *tsc_program_find(const struct tsc_program *program, uint32_t op,
                                        const struct tsc_step *previous) {
    const struct tsc_step *end = program->steps + program->count;
    for (const struct tsc_step *step = previous ? previous + 1 : program->steps; step < end; step++)
        if (step->op == op)
            return step;
    return NULL;
}
