/* Performing the LAUNCH steps, in the process that becomes the container's first one (or one more of it). */
#ifndef TSC_PERFORM_H
#define TSC_PERFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "program.h"

enum { TSC_KEPT_MAX = 64 };

/* For tests: this step fails (TSCOMPOSE_FAIL_STEP). */
struct tsc_fault {
    uint32_t op;
    int code;
};

enum tsc_mode {
    TSC_MODE_FIRST, /* the container's first process */
    TSC_MODE_JOIN,  /* exec or a health check, in a container that runs */
};

/* Who the process becomes; USER fills it. */
struct tsc_identity {
    bool known;
    uid_t uid;
    gid_t gid;
    char home[256];
};

struct tsc_launch {
    const struct tsc_program *program;
    enum tsc_mode mode;
    struct tsc_fault fault;
    const struct tsc_step *exec; /* the step that holds the command: EXEC, or HEALTH */
    uint32_t exec_first;         /* which of its arguments is argv[0] */
    bool no_terminal;            /* TERMINAL is not for this process */
    bool gated;                  /* wait for TSC_SYNC_GO before EXEC */
    int gate;       /* or, when there is no shim, for a connection to this listening socket; 0: none */
    bool orphan;    /* belongs to nobody once it passed the gate */
    int first_kept; /* descriptors that the process gets besides the standard ones */
    int kept_count;
    bool user_namespace; /* become its root first */
    bool private_pids;   /* nobody else is in the pid namespace */
    int64_t descriptors; /* soft RLIMIT_NOFILE to give back, 0: as it is */
    int channel;
    int self;     /* our own program file, for INIT */
    int proc;     /* /proc of the host */
    int root;     /* where paths of the container are resolved; O_PATH */
    int *sources; /* BIND's detached trees by step index, -1: none */
    /* Settings that have to wait until EXEC. */
    struct tsc_identity identity;
    const struct tsc_step *capabilities;
    const struct tsc_step *seccomp;
    const struct tsc_step *environment;
    const struct tsc_step *directory;
    char **arguments;
    char **variables;
    int master; /* of a terminal that is taken later, or 0 */
    int slave;
    bool settled; /* all is done but EXEC */
    mode_t umask;
    bool no_new_privileges;
    bool init;
};

/* Performs all steps, then EXEC: does not return when that succeeds. The error's step is the step's name. */
int tsc_perform(struct tsc_launch *launch, struct tsc_error *reterr);

/*
 * Whether processes of the container could trace one more of them before its EXEC, whatever the kernel is told about
 * dumping it. Then the entry settles first, where none of them sees it, and has no more rights than they when they do.
 */
bool tsc_settles_first(const struct tsc_launch *launch);
/* All of tsc_perform but EXEC and what only the new process can do itself. */
int tsc_settle(struct tsc_launch *launch, struct tsc_error *reterr);

/* 0, or the error that the test wants from this step. */
int tsc_fault_of(const struct tsc_fault *fault, uint32_t op, struct tsc_error *reterr);

/* The steps, by the file that holds them. Each returns -errno and fills the error's path. */
typedef int tsc_operation(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr);

/* rootfs.c */
tsc_operation tsc_root_propagation, tsc_root_overlay, tsc_root_bind, tsc_bind, tsc_mount, tsc_pivot_root,
    tsc_move_root, tsc_mask, tsc_read_only_path, tsc_root_read_only, tsc_mount_attributes;
/* Detached clones of the sources of BIND and ROOT_BIND, made by who still sees and may read the host's files. `idmap` may be NULL. */
int tsc_bind_source(const struct tsc_step *step, const struct tsc_step *idmap, int *ret_tree,
                    struct tsc_error *reterr);
int tsc_root_source(const struct tsc_step *step, int *ret_tree, struct tsc_error *reterr);
/* idmap.c: a user namespace with these maps, in which nothing runs. */
int tsc_idmap_open(const char *uid_map, const char *gid_map, int *ret_fd, struct tsc_error *reterr);
/* rootmap.c */
tsc_operation tsc_subdirectory;
/* The overlay of ROOT_OVERLAY, mounted nowhere, with the maps of the ROOT_IDMAP before it. */
int tsc_overlay_source(const struct tsc_step *overlay, const struct tsc_step *idmap, int *ret_tree,
                       struct tsc_error *reterr);
/* files.c */
tsc_operation tsc_device, tsc_symlink, tsc_file, tsc_directory, tsc_working_directory;
/* copyup.c */
tsc_operation tsc_copy_up, tsc_mount_copy_up;
/* settings.c */
tsc_operation tsc_sysctl, tsc_hostname, tsc_domainname, tsc_rlimit, tsc_lsm_label, tsc_personality,
    tsc_scheduler, tsc_io_priority;
int tsc_oom_score(int proc, const struct tsc_step *step, struct tsc_error *reterr);
/* Those of the network, of which some name interfaces: for when the interfaces are there, in the container's network. */
int tsc_network_sysctls(const struct tsc_program *program, bool own_network, struct tsc_error *reterr);
/* security.c */
tsc_operation tsc_user;
/* What is permitted becomes effective again, which a change of user has ended. */
int tsc_capabilities_raise(struct tsc_error *reterr);
int tsc_capabilities_apply(const struct tsc_step *step, struct tsc_error *reterr);
int tsc_seccomp_apply(const struct tsc_step *step, struct tsc_error *reterr);
/* terminal.c */
tsc_operation tsc_terminal;
/* The terminal that was opened by who settled first becomes ours. */
int tsc_terminal_take(struct tsc_launch *launch, struct tsc_error *reterr);

/* Opens a path below the container's root, following its links without ever leaving it. */
int tsc_root_open(const struct tsc_launch *launch, const char *path, int flags, mode_t mode);
/* Opens the directory that holds the last component of `path`, made when missing; `ret_name` points into `path`. */
int tsc_root_parent(const struct tsc_launch *launch, const char *path, char *buffer, size_t size,
                    const char **ret_name);
/* O_PATH of a mount point, made as a directory or an empty file when missing. */
int tsc_root_target(const struct tsc_launch *launch, const char *path, bool directory);

#endif
