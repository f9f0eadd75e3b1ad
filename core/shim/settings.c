/* Settings of the first process and its namespaces. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fd.h"
#include "perform.h"
#include "syscalls.h"

static bool is_network(const struct tsc_step *step) {
    return strncmp(tsc_step_text(step, 0), "net.", 4) == 0 || strncmp(tsc_step_text(step, 0), "net/", 4) == 0;
}

/* Like sysctl(8): the first separator decides; a dot inside a name is written as a slash. */
static int sysctl_path(const char *name, char *path, size_t size) {
    int length = snprintf(path, size, "sys/%s", name);
    if (length < 0 || (size_t)length >= size)
        return -ENAMETOOLONG;
    const char *first = strpbrk(name, "./");
    if (strstr(path, "..") || !first || *first == '/')
        return strstr(path, "..") ? -EINVAL : 0;
    for (char *at = path + 4; *at; at++)
        *at = *at == '.' ? '/' : *at == '/' ? '.' : *at;
    return strstr(path, "..") ? -EINVAL : 0;
}

static int write_sysctl(int proc, const struct tsc_step *step, struct tsc_error *reterr) {
    char path[PATH_MAX];
    const char *name = tsc_step_text(step, 0);
    int error = sysctl_path(name, path, sizeof(path));
    if (error == 0)
        error = tsc_file_write(proc, path, tsc_step_text(step, 1));
    return error < 0 ? tsc_fail(reterr, error, "", name) : 0;
}

int tsc_sysctl(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    return is_network(step) ? 0 : write_sysctl(launch->proc, step, reterr);
}

/*
 * In the machine's /proc the settings of all network namespaces lie in one directory under the same names, and the
 * kernel finds ours by looking at each of them: a file system of our own has only ours. Only root may make one.
 */
static int open_proc(void) {
    tsc_auto_fd int context = tsc_sys_fsopen("proc", TSC_FSOPEN_CLOEXEC);
    if (context >= 0 && tsc_sys_fsconfig(context, TSC_FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0) {
        int mount = tsc_sys_fsmount(context, TSC_FSMOUNT_CLOEXEC, 0);
        if (mount >= 0)
            return mount;
    }
    return tsc_fd_open("/proc", O_PATH | O_DIRECTORY, 0);
}

int tsc_network_sysctls(const struct tsc_program *program, bool own_network, struct tsc_error *reterr) {
    tsc_auto_fd int proc = -1;
    tsc_program_each(program, TSC_STEP_SYSCTL, step) {
        if (!is_network(step))
            continue;
        if (proc < 0)
            proc = open_proc();
        int error = own_network ? write_sysctl(proc, step, reterr)
                                : tsc_fail(reterr, -EPERM, "", tsc_step_text(step, 0));
        if (error < 0)
            return tsc_fail_step(reterr, error, tsc_step_name(step->op));
    }
    return 0;
}

int tsc_hostname(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    const char *name = tsc_step_text(step, 0);
    return sethostname(name, strlen(name)) < 0 ? tsc_fail(reterr, -errno, "", name) : 0;
}

int tsc_domainname(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    const char *name = tsc_step_text(step, 0);
    return setdomainname(name, strlen(name)) < 0 ? tsc_fail(reterr, -errno, "", name) : 0;
}

int tsc_rlimit(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    struct rlimit limit = {
        .rlim_cur = (rlim_t)tsc_step_integer(step, 1),
        .rlim_max = (rlim_t)tsc_step_integer(step, 2),
    };
    int64_t resource = tsc_step_integer(step, 0);
    if (resource < 0 || resource >= RLIM_NLIMITS)
        return tsc_failf(reterr, -EINVAL, "", "%lld", (long long)resource);
    if (setrlimit((__rlimit_resource_t)resource, &limit) < 0)
        return tsc_failf(reterr, -errno, "", "%lld", (long long)resource);
    return 0;
}

int tsc_oom_score(int proc, const struct tsc_step *step, struct tsc_error *reterr) {
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)tsc_step_integer(step, 0));
    int error = tsc_file_write(proc, "self/oom_score_adj", text);
    return error < 0 ? tsc_fail(reterr, error, "", text) : 0;
}

int tsc_lsm_label(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    const char *label = tsc_step_text(step, 1);
    bool apparmor = strcmp(tsc_step_text(step, 0), "apparmor") == 0;
    char text[512];
    int length = snprintf(text, sizeof(text), apparmor ? "exec %s" : "%s", label);
    if (length < 0 || (size_t)length >= sizeof(text))
        return tsc_fail(reterr, -ENAMETOOLONG, "", label);
    int error = apparmor ? tsc_file_write(launch->proc, "self/attr/apparmor/exec", text) : -ENOENT;
    if (error == -ENOENT)
        error = tsc_file_write(launch->proc, "self/attr/exec", text);
    return error < 0 ? tsc_fail(reterr, error, "", label) : 0;
}

int tsc_personality(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    return personality((unsigned long)tsc_step_integer(step, 0)) < 0 ? tsc_fail(reterr, -errno, "", "") : 0;
}

/* struct sched_attr of linux/sched/types.h, which contradicts the C library's own headers. */
struct scheduling {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
};

int tsc_scheduler(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    struct scheduling wanted = {
        .size = sizeof(wanted),
        .policy = (uint32_t)tsc_step_integer(step, 0),
        .flags = (uint64_t)tsc_step_integer(step, 1),
        .nice = (int32_t)tsc_step_integer(step, 2),
        .priority = (uint32_t)tsc_step_integer(step, 3),
        .runtime = (uint64_t)tsc_step_integer(step, 4),
        .deadline = (uint64_t)tsc_step_integer(step, 5),
        .period = (uint64_t)tsc_step_integer(step, 6),
    };
    return syscall(SYS_sched_setattr, 0, &wanted, 0) < 0 ? tsc_fail(reterr, -errno, "", "") : 0;
}

int tsc_io_priority(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    (void)launch;
    enum { WHO_PROCESS = 1, CLASS_SHIFT = 13 };
    int value = (int)tsc_step_integer(step, 0) << CLASS_SHIFT | (int)tsc_step_integer(step, 1);
    return syscall(SYS_ioprio_set, WHO_PROCESS, 0, value) < 0 ? tsc_fail(reterr, -errno, "", "") : 0;
}
