/* What the container prints and reads: its pipes or its terminal, on the shim's side. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#include "fd.h"
#include "health.h"
#include "supervise.h"

enum {
    TRIM_MS = 1000,
    PIPE_SIZE = 256 << 10,
    DRAIN_READS = 1024, /* a process that escaped may write for ever */
};

void tsc_streams_update(struct tsc_shim *shim) {
    bool on = !tsc_clients_are_full(shim) && !tsc_log_is_full(&shim->log);
    for (int i = 0; i < TSC_STREAMS; i++)
        if (shim->outputs[i].source.fd >= 0) {
            if (on)
                tsc_loop_watch(&shim->loop, &shim->outputs[i].source, EPOLLIN);
            else
                tsc_loop_forget(&shim->loop, &shim->outputs[i].source);
        }
}

/* One read; what it returned. A terminal says EIO when its last user is gone. */
static ssize_t pump(struct tsc_output *output) {
    struct tsc_shim *shim = output->shim;
    ssize_t count = tsc_fd_read(output->source.fd, shim->buffer, TSC_BUFFER_SIZE);
    if (count <= 0)
        return count;
    tsc_log_write(&shim->log, output->stream, shim->buffer, (size_t)count);
    tsc_clients_output(shim, output->stream, shim->buffer, (size_t)count);
    tsc_health_output(shim->health, (int)output->stream, shim->buffer, (size_t)count);
    if (count > 4096 && !shim->trim_timer.added)
        tsc_timer_set(&shim->loop, &shim->trim_timer, TRIM_MS);
    if (tsc_log_is_full(&shim->log))
        tsc_streams_update(shim);
    return count;
}

static void output_ready(void *data, uint32_t events) {
    (void)events;
    struct tsc_output *output = data;
    ssize_t count = pump(output);
    if (count > 0 || count == -EAGAIN)
        return;
    tsc_log_finish(&output->shim->log, output->stream);
    tsc_loop_close(&output->shim->loop, &output->source);
}

static void trim(void *data) {
    struct tsc_shim *shim = data;
    madvise(shim->buffer, TSC_BUFFER_SIZE, MADV_DONTNEED);
    tsc_log_trim(&shim->log);
}

static void flush_input(struct tsc_shim *shim) {
    struct tsc_text *input = &shim->input;
    if (shim->input_source.fd < 0) {
        tsc_text_free(input);
        return;
    }
    while (tsc_text_length(input) > 0) {
        ssize_t count =
            tsc_fd_write(shim->input_source.fd, input->bytes + input->start, tsc_text_length(input));
        if (count == -EAGAIN)
            break;
        tsc_text_consume(input, count < 0 ? tsc_text_length(input) : (size_t)count);
    }
    if (tsc_text_length(input) > 0) {
        tsc_loop_watch(&shim->loop, &shim->input_source, EPOLLOUT);
        return;
    }
    tsc_loop_forget(&shim->loop, &shim->input_source);
    if (shim->input_ended && !shim->terminal)
        tsc_loop_close(&shim->loop, &shim->input_source);
    tsc_clients_resume(shim);
}

static void input_ready(void *data, uint32_t events) {
    (void)events;
    flush_input(data);
}

void tsc_streams_input(struct tsc_shim *shim, const char *bytes, size_t size) {
    tsc_text_append(&shim->input, bytes, size);
    flush_input(shim);
}

void tsc_streams_end_input(struct tsc_shim *shim) {
    const struct tsc_step *step = tsc_program_find(&shim->program, TSC_STEP_STANDARD_INPUT, NULL);
    if (!step || tsc_step_integer(step, 0) != 2)
        return;
    shim->input_ended = true;
    flush_input(shim);
}

void tsc_streams_resize(struct tsc_shim *shim, unsigned rows, unsigned columns) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    if (shim->terminal && shim->outputs[TSC_STDOUT].source.fd >= 0)
        ioctl(shim->outputs[TSC_STDOUT].source.fd, TIOCSWINSZ, &size);
}

static int adopt_output(struct tsc_shim *shim, enum tsc_stream stream, int fd) {
    struct tsc_output *output = &shim->outputs[stream];
    *output = (struct tsc_output){
        .shim = shim, .stream = stream, .source = {.fd = fd, .ready = output_ready, .data = output}};
    tsc_fd_set_nonblocking(fd, true);
    return tsc_loop_watch(&shim->loop, &output->source, EPOLLIN);
}

static void adopt_input(struct tsc_shim *shim, int fd) {
    shim->input_source = (struct tsc_source){.fd = fd, .ready = input_ready, .data = shim};
    if (fd >= 0)
        tsc_fd_set_nonblocking(fd, true);
    flush_input(shim);
}

static int make_pipe(int *ret_ours, int *ret_theirs, bool we_read) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    fcntl(ends[0], F_SETPIPE_SZ, PIPE_SIZE);
    *ret_ours = ends[we_read ? 0 : 1];
    *ret_theirs = ends[we_read ? 1 : 0];
    return 0;
}

int tsc_streams_open(struct tsc_shim *shim, int standard[3], struct tsc_error *reterr) {
    const struct tsc_step *input = tsc_program_find(&shim->program, TSC_STEP_STANDARD_INPUT, NULL);
    shim->terminal = tsc_program_find(&shim->program, TSC_STEP_TERMINAL, NULL) != NULL;
    shim->input_source.fd = -1;
    shim->input_ended = false;
    shim->trim_timer.fire = trim;
    shim->trim_timer.data = shim;
    for (int i = 0; i < TSC_STREAMS; i++)
        shim->outputs[i].source.fd = -1;
    if (shim->terminal)
        return 0;
    int error = 0;
    for (int i = 0; i < TSC_STREAMS && error == 0; i++) {
        int ours = -1;
        error = make_pipe(&ours, &standard[i + 1], true);
        if (error == 0)
            error = adopt_output(shim, (enum tsc_stream)i, ours);
    }
    if (error == 0 && input && tsc_step_integer(input, 0) != 0) {
        int ours = -1;
        error = make_pipe(&ours, &standard[0], false);
        if (error == 0)
            adopt_input(shim, ours);
    }
    return error < 0 ? tsc_fail(reterr, error, "open", "standard streams") : 0;
}

void tsc_streams_drain(struct tsc_shim *shim) {
    for (int i = 0; i < TSC_STREAMS; i++) {
        struct tsc_output *output = &shim->outputs[i];
        if (output->source.fd < 0)
            continue;
        for (int reads = 0; reads < DRAIN_READS && pump(output) > 0; reads++)
            ;
        tsc_log_finish(&shim->log, output->stream);
        tsc_loop_close(&shim->loop, &output->source);
    }
    tsc_loop_close(&shim->loop, &shim->input_source);
    tsc_text_free(&shim->input);
}

void tsc_streams_take_terminal(struct tsc_shim *shim, int fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    adopt_output(shim, TSC_STDOUT, fd);
    adopt_input(shim, copy);
}
