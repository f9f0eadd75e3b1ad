/* The launch connection and the control socket: lines, and frames after `attach`. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../include/shim.h"
#include "cleanup.h"
#include "fd.h"
#include "health.h"
#include "names.h"
#include "supervise.h"

enum {
    LINE_LIMIT = 4 << 20,
    FRAME_HEADER = 8,
    FRAME_LIMIT = 1 << 20,
    QUEUE_HIGH = 1 << 20, /* the container's output waits for a client that has so much to take */
    STALL_MS = 2000,      /* but only so long: then the client is dropped */
    READ_SIZE = 16384,
};

struct tsc_client {
    struct tsc_shim *shim;
    struct tsc_source source;
    struct tsc_text in;
    struct tsc_text out;
    struct tsc_timer stall;
    bool launch;
    bool attached;
    bool input;
    bool output;
    bool stays; /* over restarts */
    bool watching;
    bool awaits_stop;
    bool closing;   /* when all is sent */
    bool lingering; /* all is sent: waits for the other side to close */
    bool dead;
    struct tsc_client *next;
};

static void client_ready(void *data, uint32_t events);

/* --- sending --- */

static void sweep(void *data) {
    struct tsc_shim *shim = data;
    for (struct tsc_client **at = &shim->clients; *at;) {
        struct tsc_client *client = *at;
        if (!client->dead) {
            at = &client->next;
            continue;
        }
        *at = client->next;
        tsc_text_free(&client->in);
        tsc_text_free(&client->out);
        free(client);
    }
}

bool tsc_clients_are_full(const struct tsc_shim *shim) {
    for (const struct tsc_client *client = shim->clients; client; client = client->next)
        if (!client->dead && tsc_text_length(&client->out) >= QUEUE_HIGH)
            return true;
    return false;
}

static void drop(struct tsc_client *client) {
    struct tsc_shim *shim = client->shim;
    if (client->dead)
        return;
    client->dead = true;
    tsc_loop_close(&shim->loop, &client->source);
    tsc_timer_clear(&shim->loop, &client->stall);
    tsc_timer_set(&shim->loop, &shim->sweep_timer, 0);
    tsc_streams_update(shim);
    if (client->attached && client->input)
        tsc_streams_end_input(shim);
    if (client->launch)
        tsc_supervise(shim, TSC_EVENT_HANGUP, NULL);
}

static void stalled(void *data) {
    drop(data);
}

/* What the client still writes must meet an open socket: a refused write would make it throw away what it has not read. */
static void linger(struct tsc_client *client) {
    client->lingering = true;
    client->input = client->output = false;
    shutdown(client->source.fd, SHUT_WR);
    tsc_timer_set(&client->shim->loop, &client->stall, STALL_MS);
    tsc_loop_watch(&client->shim->loop, &client->source, EPOLLIN | EPOLLRDHUP);
}

static void update(struct tsc_client *client) {
    bool waits = client->input && tsc_text_length(&client->shim->input) >= TSC_INPUT_LIMIT;
    uint32_t events = (waits ? 0u : (uint32_t)EPOLLIN) | EPOLLRDHUP;
    if (waits)
        events = 0;
    if (tsc_text_length(&client->out) > 0)
        events |= EPOLLOUT;
    tsc_loop_watch(&client->shim->loop, &client->source, events);
}

static void flush(struct tsc_client *client) {
    bool full = tsc_text_length(&client->out) >= QUEUE_HIGH;
    while (tsc_text_length(&client->out) > 0) {
        ssize_t sent = send(client->source.fd, client->out.bytes + client->out.start,
                            tsc_text_length(&client->out), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN) {
            drop(client);
            return;
        }
        if (sent < 0)
            break;
        tsc_text_consume(&client->out, (size_t)sent);
        tsc_timer_clear(&client->shim->loop, &client->stall);
    }
    if (client->closing && tsc_text_length(&client->out) == 0) {
        if (!client->lingering)
            linger(client);
        return;
    }
    if (tsc_text_length(&client->out) >= QUEUE_HIGH && !client->stall.added)
        tsc_timer_set(&client->shim->loop, &client->stall, STALL_MS);
    if (full && tsc_text_length(&client->out) < QUEUE_HIGH)
        tsc_streams_update(client->shim);
    update(client);
}

static void say(struct tsc_client *client, const char *line) {
    if (client->dead || client->attached)
        return;
    tsc_text_string(&client->out, line);
    flush(client);
}

static void answer(struct tsc_client *client, int error, const char *step, const char *path) {
    char line[768];
    if (error == 0)
        snprintf(line, sizeof(line), "ok\n");
    else
        snprintf(line, sizeof(line), "error %d\t%.60s\t%.600s\n", -error, step, path);
    for (char *at = line; *at; at++)
        if (*at == '\n' && at[1])
            *at = ' ';
    say(client, line);
}

static void frame(struct tsc_client *client, enum tsc_frame type, const void *bytes, size_t size) {
    uint8_t header[FRAME_HEADER] = {
        (uint8_t)type, 0, 0, 0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8),
        (uint8_t)size};
    tsc_text_append(&client->out, header, sizeof(header));
    tsc_text_append(&client->out, bytes, size);
    flush(client);
}

static void say_status(struct tsc_client *client) {
    struct tsc_text text = {0};
    tsc_text_string(&text, "status ");
    tsc_status_text(client->shim, &text);
    tsc_text_append(&text, "", 1);
    if (!text.failed)
        say(client, text.bytes);
    tsc_text_free(&text);
}

/* --- requests --- */

typedef void request_verb(struct tsc_client *client, char *arguments);

static bool next_number(char **arguments, int64_t *ret) {
    char *end;
    errno = 0;
    long long value = strtoll(*arguments, &end, 10);
    if (end == *arguments || errno != 0)
        return false;
    *ret = value;
    *arguments = end;
    return true;
}

static void supervise(struct tsc_client *client, enum tsc_event event, const struct tsc_request *request,
                      const char *verb) {
    int error = tsc_supervise(client->shim, event, request);
    answer(client, error, client->shim->status.error.code ? client->shim->status.error.step : verb,
           client->shim->status.error.code ? client->shim->status.error.path : "");
}

static void verb_launch(struct tsc_client *client, char *arguments) {
    (void)arguments;
    supervise(client, TSC_EVENT_LAUNCH, NULL, "launch");
}

static void verb_start(struct tsc_client *client, char *arguments) {
    (void)arguments;
    supervise(client, TSC_EVENT_START, NULL, "start");
}

static void verb_stop(struct tsc_client *client, char *arguments) {
    struct tsc_request request = {.signal = 0, .grace_ms = INT64_MIN};
    int64_t number;
    if (next_number(&arguments, &number)) {
        request.signal = (int)number;
        if (next_number(&arguments, &number))
            request.grace_ms = number;
    }
    client->awaits_stop = true;
    int error = tsc_supervise(client->shim, TSC_EVENT_STOP, &request);
    if (error < 0 && !client->dead) {
        client->awaits_stop = false;
        answer(client, error, "stop", "");
    }
}

static void verb_kill(struct tsc_client *client, char *arguments) {
    int64_t number;
    if (!next_number(&arguments, &number) || number < 0 || number >= NSIG) {
        answer(client, -EINVAL, "kill", "");
        return;
    }
    struct tsc_request request = {.signal = (int)number};
    supervise(client, TSC_EVENT_KILL, &request, "kill");
}

static void verb_pause(struct tsc_client *client, char *arguments) {
    (void)arguments;
    supervise(client, TSC_EVENT_PAUSE, NULL, "pause");
}

static void verb_unpause(struct tsc_client *client, char *arguments) {
    (void)arguments;
    supervise(client, TSC_EVENT_UNPAUSE, NULL, "unpause");
}

static void verb_watch(struct tsc_client *client, char *arguments) {
    (void)arguments;
    client->watching = true;
    answer(client, 0, "", "");
    say_status(client);
}

static void verb_names(struct tsc_client *client, char *arguments) {
    (void)arguments;
    tsc_names_refresh(client->shim->names);
    answer(client, 0, "", "");
}

static void verb_health(struct tsc_client *client, char *arguments) {
    (void)arguments;
    answer(client, tsc_health_probe_now(client->shim->health), "health", "");
}

static void verb_resize(struct tsc_client *client, char *arguments) {
    int64_t rows;
    int64_t columns;
    bool fine = next_number(&arguments, &rows) && next_number(&arguments, &columns);
    if (fine)
        tsc_streams_resize(client->shim, (unsigned)rows, (unsigned)columns);
    answer(client, fine ? 0 : -EINVAL, "resize", "");
}

static void verb_attach(struct tsc_client *client, char *arguments) {
    int64_t input;
    int64_t output;
    if (!next_number(&arguments, &input) || !next_number(&arguments, &output)) {
        answer(client, -EINVAL, "attach", "");
        return;
    }
    answer(client, 0, "", "");
    client->attached = true;
    client->input = input != 0;
    client->output = output != 0;
    client->stays = output == 2;
}

static bool append_batch(struct tsc_text *batches, const char *hex) {
    size_t digits = strlen(hex);
    uint32_t length = (uint32_t)(digits / 2);
    if (digits % 2 != 0 || strspn(hex, "0123456789abcdefABCDEF") != digits)
        return false;
    tsc_text_append(batches, &length, sizeof(length));
    for (size_t i = 0; i < digits; i += 2) {
        char pair[3] = {hex[i], hex[i + 1], '\0'};
        uint8_t byte = (uint8_t)strtoul(pair, NULL, 16);
        tsc_text_append(batches, &byte, 1);
    }
    return true;
}

static void verb_netfilter(struct tsc_client *client, char *arguments) {
    struct tsc_text *batches = &client->shim->netfilter_batches;
    bool valid = true;
    tsc_text_free(batches);
    for (char *hex; valid && (hex = strsep(&arguments, " "));)
        valid = append_batch(batches, hex);
    if (!valid)
        tsc_text_free(batches);
    answer(client, !valid ? -EINVAL : batches->failed ? -ENOMEM : 0, "netfilter", "");
}

static void verb_ping(struct tsc_client *client, char *arguments) {
    (void)arguments;
    answer(client, 0, "", "");
}

static const struct {
    const char *name;
    request_verb *perform;
} verbs[] = {
    {"launch", verb_launch}, {"start", verb_start},   {"stop", verb_stop},
    {"kill", verb_kill},     {"pause", verb_pause},   {"unpause", verb_unpause},
    {"watch", verb_watch},   {"names", verb_names},   {"health", verb_health},
    {"resize", verb_resize}, {"attach", verb_attach}, {"netfilter", verb_netfilter},
    {"ping", verb_ping},
};

static void perform_line(struct tsc_client *client, char *line) {
    char *name = strsep(&line, " ");
    for (size_t i = 0; i < TSC_COUNT(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0) {
            verbs[i].perform(client, line ? line : name + strlen(name));
            return;
        }
    answer(client, -ENOSYS, "request", name);
}

/* --- receiving --- */

static bool take_line(struct tsc_client *client) {
    char *begin = client->in.bytes + client->in.start;
    size_t length = tsc_text_length(&client->in);
    char *end = length > 0 ? memchr(begin, '\n', length) : NULL;
    if (!end) {
        if (length > LINE_LIMIT)
            drop(client);
        return false;
    }
    *end = '\0';
    perform_line(client, begin);
    if (!client->dead)
        tsc_text_consume(&client->in, (size_t)(end - begin) + 1);
    return !client->dead;
}

static unsigned big_endian(const uint8_t *p, int bytes) {
    unsigned value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | p[i];
    return value;
}

static bool take_frame(struct tsc_client *client) {
    const uint8_t *begin = (const uint8_t *)client->in.bytes + client->in.start;
    size_t length = tsc_text_length(&client->in);
    if (length < FRAME_HEADER)
        return false;
    size_t size = big_endian(begin + 4, 4);
    if (size > FRAME_LIMIT) {
        drop(client);
        return false;
    }
    if (length < FRAME_HEADER + size)
        return false;
    const uint8_t *body = begin + FRAME_HEADER;
    if (begin[0] == TSC_FRAME_INPUT && client->input)
        tsc_streams_input(client->shim, (const char *)body, size);
    else if (begin[0] == TSC_FRAME_RESIZE && size == 4)
        tsc_streams_resize(client->shim, big_endian(body, 2), big_endian(body + 2, 2));
    else if (begin[0] == TSC_FRAME_END && client->input)
        tsc_streams_end_input(client->shim);
    tsc_text_consume(&client->in, FRAME_HEADER + size);
    return true;
}

static void client_ready(void *data, uint32_t events) {
    struct tsc_client *client = data;
    if (events & EPOLLOUT)
        flush(client);
    if (client->dead || !(events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)))
        return;
    char bytes[READ_SIZE];
    ssize_t count = recv(client->source.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        drop(client);
        return;
    }
    if (client->lingering)
        return;
    tsc_text_append(&client->in, bytes, (size_t)count);
    while (!client->dead && (client->attached ? take_frame(client) : take_line(client)))
        ;
    if (!client->dead)
        update(client);
}

static int add_client(struct tsc_shim *shim, int fd, bool launch) {
    struct tsc_client *client = calloc(1, sizeof(*client));
    if (!client) {
        close(fd);
        return -ENOMEM;
    }
    *client = (struct tsc_client){
        .shim = shim,
        .launch = launch,
        .watching = launch,
        .next = shim->clients,
        .source = {.fd = fd, .ready = client_ready, .data = client},
        .stall = {.fire = stalled, .data = client},
    };
    shim->clients = client;
    return tsc_loop_watch(&shim->loop, &client->source, EPOLLIN | EPOLLRDHUP);
}

static void accept_client(void *data, uint32_t events) {
    (void)events;
    struct tsc_shim *shim = data;
    int fd = accept4(shim->listen_source.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        add_client(shim, fd, false);
}

/* Bound below the directory's descriptor: its path may be longer than a socket address. */
static int bind_in(int directory, const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", directory, name);
    tsc_auto_fd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    unlinkat(directory, name, 0);
    mode_t before = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof(address));
    umask(before);
    if (bound < 0 || listen(fd, 128) < 0)
        return -errno;
    return tsc_take_fd(&fd);
}

int tsc_clients_open(struct tsc_shim *shim, struct tsc_error *reterr) {
    shim->sweep_timer = (struct tsc_timer){.fire = sweep, .data = shim};
    int fd = bind_in(shim->run_dir, "sock");
    if (fd < 0)
        return tsc_fail(reterr, fd, "bind", "sock");
    shim->listen_source = (struct tsc_source){.fd = fd, .ready = accept_client, .data = shim};
    int error = tsc_loop_watch(&shim->loop, &shim->listen_source, EPOLLIN);
    struct stat info;
    if (fstat(fd, &info) == 0)
        shim->status.socket = info.st_ino;
    if (error == 0 && fstat(TSC_LAUNCH_FD, &info) == 0 && S_ISSOCK(info.st_mode))
        error = add_client(shim, TSC_LAUNCH_FD, true);
    return error < 0 ? tsc_fail(reterr, error, "watch", "sock") : 0;
}

/* --- what the supervisor tells --- */

void tsc_clients_status(struct tsc_shim *shim) {
    for (struct tsc_client *client = shim->clients; client; client = client->next)
        if (client->watching && !client->attached && !client->dead)
            say_status(client);
}

void tsc_clients_output(struct tsc_shim *shim, enum tsc_stream stream, const char *bytes, size_t size) {
    for (struct tsc_client *client = shim->clients; client; client = client->next)
        if (client->attached && client->output && !client->dead)
            frame(client, stream == TSC_STDOUT ? TSC_FRAME_OUTPUT : TSC_FRAME_ERROR, bytes, size);
    if (tsc_clients_are_full(shim))
        tsc_streams_update(shim);
}

void tsc_clients_exit(struct tsc_shim *shim, bool restarts) {
    unsigned code = (unsigned)shim->status.exit_code;
    uint8_t bytes[4] = {(uint8_t)(code >> 24), (uint8_t)(code >> 16), (uint8_t)(code >> 8), (uint8_t)code};
    for (struct tsc_client *client = shim->clients; client; client = client->next)
        if (client->attached && !client->dead && !client->closing) {
            client->closing = !(restarts && client->stays);
            frame(client, TSC_FRAME_EXIT, bytes, sizeof(bytes));
        }
}

void tsc_clients_close(struct tsc_shim *shim) {
    for (struct tsc_client *client = shim->clients; client; client = client->next) {
        if (client->awaits_stop)
            answer(client, 0, "", "");
        int64_t limit = tsc_now() + STALL_MS;
        while (!client->dead && tsc_text_length(&client->out) > 0 && tsc_now() < limit)
            if (tsc_fd_poll(client->source.fd, EPOLLOUT, STALL_MS) > 0)
                flush(client);
        while (!client->dead && client->lingering && tsc_now() < limit)
            if (tsc_fd_poll(client->source.fd, EPOLLIN, STALL_MS) > 0)
                client_ready(client, EPOLLIN);
    }
}

void tsc_clients_resume(struct tsc_shim *shim) {
    for (struct tsc_client *client = shim->clients; client; client = client->next)
        if (client->input && !client->dead)
            update(client);
}
