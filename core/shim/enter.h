/* The way into a container: a short-lived process joins its cgroups and namespaces and leaves a child there. */
#ifndef TSC_ENTER_H
#define TSC_ENTER_H

#include "perform.h"

enum { TSC_JOINS_MAX = 8 };

struct tsc_join {
    unsigned flag; /* CLONE_NEW* */
    int fd;
};

struct tsc_entry {
    struct tsc_launch *launch;
    int standard[3]; /* become 0, 1, 2; -1: /dev/null */
    int pidfd;       /* of a process whose namespaces `pidfd_flags` are joined, or -1 */
    unsigned pidfd_flags;
    struct tsc_join joins[TSC_JOINS_MAX];
    size_t join_count;
    int user_namespace;                   /* joined after all others, or -1 */
    unsigned unshare;                     /* CLONE_NEW* made anew */
    const struct tsc_step *joined_cgroup; /* the step that the clone itself has done, or NULL */
};

/* The process that performs entry->launch; it is a child of the caller. */
struct tsc_process {
    pid_t pid;
    int pidfd;
    int channel;
};

int tsc_enter(struct tsc_entry *entry, struct tsc_process *ret, struct tsc_error *reterr);

#endif
