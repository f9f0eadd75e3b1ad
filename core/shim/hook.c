/* Running hooks. */
#include "hook.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "loop.h"
#include "syscalls.h"
#include "text.h"

enum { MOMENT, TIMEOUT, PATH, ARGUMENTS, LISTS, LAST_WORDS = 256 };

struct run {
    pid_t pid;
    int pidfd;
    int input;  /* takes the state */
    int output; /* the hook's standard error */
    char words[LAST_WORDS];
    size_t length;
};

static void write_state(const struct tsc_hook_state *state, struct tsc_text *text) {
    const struct tsc_step *around = tsc_program_find(state->program, TSC_STEP_HOOK_STATE, NULL);
    tsc_text_string(text, around ? tsc_step_text(around, 0) : "{");
    tsc_text_format(text, "\"status\":\"%s\",\"pid\":%d", state->status, (int)state->pid);
    tsc_text_string(text, around ? tsc_step_text(around, 1) : "}");
}

static char **list_of(const struct tsc_step *hook, uint32_t first, uint32_t last) {
    char **list = calloc((size_t)(last - first) + 1, sizeof(*list));
    for (uint32_t i = first; list && i < last; i++)
        list[i - first] = (char *)(uintptr_t)tsc_step_text(hook, i);
    return list;
}

static _Noreturn void become_hook(const struct tsc_step *hook, const struct tsc_hook_state *state, int input,
                                  int output) {
    int64_t count = tsc_step_integer(hook, ARGUMENTS);
    uint32_t middle = LISTS + (count < 0 || count > hook->count - LISTS ? 0 : (uint32_t)count);
    tsc_auto_fd int null = tsc_fd_open("/dev/null", O_WRONLY, 0);
    char **arguments = list_of(hook, LISTS, middle);
    char **environment = list_of(hook, middle, hook->count);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    const char *path = tsc_step_text(hook, PATH);
    const char *own_name[] = {path, NULL};
    if (dup2(input, 0) == 0 && dup2(null >= 0 ? null : output, 1) == 1 && dup2(output, 2) == 2 && arguments &&
        environment && (state->network < 0 || setns(state->network, CLONE_NEWNET) == 0))
        execve(path, arguments[0] ? arguments : (char **)(uintptr_t)own_name, environment);
    dprintf(output, "%s", strerror(errno));
    _exit(127);
}

static int spawn(const struct tsc_step *hook, const struct tsc_hook_state *state, struct run *run) {
    int input[2];
    int output[2];
    if (pipe2(input, O_CLOEXEC) < 0)
        return -errno;
    if (pipe2(output, O_CLOEXEC) < 0) {
        close(input[0]);
        close(input[1]);
        return -errno;
    }
    *run = (struct run){.input = input[1], .output = output[0], .pidfd = -1};
    run->pid = fork();
    if (run->pid == 0)
        become_hook(hook, state, input[0], output[1]);
    int error = run->pid < 0 ? -errno : 0;
    close(input[0]);
    close(output[1]);
    tsc_fd_set_nonblocking(run->input, true);
    if (error == 0)
        run->pidfd = tsc_sys_pidfd_open(run->pid, 0);
    return error;
}

static void give_state(struct run *run, struct tsc_text *text) {
    ssize_t count = tsc_fd_write(run->input, text->bytes + text->start, tsc_text_length(text));
    if (count == -EAGAIN)
        return;
    tsc_text_consume(text, count < 0 ? tsc_text_length(text) : (size_t)count);
    if (tsc_text_length(text) == 0)
        close(tsc_take_fd(&run->input));
}

/* Keeps the end of what it says. */
static void hear(struct run *run) {
    char buffer[LAST_WORDS];
    ssize_t count = tsc_fd_read(run->output, buffer, sizeof(buffer));
    if (count <= 0) {
        close(tsc_take_fd(&run->output));
        return;
    }
    size_t kept = run->length + (size_t)count > LAST_WORDS ? LAST_WORDS - (size_t)count : run->length;
    memmove(run->words, run->words + run->length - kept, kept);
    memcpy(run->words + kept, buffer, (size_t)count);
    run->length = kept + (size_t)count;
}

/* Until it ended, or -ETIMEDOUT. Who inherited its standard error may keep that open for longer. */
static int attend(struct run *run, struct tsc_text *text, int64_t timeout) {
    int64_t deadline = timeout > 0 ? tsc_now() + timeout : INT64_MAX;
    for (;;) {
        struct pollfd polls[] = {
            {.fd = run->input, .events = POLLOUT},
            {.fd = run->output, .events = POLLIN},
            {.fd = run->pidfd, .events = POLLIN},
        };
        int64_t left = deadline - tsc_now();
        int ready = poll(polls, TSC_COUNT(polls), timeout > 0 ? (int)(left < 0 ? 0 : left) : -1);
        if (ready < 0 && errno != EINTR)
            return -errno;
        if (ready == 0)
            return -ETIMEDOUT;
        if (ready < 0)
            continue;
        if (polls[0].revents)
            give_state(run, text);
        if (polls[1].revents)
            hear(run);
        else if (polls[2].revents)
            return 0;
    }
}

static int judge(const struct run *run, const char *path, int status, struct tsc_error *reterr) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    size_t length = run->length;
    while (length > 0 && run->words[length - 1] == '\n')
        length--;
    const char *how = WIFSIGNALED(status) ? "was killed by signal" : "exited with";
    int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return tsc_failf(reterr, -ECANCELED, "", "%s %s %d: %.*s", path, how, number, (int)length, run->words);
}

int tsc_hook_run(const struct tsc_step *hook, const struct tsc_hook_state *state, struct tsc_error *reterr) {
    const char *name = tsc_step_name(TSC_STEP_HOOK);
    const char *path = tsc_step_text(hook, PATH);
    struct tsc_text text = {0};
    struct run run;
    write_state(state, &text);
    int error = text.failed ? -ENOMEM : spawn(hook, state, &run);
    if (error < 0) {
        tsc_text_free(&text);
        return tsc_fail(reterr, error, name, path);
    }
    signal(SIGPIPE, SIG_IGN);
    error = attend(&run, &text, tsc_step_integer(hook, TIMEOUT));
    signal(SIGPIPE, SIG_DFL);
    int status = 0;
    if (error < 0)
        kill(run.pid, SIGKILL);
    tsc_wait(run.pid, &status);
    const int ends[] = {run.input, run.output, run.pidfd};
    for (size_t i = 0; i < TSC_COUNT(ends); i++)
        if (ends[i] >= 0)
            close(ends[i]);
    tsc_text_free(&text);
    error = error < 0 ? tsc_fail(reterr, error, "", path) : judge(&run, path, status, reterr);
    return error < 0 ? tsc_fail_step(reterr, error, name) : 0;
}

int tsc_hooks_run(int moment, const struct tsc_hook_state *state, struct tsc_error *reterr) {
    int error = 0;
    tsc_program_each(state->program, TSC_STEP_HOOK, hook) {
        if (error == 0 && tsc_step_integer(hook, MOMENT) == moment)
            error = tsc_hook_run(hook, state, reterr);
    }
    return error;
}
