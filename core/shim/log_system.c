/* The log drivers journald and syslog: a message an entry. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

static void deliver(struct tsc_log *log) {
    tsc_receiver_send(&log->receiver, log->message.bytes, tsc_text_length(&log->message));
    log->message.start = log->message.size = 0;
    log->message.failed = 0;
}

static int severity(enum tsc_stream stream) {
    return stream == TSC_STDERR ? LOG_ERR : LOG_INFO;
}

/* --- journald --- */

static int journald_open(struct tsc_log *log) {
    return tsc_receiver_open(&log->receiver, "unixgram /run/systemd/journal/socket");
}

static void journald_entry(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size,
                           bool partial) {
    /* The message may hold anything, so it goes in the binary form: name, newline, 64-bit little-endian length, bytes. */
    uint8_t length[8] = {0};
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)(size >> (8 * i));
    tsc_text_string(&log->message, "MESSAGE\n");
    tsc_text_append(&log->message, length, sizeof(length));
    tsc_text_append(&log->message, line, size);
    tsc_text_format(&log->message,
                    "\nPRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nCONTAINER_TAG=%s\nCONTAINER_ID=%.12s\n"
                    "CONTAINER_ID_FULL=%s\nSYSLOG_TIMESTAMP=%s\n%s%s",
                    severity(stream), log->tag, log->tag, log->id, log->id, log->time, log->attributes,
                    partial ? "CONTAINER_PARTIAL_MESSAGE=true\n" : "");
    deliver(log);
}

/* --- syslog --- */

static int syslog_open(struct tsc_log *log) {
    if (*log->destination)
        return tsc_receiver_open(&log->receiver, log->destination);
    int error = tsc_receiver_open(&log->receiver, "unixgram /dev/log");
    return error == -EPROTOTYPE ? tsc_receiver_open(&log->receiver, "unix /dev/log") : error;
}

/* As RFC 3164, with the name of the machine or, as a local daemon takes it, without. */
static void old_header(struct tsc_log *log, int priority, const char *host) {
    char time[32];
    struct tm parts;
    localtime_r(&log->now.tv_sec, &parts);
    strftime(time, sizeof(time), "%b %e %H:%M:%S", &parts);
    tsc_text_format(&log->message, "<%d>%s %s%s%s[%d]: ", priority, time, host, *host ? " " : "", log->tag,
                    (int)getpid());
}

static void new_header(struct tsc_log *log, int priority, const char *host, bool micro) {
    char time[40];
    char zone[8];
    char fraction[24] = "";
    struct tm parts;
    localtime_r(&log->now.tv_sec, &parts);
    strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &parts);
    strftime(zone, sizeof(zone), "%z", &parts);
    if (micro)
        snprintf(fraction, sizeof(fraction), ".%06ld", log->now.tv_nsec / 1000);
    tsc_text_format(&log->message, "<%d>1 %s%s%.3s:%.2s %s %s %d %s - ", priority, time, fraction, zone,
                    zone + 3, host, log->tag, (int)getpid(), log->tag);
}

static void syslog_entry(struct tsc_log *log, enum tsc_stream stream, const char *line, size_t size,
                         bool partial) {
    (void)partial;
    char host[65] = "";
    int priority = log->facility << 3 | severity(stream);
    if (*log->format && gethostname(host, sizeof(host) - 1) < 0)
        snprintf(host, sizeof(host), "-");
    if (strncmp(log->format, "rfc5424", 7) == 0)
        new_header(log, priority, host, strcmp(log->format, "rfc5424micro") == 0);
    else
        old_header(log, priority, host);
    tsc_text_append(&log->message, line, size);
    if (log->receiver.type == SOCK_STREAM)
        tsc_text_append(&log->message, "\n", 1);
    deliver(log);
}

const struct tsc_log_driver tsc_log_journald = {"journald", journald_open, journald_entry};
const struct tsc_log_driver tsc_log_syslog = {"syslog", syslog_open, syslog_entry};
