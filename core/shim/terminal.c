/* A terminal of the container's own devpts: the slave for its process, the master for the shim. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "channel.h"
#include "cleanup.h"
#include "fd.h"
#include "perform.h"
#include "syscalls.h"

/* The container could have put anything there: nothing but the multiplexer device is opened. */
static int open_multiplexer(const struct tsc_launch *launch, const char *path) {
    tsc_auto_fd int node = tsc_root_open(launch, path, O_PATH, 0);
    struct stat info;
    if (node < 0)
        return node;
    if (fstat(node, &info) < 0)
        return -errno;
    if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev(5, 2))
        return -ENODEV;
    char name[32];
    snprintf(name, sizeof(name), "self/fd/%d", node);
    return tsc_fd_openat(launch->proc, name, O_RDWR | O_NOCTTY, 0);
}

/* Makes /dev/console the terminal, as programs like agetty or systemd expect it. */
static int bind_console(const struct tsc_launch *launch, int master) {
    unsigned number;
    char path[32];
    if (ioctl(master, TIOCGPTN, &number) < 0)
        return -errno;
    snprintf(path, sizeof(path), "/dev/pts/%u", number);
    tsc_auto_fd int slave = tsc_root_open(launch, path, O_PATH, 0);
    if (slave < 0)
        return slave;
    tsc_auto_fd int tree =
        tsc_sys_open_tree(slave, "", TSC_OPEN_TREE_CLONE | TSC_OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0)
        return -errno;
    tsc_auto_fd int console = tsc_root_target(launch, "/dev/console", false);
    if (console < 0)
        return console;
    unsigned flags = TSC_MOVE_MOUNT_F_EMPTY_PATH | TSC_MOVE_MOUNT_T_EMPTY_PATH;
    return tsc_sys_move_mount(tree, "", console, "", flags) < 0 ? -errno : 0;
}

static int become_terminal(int slave) {
    if (ioctl(slave, TIOCSCTTY, 0) < 0)
        return -errno;
    for (int fd = 0; fd <= 2; fd++)
        if (dup2(slave, fd) < 0)
            return -errno;
    return 0;
}

static int hand_over(const struct tsc_launch *launch, int master, int slave) {
    int error = become_terminal(slave);
    if (error == 0)
        error = tsc_channel_send(launch->channel, &(struct tsc_message){.kind = TSC_SYNC_TERMINAL}, master);
    return error;
}

int tsc_terminal_take(struct tsc_launch *launch, struct tsc_error *reterr) {
    int error = launch->master > 0 ? hand_over(launch, launch->master, launch->slave) : 0;
    if (error < 0)
        return tsc_fail(reterr, error, tsc_step_name(TSC_STEP_TERMINAL), "/dev/console");
    if (launch->master > 0) {
        close(launch->master);
        close(launch->slave);
    }
    return 0;
}

int tsc_terminal(struct tsc_launch *launch, const struct tsc_step *step, struct tsc_error *reterr) {
    tsc_auto_fd int master = open_multiplexer(launch, "/dev/pts/ptmx");
    if (master < 0) {
        master = open_multiplexer(launch, "/dev/ptmx");
        if (master < 0)
            return tsc_fail(reterr, master, "", "/dev/ptmx");
    }
    int unlocked = 0;
    struct winsize size = {
        .ws_row = (unsigned short)tsc_step_integer(step, 0),
        .ws_col = (unsigned short)tsc_step_integer(step, 1),
    };
    if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
        return tsc_fail(reterr, -errno, "", "/dev/ptmx");
    if (size.ws_row > 0 && size.ws_col > 0)
        ioctl(master, TIOCSWINSZ, &size);
    /* By descriptor: no path that the container controls leads to the slave. */
    tsc_auto_fd int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    int error = slave < 0 ? -errno : 0;
    /* The terminal belongs to the user; only the rights of before may mount it. */
    if (error == 0 && launch->mode == TSC_MODE_FIRST && launch->identity.known)
        error = tsc_capabilities_raise(reterr);
    if (error == 0 && launch->mode == TSC_MODE_FIRST)
        error = bind_console(launch, master);
    if (error == 0 && tsc_settles_first(launch)) {
        launch->master = tsc_take_fd(&master);
        launch->slave = tsc_take_fd(&slave);
        return 0;
    }
    if (error == 0)
        error = hand_over(launch, master, slave);
    return error < 0 ? tsc_fail(reterr, error, "", "/dev/console") : 0;
}
