/* Asking systemd for a scope: one D-Bus call on the manager's own socket, for which no bus has to run. */
#include "scope.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"

enum {
    MESSAGE_MAX = 8192,
    ANSWER_MAX = 128 << 10,
    TIMEOUT_MS = 25000,
    ATTEMPTS = 2500, /* of PAUSE_NS: the scope of an earlier run may just be going */
    PAUSE_NS = 2 * 1000 * 1000,
};

/* Types of messages and header fields, and where they are: the D-Bus specification, "Message Protocol". */
enum { METHOD_CALL = 1, METHOD_RETURN = 2, ERROR = 3, FIXED_HEADER = 16 };
enum { FIELD_PATH = 1, FIELD_INTERFACE = 2, FIELD_MEMBER = 3, FIELD_ERROR_NAME = 4, FIELD_SIGNATURE = 8 };

struct message {
    uint8_t bytes[MESSAGE_MAX];
    size_t length;
    bool full;
};

static void put(struct message *message, const void *bytes, size_t size) {
    if (message->full || size > MESSAGE_MAX - message->length) {
        message->full = true;
        return;
    }
    memcpy(message->bytes + message->length, bytes, size);
    message->length += size;
}

static void align(struct message *message, size_t to) {
    static const uint8_t zeros[8];
    put(message, zeros, (to - message->length % to) % to);
}

static void put_byte(struct message *message, uint8_t value) {
    put(message, &value, 1);
}

/* All machines that we run on are little-endian. */
static void put_u32(struct message *message, uint32_t value) {
    align(message, 4);
    put(message, &value, sizeof(value));
}

static void put_u64(struct message *message, uint64_t value) {
    align(message, 8);
    put(message, &value, sizeof(value));
}

static void put_string(struct message *message, const char *text) {
    put_u32(message, (uint32_t)strlen(text));
    put(message, text, strlen(text) + 1);
}

static void put_signature(struct message *message, const char *text) {
    put_byte(message, (uint8_t)strlen(text));
    put(message, text, strlen(text) + 1);
}

static void patch_u32(struct message *message, size_t at, uint32_t value) {
    if (!message->full)
        memcpy(message->bytes + at, &value, sizeof(value));
}

/* Writes the length of an array when all of it is there; `first` is where its first element begins. */
static size_t open_array(struct message *message, size_t alignment, size_t *ret_first) {
    put_u32(message, 0);
    size_t at = message->length - 4;
    align(message, alignment);
    *ret_first = message->length;
    return at;
}

static void close_array(struct message *message, size_t at, size_t first) {
    patch_u32(message, at, (uint32_t)(message->length - first));
}

static void put_field(struct message *message, uint8_t code, const char *signature, const char *text) {
    align(message, 8);
    put_byte(message, code);
    put_signature(message, signature);
    if (*signature == 'g')
        put_signature(message, text);
    else
        put_string(message, text);
}

static void begin_property(struct message *message, const char *name, const char *signature) {
    align(message, 8);
    put_string(message, name);
    put_signature(message, signature);
}

static void put_text_property(struct message *message, const char *name, const char *text) {
    begin_property(message, name, "s");
    put_string(message, text);
}

static void put_pids(struct message *message) {
    size_t first;
    begin_property(message, "PIDs", "au");
    size_t at = open_array(message, 4, &first);
    put_u32(message, (uint32_t)getpid());
    close_array(message, at, first);
}

static void put_properties(struct message *message, const struct tsc_step *step) {
    size_t first;
    size_t at = open_array(message, 8, &first);
    put_text_property(message, "Slice", tsc_step_text(step, 0));
    put_text_property(message, "Description", tsc_step_text(step, 2));
    /* One that failed is forgotten too, so that the container can be started again. */
    put_text_property(message, "CollectMode", "inactive-or-failed");
    begin_property(message, "Delegate", "b");
    put_u32(message, 1);
    /* The container's own limit is on its own group. */
    begin_property(message, "TasksMax", "t");
    put_u64(message, UINT64_MAX);
    put_pids(message);
    close_array(message, at, first);
}

static void put_call(struct message *message, const struct tsc_step *step) {
    size_t first;
    const uint8_t start[] = {'l', METHOD_CALL, 0, 1};
    put(message, start, sizeof(start));
    put_u32(message, 0); /* length of the body */
    put_u32(message, 1); /* serial */
    size_t fields = open_array(message, 8, &first);
    put_field(message, FIELD_PATH, "o", "/org/freedesktop/systemd1");
    put_field(message, FIELD_INTERFACE, "s", "org.freedesktop.systemd1.Manager");
    put_field(message, FIELD_MEMBER, "s", "StartTransientUnit");
    put_field(message, FIELD_SIGNATURE, "g", "ssa(sv)a(sa(sv))");
    close_array(message, fields, first);
    align(message, 8);
    size_t body = message->length;
    put_string(message, tsc_step_text(step, 1));
    put_string(message, "fail");
    put_properties(message, step);
    size_t none;
    (void)open_array(message, 8, &none); /* no further units */
    patch_u32(message, 4, (uint32_t)(message->length - body));
}

static int connect_manager(char path[PATH_MAX]) {
    uid_t uid = geteuid();
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int length = uid == 0 ? snprintf(path, PATH_MAX, "/run/systemd/private")
                          : snprintf(path, PATH_MAX, "/run/user/%lu/systemd/private", (unsigned long)uid);
    if (length < 0 || (size_t)length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, (size_t)length + 1);
    tsc_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval limit = {.tv_sec = TIMEOUT_MS / 1000};
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return tsc_take_fd(&fd);
}

static int send_all(int fd, const void *bytes, size_t size) {
    for (const uint8_t *at = bytes; size > 0;) {
        ssize_t count = send(fd, at, size, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : -EPIPE;
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

static int receive_all(int fd, void *bytes, size_t size) {
    for (uint8_t *at = bytes; size > 0;) {
        ssize_t count = tsc_fd_read(fd, at, size);
        if (count <= 0)
            return count < 0 ? (int)count : -ECONNRESET;
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

/* EXTERNAL: who we are is what the kernel says of the socket. */
static int authenticate(int fd) {
    char digits[16];
    char line[128] = "";
    snprintf(digits, sizeof(digits), "%lu", (unsigned long)geteuid());
    int length = snprintf(line + 1, sizeof(line) - 1, "AUTH EXTERNAL ");
    for (const char *digit = digits; *digit; digit++)
        length += snprintf(line + 1 + length, sizeof(line) - 1 - (size_t)length, "%02x", *digit);
    length += snprintf(line + 1 + length, sizeof(line) - 1 - (size_t)length, "\r\n");
    int error = send_all(fd, line, (size_t)length + 1);
    size_t count = 0;
    while (error == 0 && count < sizeof(line) && (count == 0 || line[count - 1] != '\n'))
        error = receive_all(fd, line + count++, 1);
    if (error == 0 && (count < 3 || memcmp(line, "OK ", 3) != 0))
        error = -EACCES;
    return error < 0 ? error : send_all(fd, "BEGIN\r\n", 7);
}

struct answer {
    uint8_t header[FIXED_HEADER];
    uint8_t *rest; /* fields, padding and body */
    size_t size;
};

static uint32_t u32_at(const uint8_t *bytes, size_t at) {
    uint32_t value;
    memcpy(&value, bytes + at, sizeof(value));
    return value;
}

static int receive(int fd, struct answer *answer) {
    int error = receive_all(fd, answer->header, FIXED_HEADER);
    if (error < 0)
        return error;
    size_t fields = u32_at(answer->header, 12);
    size_t body = u32_at(answer->header, 4);
    if (answer->header[0] != 'l' || fields > ANSWER_MAX || body > ANSWER_MAX)
        return -EPROTO;
    answer->size = (fields + 7) / 8 * 8 + body;
    answer->rest = malloc(answer->size + 1);
    if (!answer->rest)
        return -ENOMEM;
    answer->rest[answer->size] = '\0';
    return receive_all(fd, answer->rest, answer->size);
}

/* The name of an error begins like this, whatever comes before it among the fields. */
static bool says(const struct answer *answer, const char *words) {
    return memmem(answer->rest, answer->size, words, strlen(words)) != NULL;
}

/* 0: done, -EEXIST: there still is such a unit. */
static int call(int fd, const struct message *message, struct tsc_error *reterr) {
    int error = send_all(fd, message->bytes, message->length);
    for (;;) {
        struct answer answer = {.size = 0};
        if (error == 0)
            error = receive(fd, &answer);
        tsc_auto_free uint8_t *rest = answer.rest;
        if (error < 0)
            return tsc_fail(reterr, error, "", "answer of systemd");
        if (answer.header[1] == METHOD_RETURN)
            return 0;
        if (answer.header[1] != ERROR)
            continue;
        if (says(&answer, "systemd1.UnitExists"))
            return -EEXIST;
        /* The body is one string: the sentence for humans. */
        size_t body = u32_at(answer.header, 4);
        const char *sentence = body > 4 ? (const char *)rest + answer.size - body + 4 : "";
        return tsc_fail(reterr, says(&answer, "AccessDenied") ? -EACCES : -EREMOTEIO, "", sentence);
    }
}

static void breathe(void) {
    nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

/* The call is answered when the job is queued. */
static int await_scope(const char *unit, struct tsc_error *reterr) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        uint8_t *bytes;
        size_t size;
        int error = tsc_file_read(AT_FDCWD, "/proc/self/cgroup", ANSWER_MAX, &bytes, &size);
        if (error < 0)
            return tsc_fail(reterr, error, "", "/proc/self/cgroup");
        tsc_auto_free char *text = (char *)bytes;
        if (strstr(text, unit))
            return 0;
        breathe();
    }
    return tsc_fail(reterr, -ETIMEDOUT, "", unit);
}

/* Nothing may be in a v2 group that gives controllers to groups below it. */
static int step_aside(const char *directory, struct tsc_error *reterr) {
    char path[PATH_MAX];
    int length = snprintf(path, sizeof(path), "%s/cgroup.procs", directory);
    if (length < 0 || (size_t)length >= sizeof(path))
        return tsc_fail(reterr, -ENAMETOOLONG, "", directory);
    if (mkdir(directory, 0755) < 0 && errno != EEXIST)
        return tsc_fail(reterr, -errno, "", directory);
    int error = tsc_file_write(AT_FDCWD, path, "0");
    return error < 0 ? tsc_fail(reterr, error, "", path) : 0;
}

int tsc_scope_enter(const struct tsc_step *step, struct tsc_error *reterr) {
    char path[PATH_MAX];
    const char *unit = tsc_step_text(step, 1);
    struct message message = {.length = 0};
    put_call(&message, step);
    if (message.full)
        return tsc_fail(reterr, -E2BIG, "", unit);
    tsc_auto_fd int fd = connect_manager(path);
    int error = fd < 0 ? fd : authenticate(fd);
    if (error < 0)
        return tsc_fail(reterr, error, "", path);
    error = -EEXIST;
    for (int attempt = 0; attempt < ATTEMPTS && error == -EEXIST; attempt++) {
        if (attempt > 0)
            breathe();
        error = call(fd, &message, reterr);
    }
    if (error == -EEXIST)
        return tsc_fail(reterr, error, "", unit);
    if (error == 0)
        error = await_scope(unit, reterr);
    const char *aside = tsc_step_text(step, 3);
    return error == 0 && *aside ? step_aside(aside, reterr) : error;
}
