/* The container's control groups: v2, v1 and both at once. Which files exist says which version a directory is. */
#ifndef TSC_CGROUP_H
#define TSC_CGROUP_H

#include "perform.h"

struct tsc_cgroups {
    const struct tsc_program *program;
    char **made; /* in the order of making */
    size_t count;
    bool used;             /* one of them was there before, and may have counted */
    const char *open_path; /* the file that was written last: lists are written line by line */
    int open_file;
};

/* CGROUP_CREATE, CGROUP_WRITE and CGROUP_DEVICES. */
int tsc_cgroup_prepare(struct tsc_cgroups *cgroups, const struct tsc_program *program,
                       const struct tsc_fault *fault, struct tsc_error *reterr);
/* Removes what was made; waits a little for processes that are still going. */
void tsc_cgroup_remove(struct tsc_cgroups *cgroups);
/* Freezes or thaws; done when it returns 0. */
int tsc_cgroup_freeze(const struct tsc_cgroups *cgroups, bool frozen);
/* SIGKILL to every process; -ENOENT when there is no cgroup. */
int tsc_cgroup_kill(const struct tsc_cgroups *cgroups);
/* How often the kernel killed a process of the container for want of memory. */
int64_t tsc_cgroup_oom_kills(const struct tsc_cgroups *cgroups);

#endif
