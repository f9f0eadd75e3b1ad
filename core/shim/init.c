/* PID 1 of a container with INIT: starts the command, reaps orphans, forwards signals, ends with the command's code. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "channel.h"
#include "fd.h"
#include "program.h"
#include "syscalls.h"

enum { CHANNEL_FD = 3 };

/* How the init is called: whether its file is one that nobody can write through /proc/1/exe. */
#define PROTECTED   "tscompose-init"
#define UNPROTECTED "tscompose-init-hidden"

static bool is_protected(int self) {
    struct statvfs info;
    return fcntl(self, F_GET_SEALS) > 0 || (fstatvfs(self, &info) == 0 && info.f_flag & ST_RDONLY);
}

bool tsc_init_is(const char *name) {
    return strcmp(name, PROTECTED) == 0 || strcmp(name, UNPROTECTED) == 0;
}

int tsc_init_exec(int self, int channel, char *const arguments[], char *const environment[]) {
    size_t count = 0;
    while (arguments[count])
        count++;
    char **all = calloc(count + 3, sizeof(*all));
    if (!all)
        return -ENOMEM;
    all[0] = (char *)(uintptr_t)(is_protected(self) ? PROTECTED : UNPROTECTED);
    all[1] = (char *)(uintptr_t)"--";
    memcpy(all + 2, arguments, count * sizeof(*all));
    /* Above the channel's place, so that neither overwrites the other. */
    int program = fcntl(self, F_DUPFD_CLOEXEC, CHANNEL_FD + 1);
    if (program < 0 ||
        (channel == CHANNEL_FD ? tsc_fd_set_cloexec(channel, false) : dup2(channel, CHANNEL_FD)) < 0)
        return -errno;
    tsc_sys_execveat(program, "", all, environment, AT_EMPTY_PATH);
    int error = -errno;
    free(all);
    return error;
}

static void report(int error, const char *command) {
    struct tsc_message message = {.kind = TSC_SYNC_FAILED, .value = -error};
    tsc_fail(&message.error, error, tsc_step_name(TSC_STEP_EXEC), command);
    tsc_channel_send(CHANNEL_FD, &message, -1);
}

static void run_command(char *const arguments[], char *const environment[], const sigset_t *mask) {
    /* A process group of its own, in the foreground when there is a terminal: Ctrl-C reaches the command, not us. */
    setpgid(0, 0);
    if (isatty(STDIN_FILENO))
        tcsetpgrp(STDIN_FILENO, getpid());
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(SIGTTIN, &action, NULL);
    sigaction(SIGTTOU, &action, NULL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    report(tsc_exec_search(arguments, environment), arguments[0]);
    _exit(127);
}

/* Reaps all that ended; true when the command was among them. */
static int reap(pid_t command, int *ret_status) {
    int ended = 0;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == command) {
            *ret_status = status;
            ended = 1;
        }
    return ended;
}

int tsc_init(const char *name, char *const arguments[], char *const environment[]) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    /* Faults of our own must stay faults. */
    const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        sigdelset(&all, faults[i]);
    sigprocmask(SIG_SETMASK, &all, &before);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGTTIN, &ignore, NULL);
    sigaction(SIGTTOU, &ignore, NULL);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    tsc_fd_set_cloexec(CHANNEL_FD, true);
    pid_t command = fork();
    if (command < 0) {
        report(-errno, arguments[0]);
        return 126;
    }
    if (command == 0)
        run_command(arguments, environment, &before);
    close(CHANNEL_FD);
    /* Programs log to /proc/1/fd/1. There is nothing else to be found here, now that the channel is closed. */
    prctl(PR_SET_DUMPABLE, strcmp(name, PROTECTED) == 0, 0, 0, 0);
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        int status;
        if (number == SIGCHLD && reap(command, &status))
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        if (number > 0 && number != SIGCHLD && !(info.si_code == SI_KERNEL && number == SIGHUP))
            kill(command, number);
    }
}
