/* `tscompose-shim exec`: joins a container and relays between our standard streams and the process there. */
#include "exec.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "create.h"
#include "fd.h"
#include "syscalls.h"

enum { CHUNK = 32 << 10, END_OF_TRANSMISSION = 4 };

struct relay {
    struct tsc_process process;
    int signals;
    int input;      /* towards the process */
    int outputs[2]; /* from it */
    bool terminal;
    bool raw;
    bool ours_ended; /* our standard input */
    bool executed;
    const char *console; /* who gets the terminal instead of us */
    int report;          /* who is told the pid once it is executed; 0: nobody */
    struct termios before;
    char buffer[CHUNK];
    char pending[CHUNK]; /* of our input, not yet taken */
    size_t pending_start;
    size_t pending_end;
};

static void copy_size(const struct relay *relay) {
    struct winsize size;
    if (relay->terminal && relay->outputs[0] >= 0 &&
        (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0))
        ioctl(relay->outputs[0], TIOCSWINSZ, &size);
}

static void make_raw(struct relay *relay) {
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &relay->before) < 0)
        return;
    struct termios raw = relay->before;
    cfmakeraw(&raw);
    relay->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void take_terminal(struct relay *relay, int master) {
    relay->outputs[0] = master;
    relay->input = fcntl(master, F_DUPFD_CLOEXEC, 0);
    tsc_fd_set_nonblocking(master, true);
    copy_size(relay);
    make_raw(relay);
}

static void tell_pid(struct relay *relay) {
    if (relay->report <= 0)
        return;
    tsc_report_process(relay->report, relay->process.pid);
    close(relay->report);
    relay->report = 0;
}

/* Returns false when the launch is decided: executed, or failed with the error filled. */
static int hear(struct relay *relay, struct tsc_error *reterr) {
    struct tsc_message message;
    int fd = -1;
    int got = tsc_channel_receive(relay->process.channel, &message, &fd);
    if (got == 1 && message.kind == TSC_SYNC_TERMINAL && fd >= 0) {
        if (!relay->console) {
            take_terminal(relay, fd);
            return 0;
        }
        int error = tsc_console_send(relay->console, fd, reterr);
        close(fd);
        return error;
    }
    if (got == 1 && message.kind == TSC_SYNC_FAILED) {
        *reterr = message.error;
        return -message.value;
    }
    if (got <= 0) {
        relay->executed = true;
        close(relay->process.channel);
        relay->process.channel = -1;
        tell_pid(relay);
    }
    return 0;
}

static void forward_signal(struct relay *relay) {
    struct signalfd_siginfo info;
    if (tsc_fd_read(relay->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (info.ssi_signo == SIGWINCH)
        copy_size(relay);
    else
        tsc_sys_pidfd_send_signal(relay->process.pidfd, (int)info.ssi_signo, NULL, 0);
}

static void close_input(struct relay *relay) {
    if (relay->input >= 0)
        close(relay->input);
    relay->input = -1;
}

static void take_input(struct relay *relay) {
    ssize_t count = tsc_fd_read(STDIN_FILENO, relay->pending, sizeof(relay->pending));
    if (count == -EAGAIN)
        return;
    relay->pending_start = 0;
    relay->pending_end = count > 0 ? (size_t)count : 0;
    if (count > 0)
        return;
    relay->ours_ended = true;
    if (relay->terminal)
        relay->pending[relay->pending_end++] = END_OF_TRANSMISSION;
    else
        close_input(relay);
}

static void give_input(struct relay *relay) {
    ssize_t count = tsc_fd_write(relay->input, relay->pending + relay->pending_start,
                                 relay->pending_end - relay->pending_start);
    if (count > 0)
        relay->pending_start += (size_t)count;
    else if (count != -EAGAIN)
        close_input(relay);
}

/* False at the end of the stream; what we cannot write is lost, like with any broken pipe. */
static bool copy_output(struct relay *relay, int index) {
    ssize_t count = tsc_fd_read(relay->outputs[index], relay->buffer, sizeof(relay->buffer));
    if (count > 0)
        return tsc_fd_write_full(index == 0 ? STDOUT_FILENO : STDERR_FILENO, relay->buffer, (size_t)count) ==
               0;
    if (count == -EAGAIN)
        return false;
    close(relay->outputs[index]);
    relay->outputs[index] = -1;
    return false;
}

static int turn(struct relay *relay, bool *ret_exited, struct tsc_error *reterr) {
    bool has_pending = relay->pending_start < relay->pending_end;
    bool wants_input = relay->input >= 0 && !has_pending && !relay->ours_ended;
    struct pollfd polls[] = {
        {.fd = relay->process.channel, .events = POLLIN},
        {.fd = relay->signals, .events = POLLIN},
        {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = has_pending ? relay->input : -1, .events = POLLOUT},
        {.fd = relay->outputs[0], .events = POLLIN},
        {.fd = relay->outputs[1], .events = POLLIN},
        {.fd = relay->process.pidfd, .events = POLLIN},
    };
    if (poll(polls, TSC_COUNT(polls), -1) < 0)
        return errno == EINTR ? 0 : tsc_fail(reterr, -errno, "poll", "");
    int error = polls[0].revents ? hear(relay, reterr) : 0;
    if (polls[1].revents)
        forward_signal(relay);
    if (polls[2].revents)
        take_input(relay);
    if (polls[3].revents)
        give_input(relay);
    for (int i = 0; i < 2; i++)
        if (polls[4 + i].revents)
            copy_output(relay, i);
    /* Its last message first. */
    *ret_exited = polls[6].revents && !polls[0].revents;
    return error;
}

static int relay_all(struct relay *relay, struct tsc_error *reterr) {
    bool exited = false;
    int error = 0;
    while (error == 0 && !exited)
        error = turn(relay, &exited, reterr);
    for (int i = 0; i < 2; i++)
        while (relay->outputs[i] >= 0 && copy_output(relay, i))
            ;
    if (relay->raw)
        tcsetattr(STDIN_FILENO, TCSANOW, &relay->before);
    int status = 0;
    int waited = tsc_wait(relay->process.pid, &status);
    if (error < 0 || waited < 0)
        return error < 0 ? error : tsc_fail(reterr, waited, "wait", "");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int await_exec(struct relay *relay, struct tsc_error *reterr) {
    int error = 0;
    while (error == 0 && !relay->executed)
        error = hear(relay, reterr);
    return error;
}

static int open_pipes(struct relay *relay, int standard[3], bool input) {
    int ends[2];
    for (int i = 0; i < 2; i++) {
        if (pipe2(ends, O_CLOEXEC) < 0)
            return -errno;
        relay->outputs[i] = ends[0];
        standard[i + 1] = ends[1];
        tsc_fd_set_nonblocking(ends[0], true);
    }
    if (!input)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    standard[0] = ends[0];
    relay->input = ends[1];
    return tsc_fd_set_nonblocking(ends[1], true);
}

static int open_signals(struct relay *relay) {
    sigset_t set;
    sigfillset(&set);
    const int kept[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT, SIGTRAP,
                        SIGSYS,  SIGCHLD, SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};
    for (size_t i = 0; i < TSC_COUNT(kept); i++)
        sigdelset(&set, kept[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    relay->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return relay->signals < 0 ? -errno : 0;
}

static int add_joins(struct tsc_entry *entry, const struct tsc_exec_options *options,
                     const struct tsc_program *program, struct tsc_error *reterr) {
    tsc_program_each(program, TSC_STEP_NAMESPACES, step) {
        entry->pidfd_flags |= (unsigned)tsc_step_integer(step, 0);
    }
    tsc_program_each(program, TSC_STEP_JOIN_NAMESPACE, step) {
        int fd = -1;
        for (size_t i = 0; i < options->slot_count; i++)
            if (strcmp(options->slots[i].name, tsc_step_text(step, 1)) == 0)
                fd = options->slots[i].fd;
        if (fd < 0 || entry->join_count == TSC_JOINS_MAX)
            return tsc_fail(reterr, -EBADF, tsc_step_name(step->op), tsc_step_text(step, 1));
        entry->joins[entry->join_count++] = (struct tsc_join){(unsigned)tsc_step_integer(step, 0), fd};
    }
    return 0;
}

/* The pid may have been given to another process since; the pidfd holds on to the one that is checked. */
static int open_target(const struct tsc_exec_options *options, struct tsc_error *reterr) {
    tsc_auto_fd int pidfd = tsc_sys_pidfd_open(options->pid, 0);
    uint64_t start = 0;
    int error = pidfd < 0 ? -errno : tsc_process_start(options->pid, &start);
    if (error == 0 && start != options->start)
        error = -ESRCH;
    if (error < 0)
        return tsc_failf(reterr, error, "find process", "%d", options->pid);
    tsc_fd_set_cloexec(pidfd, true);
    return tsc_take_fd(&pidfd);
}

static int start(struct relay *relay, const struct tsc_exec_options *options,
                 const struct tsc_program *program, struct tsc_error *reterr) {
    const struct tsc_step *input = tsc_program_find(program, TSC_STEP_STANDARD_INPUT, NULL);
    tsc_auto_fd int target = open_target(options, reterr);
    if (target < 0)
        return target;
    struct tsc_launch launch = {
        .program = program,
        .mode = TSC_MODE_JOIN,
        .fault = options->fault,
        .exec = tsc_program_find(program, TSC_STEP_EXEC, NULL),
        .no_terminal = options->detach && !options->console,
        .first_kept = 3,
        .kept_count = options->kept,
        .self = -1,
        .root = -1,
    };
    if (!launch.exec)
        return tsc_fail(reterr, -EINVAL, "EXEC", "");
    struct tsc_entry entry = {
        .launch = &launch, .standard = {-1, -1, -1}, .pidfd = target, .user_namespace = -1};
    int error = add_joins(&entry, options, program, reterr);
    launch.user_namespace = entry.pidfd_flags & CLONE_NEWUSER;
    bool terminal = !launch.no_terminal && tsc_program_find(program, TSC_STEP_TERMINAL, NULL);
    relay->console = options->console;
    relay->report = options->report;
    relay->terminal = terminal && !options->console;
    for (int i = 0; options->inherit && !terminal && i < 3; i++)
        entry.standard[i] = i;
    if (error == 0 && !options->detach && !options->inherit && !terminal) {
        error = open_pipes(relay, entry.standard, input && tsc_step_integer(input, 0) != 0);
        if (error < 0)
            tsc_fail(reterr, error, "open", "pipes");
    }
    if (error == 0)
        error = tsc_enter(&entry, &relay->process, reterr);
    for (int i = 0; i < 3; i++)
        if (entry.standard[i] > 2)
            close(entry.standard[i]);
    return error;
}

int tsc_exec_relay(const struct tsc_process *process, int master, int report, struct tsc_error *reterr) {
    tsc_auto_free struct relay *relay = calloc(1, sizeof(*relay));
    if (!relay)
        return tsc_fail(reterr, -ENOMEM, "relay", "");
    *relay = (struct relay){
        .process = *process, .input = -1, .outputs = {-1, -1}, .terminal = master >= 0, .report = report};
    int error = open_signals(relay);
    if (error < 0)
        return tsc_fail(reterr, error, "signalfd", "");
    if (master >= 0)
        take_terminal(relay, master);
    return relay_all(relay, reterr);
}

int tsc_exec_run(const struct tsc_exec_options *options, struct tsc_error *reterr) {
    struct tsc_program program = {0};
    tsc_auto_free struct relay *relay = calloc(1, sizeof(*relay));
    if (!relay)
        return tsc_fail(reterr, -ENOMEM, "exec", "");
    relay->input = relay->outputs[0] = relay->outputs[1] = -1;
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    int error = tsc_program_load(options->program, &program, reterr);
    if (error == 0 && (error = open_signals(relay)) < 0)
        tsc_fail(reterr, error, "signalfd", "");
    if (error == 0)
        error = start(relay, options, &program, reterr);
    if (error == 0)
        error = options->detach ? await_exec(relay, reterr) : relay_all(relay, reterr);
    tsc_program_free(&program);
    return error;
}
