/* Text that grows, and JSON and times as Docker writes them. */
#ifndef TSC_TEXT_H
#define TSC_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* Bytes from `start` to `size`; out of memory is remembered in `failed`, what follows is dropped. */
struct tsc_text {
    char *bytes;
    size_t start;
    size_t size;
    size_t capacity;
    int failed;
};

void tsc_text_append(struct tsc_text *text, const void *bytes, size_t size);
void tsc_text_string(struct tsc_text *text, const char *string);
__attribute__((format(printf, 2, 3))) void tsc_text_format(struct tsc_text *text, const char *format, ...);
/* The inside of a JSON string, escaped as Go's encoder for logs does: also <, >, &, U+2028 and U+2029, U+FFFD for
 * what is not UTF-8. */
void tsc_text_escape(struct tsc_text *text, const char *bytes, size_t size);
/* With the quotes. */
void tsc_text_json(struct tsc_text *text, const char *bytes, size_t size);
/* Takes `size` bytes off the front. */
void tsc_text_consume(struct tsc_text *text, size_t size);
void tsc_text_free(struct tsc_text *text);

static inline size_t tsc_text_length(const struct tsc_text *text) {
    return text->size - text->start;
}

enum { TSC_TIME_SIZE = 36 };
/* RFC 3339 in UTC with nanoseconds, without trailing zeros of the fraction. "" for the zero time. */
void tsc_time_format(const struct timespec *time, char text[TSC_TIME_SIZE]);
struct timespec tsc_time_now(void);

#endif
