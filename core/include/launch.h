/*
 * The launch program: what TypeScript hands to the shim for one container (or one exec).
 *
 * A program is a flat list of steps. Its file starts with the four bytes "TSLP", then three
 * little-endian 32-bit numbers: TSC_LAUNCH_VERSION, the number of steps, and zero. Each step is two
 * 32-bit numbers, the operation and its argument count, followed by its arguments: a 32-bit length, that many bytes,
 * and one NUL byte that the length does not count. An integer argument is eight bytes, little-endian,
 * signed. Nothing is aligned.
 *
 * The signature of a step is one letter an argument: s string without NUL inside, i integer, b bytes; a final
 * `*` repeats the letter before it any number of times, also zero. The decoder refuses everything else.
 *
 * src/containers/steps.ts mirrors this table; a test compares the two.
 *
 * The phase says who performs a step and when:
 *   PREPARE   the shim, in the host's namespaces, once
 *   LAUNCH    the container's first process, in its new namespaces, at every start
 *   SUPERVISE settings of the shim
 * Steps of a phase are performed in the order in which they are written.
 */
#ifndef TSC_LAUNCH_H
#define TSC_LAUNCH_H

#define TSC_LAUNCH_MAGIC   "TSLP"
#define TSC_LAUNCH_VERSION 1

/* clang-format off */
/*    number  name                signature   phase      what it does */
#define TSC_STEPS(X) \
    X(1,  CGROUP_CREATE,     "si",       PREPARE)   /* directory, 1 when its hierarchy has the v1 controller cpuset; parents too; it is removed at the end when empty, so are parents that were made here: give shared parents steps of their own */ \
    X(2,  CGROUP_WRITE,      "ss",       PREPARE)   /* file, value */ \
    X(3,  CGROUP_JOIN,       "si",       PREPARE)   /* directory that takes the first process, 1 when it is v2 (repeatable: v1) */ \
    X(4,  CGROUP_DEVICES,    "sb",       PREPARE)   /* v2 directory, BPF_PROG_TYPE_CGROUP_DEVICE instructions */ \
    X(5,  NAMESPACES,        "i",        PREPARE)   /* CLONE_NEW* that are made anew; NEWNET belongs to the shim */ \
    X(6,  JOIN_NAMESPACE,    "is",       PREPARE)   /* CLONE_NEW*, slot: joined through the fd given as --fd slot=N */ \
    X(7,  UID_MAP,           "s",        PREPARE)   /* text for /proc/PID/uid_map */ \
    X(8,  GID_MAP,           "s",        PREPARE)   \
    X(9,  TIME_OFFSET,       "sii",      PREPARE)   /* clock ("monotonic", "boottime"), seconds, nanoseconds */ \
    X(10, HOOK_STATE,        "ss",       PREPARE)   /* the state that hooks read: JSON before and after its "status" and "pid" */ \
    X(11, CGROUP_SCOPE,      "ssss",     PREPARE)   /* slice, unit, description, v2 directory where the shim waits ("" on v1): systemd puts the shim into this scope; before all other groups */ \
    X(20, ROOT_PROPAGATION,  "i",        LAUNCH)    /* MS_* for the mount tree of the new namespace, before all else */ \
    X(21, ROOT_OVERLAY,      "sssss*",   LAUNCH)    /* mount point, upper, work, extra options, lower (top first); empty upper: read-only */ \
    X(22, ROOT_BIND,         "ss",       LAUNCH)    /* mount point, directory that is the root file system */ \
    X(23, BIND,              "sssiii",   LAUNCH)    /* source, subpath ("" for all), target, MS_* attributes, MS_* propagation, TSC_BIND_* */ \
    X(24, MOUNT,             "sssis",    LAUNCH)    /* type, source, target, MS_*, data */ \
    X(25, DEVICE,            "siiiii",   LAUNCH)    /* path, mode with S_IFCHR etc., major, minor, uid, gid */ \
    X(26, SYMLINK,           "ss",       LAUNCH)    /* content, path */ \
    X(27, FILE,              "siiib",    LAUNCH)    /* path, mode, uid, gid, content */ \
    X(28, DIRECTORY,         "siii",     LAUNCH)    /* path, mode, uid, gid; parents too; an existing one is left as it is */ \
    X(29, COPY_UP,           "ss",       LAUNCH)    /* path in the root file system, volume directory on the host: copied when that is empty */ \
    X(30, PIVOT_ROOT,        "",         LAUNCH)    \
    X(31, MASK,              "s",        LAUNCH)    /* hidden by /dev/null or an empty read-only tmpfs; a missing path is fine */ \
    X(32, READ_ONLY_PATH,    "s",        LAUNCH)    /* remounted read-only; a missing path is fine */ \
    X(33, ROOT_READ_ONLY,    "",         LAUNCH)    \
    X(34, SYSCTL,            "ss",       LAUNCH)    /* dotted name, value; those of "net." are written by the shim when the gate opens, when all interfaces exist */ \
    X(35, HOSTNAME,          "s",        LAUNCH)    \
    X(36, DOMAINNAME,        "s",        LAUNCH)    \
    X(37, RLIMIT,            "iii",      LAUNCH)    /* RLIMIT_*, soft, hard; -1 is unlimited */ \
    X(38, OOM_SCORE_ADJ,     "i",        LAUNCH)    \
    X(39, UMASK,             "i",        LAUNCH)    \
    X(40, WORKING_DIRECTORY, "si",       LAUNCH)    /* path, 1: made when missing */ \
    X(41, USER,              "ss*",      LAUNCH)    /* "user[:group]" looked up in the container's passwd and group; further groups; sets HOME unless ENVIRONMENT has it */ \
    X(42, CAPABILITIES,      "iiiii",    LAUNCH)    /* bounding, effective, permitted, inheritable, ambient */ \
    X(43, NO_NEW_PRIVILEGES, "",         LAUNCH)    \
    X(44, SECCOMP,           "ib",       LAUNCH)    /* SECCOMP_FILTER_FLAG_*, struct sock_filter array; installed last */ \
    X(45, LSM_LABEL,         "ss",       LAUNCH)    /* "apparmor" or "selinux", label */ \
    X(46, ENVIRONMENT,       "s*",       LAUNCH)    /* NAME=value */ \
    X(47, TERMINAL,          "ii",       LAUNCH)    /* rows, columns: a terminal of the container's own devpts */ \
    X(48, STANDARD_INPUT,    "i",        LAUNCH)    /* 0: /dev/null, 1: a pipe that stays open, 2: closed after the first attached client */ \
    X(49, INIT,              "",         LAUNCH)    /* PID 1 is ours: reaps, forwards signals */ \
    X(50, EXEC,              "s*",       LAUNCH)    /* argv; the program is searched in PATH of ENVIRONMENT */ \
    X(51, HOOK,              "iisis*",   LAUNCH)    /* TSC_HOOK_*, timeout in ms (0: none), program, number of arguments; these, then its environment */ \
    X(52, AWAIT_HOOKS,       "",         LAUNCH)    /* until who creates the container has run the hooks of TSC_HOOK_CREATE_RUNTIME */ \
    X(53, MOVE_ROOT,         "",         LAUNCH)    /* instead of PIVOT_ROOT, which a root file system in the initramfs does not allow */ \
    X(54, PERSONALITY,       "i",        LAUNCH)    /* of sys/personality.h */ \
    X(55, MOUNT_ATTRIBUTES,  "siiii",    LAUNCH)    /* path, MOUNT_ATTR_* set and cleared, MS_* propagation, 1: of the mounts below too */ \
    X(56, BIND_IDMAP,        "ssi",      LAUNCH)    /* of the BIND that follows: text of its uid_map and gid_map, 1: the mounts below too */ \
    X(57, SCHEDULER,         "iiiiiii",  LAUNCH)    /* SCHED_*, SCHED_FLAG_*, nice, priority; runtime, deadline and period in ns */ \
    X(58, IO_PRIORITY,       "ii",       LAUNCH)    /* IOPRIO_CLASS_*, level */ \
    X(59, MOUNT_COPY_UP,     "sssis",    LAUNCH)    /* MOUNT of an empty file system, which takes what it hides */ \
    X(60, LOG,               "ssiii",    SUPERVISE) /* driver ("json-file", "local", "journald", "syslog", "none"), file (journald, syslog: where a copy is kept for readers), "" for none, max size in bytes or 0, number of files, 1: non-blocking */ \
    X(61, RESTART,           "siii",     SUPERVISE) /* "no", "always", "unless-stopped", "on-failure"; attempts (0: no limit), fixed delay in ms (-1: back-off), window in ms */ \
    X(62, STOP,              "ii",       SUPERVISE) /* signal, grace in ms */ \
    X(63, HEALTH,            "iiiiis*",  SUPERVISE) /* interval, timeout, start period, start interval (all ms), retries, argv; the first probe comes after the start interval when there is a start period, else after the interval */ \
    X(64, HOSTS,             "sss*",     SUPERVISE) /* hosts file to keep, its fixed first lines, name tables of the networks (see shim.h) */ \
    X(65, LINK,              "ss",       SUPERVISE) /* name in the tables, further name that only this container sees */ \
    X(66, DNS,               "s*",       SUPERVISE) /* answer on 127.0.0.11 port 53 of the network namespace; upstream servers ("ADDRESS" or "ADDRESS#PORT"), asked from the host's network */ \
    X(70, ROOT_IDMAP,        "ss",       LAUNCH)    /* of the ROOT_OVERLAY that follows: text of the uid_map and gid_map of its layers */ \
    X(71, SUBDIRECTORY,      "ss",       LAUNCH)    /* mount point, directory of what is mounted there that takes its place */ \
    X(72, PROBE,             "ss*",      SUPERVISE) /* HEALTH without argv: "http" (address, port, path, expected code or ""), "tcp" (address, port), "file" (path), "log" (extended regular expression for a line) */ \
    X(73, LOG_OPTIONS,       "ssssii",   SUPERVISE) /* tag for journald and syslog; of syslog: "unix PATH", "unixgram PATH", "udp ADDRESS PORT", "tcp ADDRESS PORT" or "" (/dev/log), and "", "rfc3164", "rfc5424" or "rfc5424micro"; what each entry has more: members of a json-file line, or fields for journald; facility of syslog; bytes that wait for a receiver before entries are lost */
/* clang-format on */

enum tsc_step_op {
#define X(number, name, signature, phase) TSC_STEP_##name = number,
    TSC_STEPS(X)
#undef X
};

/* Options of BIND. */
enum tsc_bind {
    TSC_BIND_RECURSIVE = 1,      /* with the mounts below the source */
    TSC_BIND_CREATE_SOURCE = 2,  /* make a missing source directory */
    TSC_BIND_READ_ONLY_DEEP = 4, /* MS_RDONLY holds for the mounts below too */
    TSC_BIND_FILE = 8,           /* the source is a file: a missing target is made as one */
    TSC_BIND_OPTIONAL = 16,      /* a missing source is no error */
};

/* When a HOOK runs, and where: the host's namespaces, or the container's before and after its root is entered. */
enum tsc_hook { TSC_HOOK_CREATE_RUNTIME, TSC_HOOK_CREATE_CONTAINER, TSC_HOOK_START_CONTAINER };

#endif
