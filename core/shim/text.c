/* Text that grows, and JSON and times as Docker writes them. */
#include "text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct tsc_text *text, size_t more) {
    if (text->capacity - text->size >= more)
        return true;
    if (text->start > text->size / 2) {
        memmove(text->bytes, text->bytes + text->start, text->size - text->start);
        text->size -= text->start;
        text->start = 0;
    }
    size_t capacity = text->capacity ? text->capacity : 256;
    while (capacity - text->size < more)
        capacity *= 2;
    char *grown = realloc(text->bytes, capacity);
    if (!grown) {
        text->failed = 1;
        return false;
    }
    text->bytes = grown;
    text->capacity = capacity;
    return true;
}

void tsc_text_append(struct tsc_text *text, const void *bytes, size_t size) {
    if (size == 0 || !reserve(text, size))
        return;
    memcpy(text->bytes + text->size, bytes, size);
    text->size += size;
}

void tsc_text_string(struct tsc_text *text, const char *string) {
    tsc_text_append(text, string, strlen(string));
}

void tsc_text_format(struct tsc_text *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0 || !reserve(text, (size_t)length + 1))
        return;
    va_start(arguments, format);
    vsnprintf(text->bytes + text->size, (size_t)length + 1, format, arguments);
    va_end(arguments);
    text->size += (size_t)length;
}

/* The length of the UTF-8 sequence at `p`, 0 when it is none. */
static size_t sequence_length(const unsigned char *p, size_t left) {
    unsigned char first = p[0];
    size_t length = first >= 0xC2 && first < 0xE0   ? 2
                    : first >= 0xE0 && first < 0xF0 ? 3
                    : first >= 0xF0 && first < 0xF5 ? 4
                                                    : 0;
    if (length == 0 || length > left)
        return 0;
    unsigned char low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    unsigned char high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

/* Printable ASCII that stands for itself. */
static const bool plain[256] = {
    [' ' ... '!'] = true, ['#' ... '%'] = true, ['\'' ... ';'] = true,
    ['='] = true,         ['?' ... '['] = true, [']' ... 0x7F] = true,
};

static void escape_ascii(struct tsc_text *text, unsigned char c) {
    static const char digits[] = "0123456789abcdef";
    char unicode[] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    char brief[] = {'\\', c == '\n' ? 'n' : c == '\r' ? 'r' : (char)c};
    bool has_brief = c == '"' || c == '\\' || c == '\n' || c == '\r';
    tsc_text_append(text, has_brief ? brief : unicode, has_brief ? sizeof(brief) : sizeof(unicode));
}

void tsc_text_escape(struct tsc_text *text, const char *bytes, size_t size) {
    const unsigned char *p = (const unsigned char *)bytes;
    for (size_t at = 0; at < size;) {
        size_t run = at;
        while (run < size && plain[p[run]])
            run++;
        tsc_text_append(text, p + at, run - at);
        at = run;
        if (at == size)
            return;
        if (p[at] < 0x80) {
            escape_ascii(text, p[at++]);
            continue;
        }
        size_t length = sequence_length(p + at, size - at);
        bool separator = length == 3 && p[at] == 0xE2 && p[at + 1] == 0x80 && (p[at + 2] & 0xFE) == 0xA8;
        if (length == 0)
            tsc_text_string(text, "\\ufffd");
        else if (separator)
            tsc_text_string(text, p[at + 2] == 0xA8 ? "\\u2028" : "\\u2029");
        else
            tsc_text_append(text, p + at, length);
        at += length > 0 ? length : 1;
    }
}

void tsc_text_json(struct tsc_text *text, const char *bytes, size_t size) {
    tsc_text_append(text, "\"", 1);
    tsc_text_escape(text, bytes, size);
    tsc_text_append(text, "\"", 1);
}

void tsc_text_consume(struct tsc_text *text, size_t size) {
    text->start += size;
    if (text->start == text->size)
        tsc_text_free(text);
}

void tsc_text_free(struct tsc_text *text) {
    free(text->bytes);
    *text = (struct tsc_text){0};
}

struct timespec tsc_time_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now;
}

void tsc_time_format(const struct timespec *time, char text[TSC_TIME_SIZE]) {
    text[0] = '\0';
    if (time->tv_sec == 0)
        return;
    struct tm parts;
    gmtime_r(&time->tv_sec, &parts);
    size_t length = strftime(text, TSC_TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    if (time->tv_nsec > 0) {
        length += (size_t)snprintf(text + length, TSC_TIME_SIZE - length, ".%09ld", time->tv_nsec);
        while (text[length - 1] == '0')
            length--;
    }
    snprintf(text + length, TSC_TIME_SIZE - length, "Z");
}
