/*
 * The whole ABI of libtscore.so, which the TypeScript side loads with koffi. Across it go integers, strings,
 * file descriptors and byte buffers. Every function returns 0 or -errno and fills `reterr` on failure.
 * No function forks without exec, changes the working directory, umask or credentials of the process;
 * one that enters a network namespace has left it again when it returns. All may be called from several threads.
 */
#ifndef TSC_CORE_H
#define TSC_CORE_H

#include <stddef.h>
#include <stdint.h>

#define TSC_API __attribute__((visibility("default")))

/* Raised with every change of a prototype; the binding refuses another library than its own. */
#define TSC_ABI_VERSION 4

struct tsc_error {
    int32_t code;   /* errno */
    char step[64];  /* what was being done, for example "bind port" */
    char path[512]; /* to which object */
};

TSC_API int tsc_abi_version(void);

/* --- processes --- */

/* Starts `path`, or what the descriptor `file` is open on unless it is -1, detached from the caller (an orphan, session of
 * its own, in directory /): `fds[n]` becomes descriptor n there, -1 is /dev/null; all others are closed. Returns its pid. */
TSC_API int tsc_spawn(const char *path, int32_t file, const char *const argv[], const char *const envp[],
                      const int32_t *fds, int32_t fd_count, int32_t *ret_pid, struct tsc_error *reterr);
/* A descriptor of a file on a read-only mount of its own: a program started from it cannot be opened for writing. */
TSC_API int tsc_read_only_file(const char *path, int32_t *ret_fd, struct tsc_error *reterr);
/* Replaces the calling process; signal dispositions and mask are put back to the default, standard descriptors to blocking. */
TSC_API int tsc_exec(const char *path, const char *const argv[], const char *const envp[],
                     struct tsc_error *reterr);
TSC_API int tsc_socket_pair(int32_t ret_fds[2], struct tsc_error *reterr);
/* Sends a signal to the process that has this pid and this start time (field 22 of its stat); -ESRCH for any other. */
TSC_API int tsc_signal(int32_t pid, uint64_t start_ticks, int32_t signal, struct tsc_error *reterr);
/* A sealed memory file, at its start; it outlives tsc_exec. */
TSC_API int tsc_memfd(const char *name, const uint8_t *content, size_t length, int32_t *ret_fd,
                      struct tsc_error *reterr);
TSC_API int tsc_open_fd(const char *path, int32_t flags, int32_t *ret_fd, struct tsc_error *reterr);
TSC_API int tsc_close(int32_t fd);

/* --- locks: flock() on a file that is made when missing --- */

/* exclusive 0/1; -EWOULDBLOCK when somebody has it. */
TSC_API int tsc_lock(const char *path, int32_t exclusive, int32_t *ret_fd, struct tsc_error *reterr);
/* Begins to wait: the socket `ret_notice` delivers one byte, an errno or 0, once the lock is had, and from then on
 * `ret_fd` belongs to the caller. Closing the socket before gives up; what it waited for is then let go by itself. */
TSC_API int tsc_lock_wait(const char *path, int32_t exclusive, int32_t *ret_fd, int32_t *ret_notice,
                          struct tsc_error *reterr);
/* 1 when somebody holds the lock of an existing file exclusively, 0 when not or no such file. For an instant it has the
 * lock itself, shared: who must not fail then takes it with waiting. */
TSC_API int tsc_lock_is_held(const char *path, struct tsc_error *reterr);

/* --- network --- */

/* Sends a batch of netlink messages (protocol NETLINK_ROUTE or NETLINK_NETFILTER) inside the network namespace `netns`
 * (a path; NULL for the caller's own) and reads answers until each message with NLM_F_ACK or NLM_F_DUMP is done.
 * Answers are copied to `reply`; -EMSGSIZE when they need more, `ret_length` bytes. On failure `ret_failed_seq` is the nlmsg_seq that the kernel refused and reterr->path its extended message. */
TSC_API int tsc_netlink(int32_t protocol, const char *netns, const uint8_t *request, size_t length,
                        uint8_t *reply, size_t capacity, size_t *ret_length, uint32_t *ret_failed_seq,
                        struct tsc_error *reterr);
/* A new network namespace of the caller's user namespace, with loopback up; it lives as long as its descriptor, what is
 * mounted of it, or a process in it. */
TSC_API int tsc_network_namespace(int32_t *ret_fd, struct tsc_error *reterr);
/* Binds (and for tcp and sctp listens on) a host port, in the caller's namespace. protocol: IPPROTO_*. address: text, "" for all of IPv4 and IPv6. port 0: any.
 * Returns the socket and the port. */
TSC_API int tsc_listen(int32_t protocol, const char *address, int32_t port, int32_t *ret_fd,
                       int32_t *ret_port, struct tsc_error *reterr);

/* --- files --- */

/* Asks the file system to place the subdirectories of a directory far from each other, as chattr +T does. */
TSC_API int tsc_spread_directory(const char *path, struct tsc_error *reterr);
/* Makes what was written to the file system of `path` durable. */
TSC_API int tsc_sync_filesystem(const char *path, struct tsc_error *reterr);
/* Removes a tree without following symbolic links or leaving its file system; a missing one is fine. */
TSC_API int tsc_remove_tree(const char *path, struct tsc_error *reterr);
/* Puts directories of one file system (NULL at the end), and all that will be made in them, into the first project from `first` on that is not in use, and limits
 * that to so many bytes; -EOPNOTSUPP when the file system enforces no project quotas. */
TSC_API int tsc_quota_claim(const char *const directories[], uint32_t first, uint64_t bytes,
                            struct tsc_error *reterr);
/* Takes the limit off the project of a directory; none, or no such directory, is fine. */
TSC_API int tsc_quota_release(const char *directory, struct tsc_error *reterr);

/* --- layers: a tar archive unpacked beneath one directory --- */

enum tsc_layer_flags {
    TSC_LAYER_WHITEOUTS = 1, /* `.wh.` names become what overlayfs understands; a layer of an image */
    TSC_LAYER_USER_XATTR =
        2, /* opaque directories are marked in the `user.` namespace, as rootless overlay mounts want it */
    TSC_LAYER_OWNERS = 4,     /* take the owners of the archive */
    TSC_LAYER_NO_DEVICES = 8, /* leave device nodes out */
    TSC_LAYER_FOLLOW =
        16, /* symbolic links on the way count as if `directory` were the root; mounts are crossed */
};

struct tsc_layer;

/* `prefix` is put before every name. `limit`: bytes that may be unpacked, 0 for no limit; more is -EFBIG. What leaves the directory is
 * -EXDEV, a malformed archive -EBADMSG. */
TSC_API int tsc_layer_open(const char *directory, const char *prefix, uint32_t flags, uint64_t limit,
                           struct tsc_layer **ret_layer, struct tsc_error *reterr);
TSC_API int tsc_layer_write(struct tsc_layer *layer, const uint8_t *tar, size_t length,
                            struct tsc_error *reterr);
/* Sets the times of directories. Those that have no entry of their own look as they do in `lower` (directories, top first, NULL at the end). */
TSC_API int tsc_layer_finish(struct tsc_layer *layer, const char *const lower[], uint64_t *ret_bytes,
                             uint64_t *ret_entries, struct tsc_error *reterr);
TSC_API void tsc_layer_free(struct tsc_layer *layer);

enum tsc_pack_flags {
    TSC_PACK_WHITEOUTS = 1, /* the upper directory of an overlay becomes a layer of an image */
    TSC_PACK_ONE_MOUNT = 2, /* what is mounted below stays an empty directory */
    TSC_PACK_FOLLOW = 4,    /* when `path` is a symbolic link, what it means */
    TSC_PACK_NO_ROOT = 8,   /* no entry for the start itself when `name` is empty */
};

/* Writes what `path` means with `root` as the root directory as a tar archive to `output`; there it is called `name`. */
TSC_API int tsc_tree_pack(const char *root, const char *path, const char *name, uint32_t flags,
                          int32_t output, uint64_t *ret_bytes, struct tsc_error *reterr);
/* Mounts an overlay that is attached nowhere and goes away with its descriptor. `lower`: top first, NULL at the end. `upper` "": read-only. */
TSC_API int tsc_overlay_open(const char *const lower[], const char *upper, const char *work,
                             int32_t user_xattr, int32_t *ret_fd, struct tsc_error *reterr);

#endif
