/* The interpreter of the LAUNCH steps. */
#include "perform.h"

#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "fd.h"
#include "hook.h"
#include "init.h"
#include "syscalls.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* --- steps that only set what happens at EXEC --- */

static int keep_umask(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)reterr;
    launch->umask = (mode_t)tsc_step_integer(step, 0) & 0777;
    return 0;
}

static int keep_capabilities(struct tsc_launch *launch, const struct tsc_step *step,
                             struct tsc_error *reterr) {
    (void)reterr;
    launch->capabilities = step;
    return 0;
}

static int keep_seccomp(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)reterr;
    launch->seccomp = step;
    return 0;
}

static int keep_environment(struct tsc_launch *launch, const struct tsc_step *step,
                            struct tsc_error *reterr) {
    (void)reterr;
    launch->environment = step;
    return 0;
}

static int keep_init(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)step;
    (void)reterr;
    launch->init = true;
    return 0;
}

static int set_no_new_privileges(struct tsc_launch *launch, const struct tsc_step *step,
                                 struct tsc_error *reterr) {
    (void)step;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return tsc_fail(reterr, -errno, "", "");
    launch->no_new_privileges = true;
    return 0;
}

static int run_hook(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    if (tsc_step_integer(step, 0) != TSC_HOOK_CREATE_CONTAINER)
        return 0;
    struct tsc_hook_state state = {
        .program = launch->program, .status = "creating", .pid = getpid(), .network = -1};
    return tsc_hook_run(step, &state, reterr);
}

static int await_hooks(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)step;
    struct tsc_message message = {.kind = TSC_SYNC_HOOKS};
    int error = tsc_channel_send(launch->channel, &message, -1);
    if (error < 0)
        return tsc_fail(reterr, error, "", "");
    if (tsc_channel_receive(launch->channel, &message, NULL) != 1 || message.kind != TSC_SYNC_GO)
        _exit(1);
    return 0;
}

/* Done by others: by the shim and the entry (oom score), or at the end (EXEC). */
static int elsewhere(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    (void)step;
    (void)reterr;
    return 0;
}

enum { OPERATIONS = TSC_STEP_PROBE, FIRST_LAUNCH = TSC_STEP_ROOT_PROPAGATION };

struct operation {
    tsc_operation *perform;
    bool joins; /* also for one more process of a running container */
};

static const struct operation operations[OPERATIONS] = {
    [TSC_STEP_ROOT_PROPAGATION] = {tsc_root_propagation, false},
    [TSC_STEP_ROOT_OVERLAY] = {tsc_root_overlay, false},
    [TSC_STEP_ROOT_BIND] = {tsc_root_bind, false},
    [TSC_STEP_ROOT_IDMAP] = {elsewhere, false},
    [TSC_STEP_SUBDIRECTORY] = {tsc_subdirectory, false},
    [TSC_STEP_BIND] = {tsc_bind, false},
    [TSC_STEP_MOUNT] = {tsc_mount, false},
    [TSC_STEP_DEVICE] = {tsc_device, false},
    [TSC_STEP_SYMLINK] = {tsc_symlink, false},
    [TSC_STEP_FILE] = {tsc_file, false},
    [TSC_STEP_DIRECTORY] = {tsc_directory, false},
    [TSC_STEP_COPY_UP] = {tsc_copy_up, false},
    [TSC_STEP_PIVOT_ROOT] = {tsc_pivot_root, false},
    [TSC_STEP_MASK] = {tsc_mask, false},
    [TSC_STEP_READ_ONLY_PATH] = {tsc_read_only_path, false},
    [TSC_STEP_ROOT_READ_ONLY] = {tsc_root_read_only, false},
    [TSC_STEP_SYSCTL] = {tsc_sysctl, false},
    [TSC_STEP_HOSTNAME] = {tsc_hostname, false},
    [TSC_STEP_DOMAINNAME] = {tsc_domainname, false},
    [TSC_STEP_RLIMIT] = {tsc_rlimit, true},
    [TSC_STEP_OOM_SCORE_ADJ] = {elsewhere, true},
    [TSC_STEP_UMASK] = {keep_umask, true},
    [TSC_STEP_WORKING_DIRECTORY] = {tsc_working_directory, true},
    [TSC_STEP_USER] = {tsc_user, true},
    [TSC_STEP_CAPABILITIES] = {keep_capabilities, true},
    [TSC_STEP_NO_NEW_PRIVILEGES] = {set_no_new_privileges, true},
    [TSC_STEP_SECCOMP] = {keep_seccomp, true},
    [TSC_STEP_LSM_LABEL] = {tsc_lsm_label, true},
    [TSC_STEP_ENVIRONMENT] = {keep_environment, true},
    [TSC_STEP_TERMINAL] = {tsc_terminal, true},
    [TSC_STEP_STANDARD_INPUT] = {elsewhere, false},
    [TSC_STEP_INIT] = {keep_init, false},
    [TSC_STEP_EXEC] = {elsewhere, true},
    [TSC_STEP_HOOK] = {run_hook, false},
    [TSC_STEP_AWAIT_HOOKS] = {await_hooks, false},
    [TSC_STEP_MOVE_ROOT] = {tsc_move_root, false},
    [TSC_STEP_PERSONALITY] = {tsc_personality, true},
    [TSC_STEP_MOUNT_ATTRIBUTES] = {tsc_mount_attributes, false},
    [TSC_STEP_BIND_IDMAP] = {elsewhere, false},
    [TSC_STEP_SCHEDULER] = {tsc_scheduler, true},
    [TSC_STEP_IO_PRIORITY] = {tsc_io_priority, true},
    [TSC_STEP_MOUNT_COPY_UP] = {tsc_mount_copy_up, false},
};

int tsc_fault_of(const struct tsc_fault *fault, uint32_t op, struct tsc_error *reterr) {
    return fault->op == op && op != 0 ? tsc_fail(reterr, -fault->code, tsc_step_name(op), "injected") : 0;
}

static bool applies(const struct tsc_launch *launch, const struct tsc_step *step) {
    if (step->op < FIRST_LAUNCH || step->op >= OPERATIONS || !operations[step->op].perform)
        return false;
    if (launch->mode == TSC_MODE_FIRST)
        return true;
    return operations[step->op].joins && !(step->op == TSC_STEP_TERMINAL && launch->no_terminal);
}

static int perform_steps(struct tsc_launch *launch, struct tsc_error *reterr) {
    for (size_t i = 0; i < launch->program->count; i++) {
        const struct tsc_step *step = &launch->program->steps[i];
        if (!applies(launch, step) || step->op == TSC_STEP_EXEC)
            continue;
        int error = tsc_fault_of(&launch->fault, step->op, reterr);
        if (error == 0)
            error = operations[step->op].perform(launch, step, reterr);
        if (error < 0)
            return tsc_fail_step(reterr, error, tsc_step_name(step->op));
    }
    return 0;
}

/* --- EXEC --- */

/* Who creates the container leaves after READY; from then on nobody's end may take the process along. */
static int pass_socket(struct tsc_launch *launch, struct tsc_error *reterr) {
    launch->orphan = true;
    prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
    int error = tsc_channel_send(launch->channel, &(struct tsc_message){.kind = TSC_SYNC_READY}, -1);
    if (error < 0)
        return tsc_fail(reterr, error, "gate", "");
    close(launch->channel);
    do
        launch->channel = accept4(launch->gate, NULL, NULL, SOCK_CLOEXEC);
    while (launch->channel < 0 && (errno == EINTR || errno == ECONNABORTED));
    return launch->channel < 0 ? tsc_fail(reterr, -errno, "gate", "") : 0;
}

static int pass_gate(struct tsc_launch *launch, struct tsc_error *reterr) {
    if (launch->gate > 0)
        return pass_socket(launch, reterr);
    struct tsc_message message = {.kind = TSC_SYNC_READY};
    int error = tsc_channel_send(launch->channel, &message, -1);
    if (error < 0)
        return tsc_fail(reterr, error, "gate", "");
    /* The shim is gone: nobody would read an error, and nothing may run without it. */
    if (tsc_channel_receive(launch->channel, &message, NULL) != 1 || message.kind != TSC_SYNC_GO)
        _exit(1);
    return 0;
}

static int enter_directory(const struct tsc_launch *launch, struct tsc_error *reterr) {
    if (!launch->directory)
        return 0;
    const char *path = tsc_step_text(launch->directory, 0);
    const char *name = tsc_step_name(TSC_STEP_WORKING_DIRECTORY);
    char here[PATH_MAX];
    if (chdir(path) < 0)
        return tsc_fail(reterr, -errno, name, path);
    /* A descriptor of the host's that slipped in could make it a directory outside the container's root. */
    if (!getcwd(here, sizeof(here)) || here[0] != '/')
        return tsc_fail(reterr, -ENOENT, name, path);
    return 0;
}

static int restrict_process(const struct tsc_launch *launch, struct tsc_error *reterr) {
    const char *capabilities = tsc_step_name(TSC_STEP_CAPABILITIES);
    const char *seccomp = tsc_step_name(TSC_STEP_SECCOMP);
    int error = 0;
    /* With the rights of a container but not its program yet: nothing for others with the same rights to look into. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    /* Without no_new_privs a filter needs CAP_SYS_ADMIN, which is given up afterwards. */
    if (launch->seccomp && !launch->no_new_privileges) {
        error = tsc_capabilities_raise(reterr);
        if (error == 0)
            error = tsc_seccomp_apply(launch->seccomp, reterr);
        if (error < 0)
            return tsc_fail(reterr, error, seccomp, "");
    }
    if (launch->capabilities)
        error = tsc_capabilities_apply(launch->capabilities, reterr);
    if (error < 0)
        return tsc_fail_step(reterr, error, capabilities);
    if (launch->seccomp && launch->no_new_privileges)
        error = tsc_seccomp_apply(launch->seccomp, reterr);
    return error < 0 ? tsc_fail(reterr, error, seccomp, "") : 0;
}

/* Without capabilities of its own to keep, a user other than root must not be left with all of them. */
static void forget_privileges(const struct tsc_launch *launch) {
    if (!launch->capabilities && launch->identity.known && launch->identity.uid != 0)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static char **make_environment(const struct tsc_launch *launch) {
    uint32_t count = launch->environment ? launch->environment->count : 0;
    char **environment = calloc((size_t)count + 2, sizeof(*environment));
    if (!environment)
        return NULL;
    bool home = false;
    for (uint32_t i = 0; i < count; i++) {
        environment[i] = (char *)(uintptr_t)tsc_step_text(launch->environment, i);
        home = home || strncmp(environment[i], "HOME=", 5) == 0;
    }
    if (!home && launch->identity.known &&
        asprintf(&environment[count], "HOME=%s", launch->identity.home) < 0)
        environment[count] = NULL;
    return environment;
}

static char **make_arguments(const struct tsc_launch *launch) {
    uint32_t count = launch->exec->count - launch->exec_first;
    char **arguments = calloc((size_t)count + 1, sizeof(*arguments));
    for (uint32_t i = 0; arguments && i < count; i++)
        arguments[i] = (char *)(uintptr_t)tsc_step_text(launch->exec, launch->exec_first + i);
    return arguments;
}

/* Like execvpe(3), with the PATH of the new environment; -EACCES when all that was found cannot be executed. */
int tsc_exec_search(char *const arguments[], char *const environment[]) {
    const char *name = arguments[0];
    if (!name || !*name)
        return -ENOENT;
    if (strchr(name, '/')) {
        execve(name, arguments, environment);
        return -errno;
    }
    const char *path = DEFAULT_PATH;
    for (char *const *entry = environment; *entry; entry++)
        if (strncmp(*entry, "PATH=", 5) == 0)
            path = *entry + 5;
    int error = -ENOENT;
    for (const char *at = path;; at++) {
        size_t length = strcspn(at, ":");
        char candidate[PATH_MAX];
        int written =
            snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length, length > 0 ? at : ".", name);
        if (length == 0)
            written = snprintf(candidate, sizeof(candidate), "./%s", name);
        if (written > 0 && (size_t)written < sizeof(candidate)) {
            execve(candidate, arguments, environment);
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                return -errno;
            if (errno == EACCES)
                error = -EACCES;
        }
        at += length;
        if (*at == '\0')
            return error;
    }
}

static int is_program(const char *path) {
    struct stat info;
    if (stat(path, &info) < 0 || access(path, X_OK) < 0)
        return -errno;
    return S_ISREG(info.st_mode) ? 0 : -EACCES;
}

/* So that a command that does not exist is told at creation, as other runtimes do it. */
static int find_program(const struct tsc_launch *launch, struct tsc_error *reterr) {
    const char *name =
        launch->exec->count > launch->exec_first ? tsc_step_text(launch->exec, launch->exec_first) : "";
    const char *path = DEFAULT_PATH;
    int error = -ENOENT;
    if (strchr(name, '/'))
        return *name == '/' && (error = is_program(name)) < 0 ? tsc_fail(reterr, error, "EXEC", name) : 0;
    for (uint32_t i = 0; launch->environment && i < launch->environment->count; i++)
        if (strncmp(tsc_step_text(launch->environment, i), "PATH=", 5) == 0)
            path = tsc_step_text(launch->environment, i) + 5;
    for (size_t length; *name; path += length + 1) {
        char candidate[PATH_MAX];
        length = strcspn(path, ":");
        int written = snprintf(candidate, sizeof(candidate), "%.*s/%s", (int)length, path, name);
        int found = written < (int)sizeof(candidate) && *path == '/' ? is_program(candidate) : -ENOENT;
        /* What a relative entry holds is known in the working directory only. */
        if (found == 0 || (length > 0 && *path != '/'))
            return 0;
        error = found == -EACCES ? found : error;
        if (path[length] == '\0')
            break;
    }
    return tsc_fail(reterr, error, "EXEC", name);
}

/* The container ends with the shim. A change of credentials forgets that, so it is said once more after it. */
static void tie_to_shim(const struct tsc_launch *launch) {
    if (launch->mode == TSC_MODE_JOIN && launch->exec->op == TSC_STEP_EXEC)
        return; /* an exec may outlive the command that started it, as in Docker */
    if (launch->orphan)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    struct pollfd shim = {.fd = launch->channel, .events = 0};
    if (poll(&shim, 1, 0) > 0 && shim.revents & POLLHUP)
        _exit(1);
}

/* Paths of the image may lead through /proc/self/fd: nothing of the host is behind it when they are followed. */
static void drop_descriptors(struct tsc_launch *launch) {
    int kept[TSC_KEPT_MAX + 4];
    size_t count = 0;
    kept[count++] = launch->master;
    kept[count++] = launch->slave;
    for (int i = 0; i < launch->kept_count; i++)
        kept[count++] = launch->first_kept + i;
    kept[count++] = launch->channel;
    kept[count++] = launch->self;
    tsc_fd_close_others(kept, count);
    launch->proc = launch->root = -1;
}

static int run_start_hooks(const struct tsc_launch *launch, struct tsc_error *reterr) {
    struct tsc_hook_state state = {
        .program = launch->program, .status = "created", .pid = getpid(), .network = -1};
    return launch->mode == TSC_MODE_FIRST ? tsc_hooks_run(TSC_HOOK_START_CONTAINER, &state, reterr) : 0;
}

/* The last steps before EXEC, after which the process has no more rights than its program will have. */
static int give_up_rights(struct tsc_launch *launch, struct tsc_error *reterr) {
    const char *name = tsc_step_name(TSC_STEP_EXEC);
    launch->variables = make_environment(launch);
    launch->arguments = make_arguments(launch);
    if (!launch->variables || !launch->arguments)
        return tsc_fail(reterr, -ENOMEM, name, "");
    if (!launch->arguments[0])
        return tsc_fail(reterr, -EINVAL, name, "");
    umask(launch->umask);
    drop_descriptors(launch);
    int error = run_start_hooks(launch, reterr);
    if (error == 0)
        error = enter_directory(launch, reterr);
    if (error == 0)
        error = restrict_process(launch, reterr);
    if (error == 0)
        forget_privileges(launch);
    return error;
}

static int execute(struct tsc_launch *launch, struct tsc_error *reterr) {
    tie_to_shim(launch);
    int error = launch->init
                    ? tsc_init_exec(launch->self, launch->channel, launch->arguments, launch->variables)
                    : tsc_exec_search(launch->arguments, launch->variables);
    return tsc_fail(reterr, error, tsc_step_name(TSC_STEP_EXEC), launch->arguments[0]);
}

/* --- the process --- */

static void reset_signals(void) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Entering a user namespace leaves the old ids, which mean nobody there. */
static int become_root(const struct tsc_launch *launch, struct tsc_error *reterr) {
    if (setgroups(0, NULL) < 0 && errno != EPERM)
        return tsc_fail(reterr, -errno, "become root", "groups");
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return tsc_fail(reterr, -errno, "become root", "ids");
    if (launch->mode == TSC_MODE_FIRST && launch->private_pids)
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* or its own files in /proc would not be its own */
    return 0;
}

bool tsc_settles_first(const struct tsc_launch *launch) {
    const struct tsc_step *step = tsc_program_find(launch->program, TSC_STEP_CAPABILITIES, NULL);
    bool may_trace = !step || (uint64_t)tsc_step_integer(step, 0) >> CAP_SYS_PTRACE & 1;
    /* The memory of who enters a user namespace stays that of the one it came from: nobody in there may trace it. */
    return launch->mode == TSC_MODE_JOIN && !launch->user_namespace && may_trace;
}

int tsc_settle(struct tsc_launch *launch, struct tsc_error *reterr) {
    int error = 0;
    reset_signals();
    umask(0);
    launch->umask = 022;
    if (launch->user_namespace)
        error = become_root(launch, reterr);
    if (error == 0)
        error = launch->root = tsc_fd_open("/", O_PATH | O_DIRECTORY, 0);
    if (error < 0)
        return error;
    error = perform_steps(launch, reterr);
    if (error == 0 && launch->gate > 0)
        error = find_program(launch, reterr);
    if (error == 0 && launch->gated)
        error = pass_gate(launch, reterr);
    if (error == 0)
        error = tsc_fault_of(&launch->fault, launch->exec->op, reterr);
    if (error == 0)
        error = give_up_rights(launch, reterr);
    launch->settled = error == 0;
    return error;
}

int tsc_perform(struct tsc_launch *launch, struct tsc_error *reterr) {
    setsid();
    tie_to_shim(launch);
    int error = launch->settled ? tsc_terminal_take(launch, reterr) : tsc_settle(launch, reterr);
    return error < 0 ? error : execute(launch, reterr);
}
