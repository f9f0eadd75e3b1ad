// What attackers bring along: C programs for the image, because busybox cannot do these things.

/** Calls what no container needs; prints the names of those that were not refused. */
export const FORBIDDEN_CALLS = `
  #include <errno.h>
  #include <stdio.h>
  #include <sys/syscall.h>
  #include <unistd.h>
  #define TRY(name, ...) do { errno = 0; long r = syscall(SYS_##name, __VA_ARGS__); \\
    if (r >= 0 || errno != EPERM) printf("%s %ld %m\\n", #name, r); } while (0)
  int main(void) {
    TRY(acct, 0); TRY(add_key, 0, 0, 0, 0, 0); TRY(bpf, 0, 0, 0); TRY(clock_settime, 0, 0);
    TRY(delete_module, "x", 0); TRY(finit_module, -1, "", 0); TRY(fsopen, "proc", 0); TRY(init_module, 0, 0, "");
    TRY(kexec_load, 0, 0, 0, 0); TRY(keyctl, 0, 0, 0, 0, 0); TRY(mount, "x", "/", "proc", 0, 0);
    TRY(mount_setattr, -1, "", 0, 0, 0); TRY(move_mount, -1, "", -1, "", 0); TRY(open_by_handle_at, -1, 0, 0);
    TRY(open_tree, -1, "/", 1); TRY(perf_event_open, 0, 0, 0, 0, 0); TRY(pivot_root, "/", "/");
    TRY(quotactl, 0, 0, 0, 0); TRY(reboot, 0, 0, 0, 0);
    TRY(request_key, 0, 0, 0, 0); TRY(setns, -1, 0); TRY(settimeofday, 0, 0); TRY(swapon, "/x", 0);
    TRY(swapoff, "/x"); TRY(syslog, 3, 0, 0); TRY(umount2, "/proc/kcore", 2); TRY(unshare, 0x10000000);
    TRY(unshare, 0x20000); TRY(userfaultfd, 0); TRY(vhangup, 0);
  #ifdef SYS_iopl
    TRY(iopl, 3); TRY(ioperm, 0, 1, 1);
  #endif
    puts("done");
    return 0;
  }`;

/** Looks for a key by its description where the caller's keys are. */
export const KEY_SEARCH = `
  #include <errno.h>
  #include <linux/keyctl.h>
  #include <stdio.h>
  #include <sys/syscall.h>
  #include <unistd.h>
  int main(int argc, char *argv[]) {
    long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "user", argv[1], 0);
    printf("%s\\n", key > 0 ? "found" : errno == ENOKEY ? "no such key" : "refused");
    return 0;
  }`;

/** Runs a command with a session keyring that holds a key. */
export const KEY_HOLDER = `
  #include <linux/keyctl.h>
  #include <sys/syscall.h>
  #include <unistd.h>
  int main(int argc, char *argv[]) {
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0) < 0) return 3;
    long key = syscall(SYS_add_key, "user", argv[1], "secret", 6, KEY_SPEC_SESSION_KEYRING);
    if (key < 0) return 4;
    syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f3f3f);
    execvp(argv[2], argv + 2);
    return 5;
  }`;

/** Connects to a socket in the abstract namespace. */
export const ABSTRACT_CONNECT = `
  #include <stdio.h>
  #include <string.h>
  #include <sys/socket.h>
  #include <sys/un.h>
  int main(int argc, char *argv[]) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path + 1, argv[1]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    /* Node's names fill the whole address. */
    puts(connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? "connected" : "refused");
    return 0;
  }`;

/** Exchanges two paths for ever, as fast as it can. */
export const EXCHANGE = `
  #include <fcntl.h>
  #include <stdio.h>
  int main(int argc, char *argv[]) {
    for (;;)
      if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], RENAME_EXCHANGE) < 0) { perror("exchange"); return 1; }
  }`;

/**
 * Watches for processes that enter the container and reaches for them: their program, descriptors, memory. Says each thing
 * that it saw or got once.
 */
export const HUNTER = `
  #include <dirent.h>
  #include <errno.h>
  #include <fcntl.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/ptrace.h>
  #include <sys/wait.h>
  #include <unistd.h>
  static void say(int number, const char *what) {
    static int said[16];
    if (!said[number]++) { puts(what); fflush(stdout); }
  }
  static int is_ours(int pid) {
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    int fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    if (read(fd, name, 31) < 0) name[0] = 0;
    close(fd);
    if (strncmp(name, "tscompose", 9) != 0) return 0;
    /* An init has the rights of its container already. */
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    fd = open(path, O_RDONLY);
    if (fd < 0) return 0;
    memset(name, 0, sizeof name);
    int there = read(fd, name, 31) > 0;
    close(fd);
    return there && strcmp(name, "tscompose-init") != 0;
  }
  static int try_open(int pid, const char *name, int flags) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    return open(path, flags);
  }
  static void hunt(int pid) {
    char path[64], other[64];
    int fd;
    for (int number = 3; number < 24; number++) {
      snprintf(path, sizeof path, "fd/%d", number);
      if ((fd = try_open(pid, path, O_PATH)) >= 0) { if (is_ours(pid)) say(1, "descriptors"); close(fd); }
    }
    if ((fd = try_open(pid, "mem", O_RDWR)) >= 0) { if (is_ours(pid)) say(2, "memory"); close(fd); }
    if ((fd = try_open(pid, "root/etc", O_RDONLY)) >= 0) { if (is_ours(pid)) say(3, "root"); close(fd); }
    if ((fd = try_open(pid, "exe", O_RDONLY)) >= 0) {
      if (is_ours(pid)) {
        say(4, "program");
        snprintf(other, sizeof other, "/proc/self/fd/%d", fd);
        for (int i = 0; i < 2000; i++) {
          int again = open(other, O_WRONLY);
          if (again >= 0) say(5, "program for writing");
          else if (errno == EROFS) say(6, "read-only program");
        }
      }
      close(fd);
    }
    if (getenv("TRACE") && is_ours(pid)) {
      int status;
      pid_t tracer = fork();
      if (tracer == 0) _exit(ptrace(PTRACE_SEIZE, pid, 0, 0) == 0 && is_ours(pid));
      if (waitpid(tracer, &status, 0) == tracer && status != 0) say(7, "traced");
    }
  }
  int main(void) {
    puts("hunting");
    fflush(stdout);
    for (int next = 2;;) {
      DIR *proc = opendir("/proc");
      for (struct dirent *entry; (entry = readdir(proc));) {
        int pid = atoi(entry->d_name);
        if (pid <= 1 || pid == getpid() || !is_ours(pid)) continue;
        say(0, "seen");
        hunt(pid);
      }
      closedir(proc);
    }
  }`;

/**
 * Watches for processes that enter the container and says each right that one has over the watcher itself, and what of
 * the caller's it finds in one. For a watcher that may trace, for which nothing of them is hidden.
 */
export const RIGHTS_WATCHER = `
  #include <dirent.h>
  #include <fcntl.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <unistd.h>
  struct rights { unsigned long long permitted, bounding; int seccomp; };
  static void say(int number, const char *what) {
    static int said[16];
    if (!said[number]++) { puts(what); fflush(stdout); }
  }
  static long get(const char *pid, const char *name, char *text, size_t size) {
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/%s", pid, name);
    int fd = open(path, O_RDONLY);
    long count = fd < 0 ? -1 : read(fd, text, size - 1);
    close(fd);
    text[count > 0 ? count : 0] = 0;
    return count;
  }
  static int look(const char *pid, struct rights *ret) {
    static char text[8192];
    if (get(pid, "status", text, sizeof text) <= 0) return 0;
    *ret = (struct rights){
      strtoull(strstr(text, "CapPrm:") + 7, 0, 16), strtoull(strstr(text, "CapBnd:") + 7, 0, 16),
      atoi(strstr(text, "Seccomp:") + 8),
    };
    return strncmp(text, "Name:\\ttscompose", 15) == 0;
  }
  static void look_at_descriptors(const char *pid) {
    char path[300], target[300];
    for (int fd = 3; fd < 64; fd++) {
      snprintf(path, sizeof path, "/proc/%s/fd/%d", pid, fd);
      long length = readlink(path, target, sizeof target - 1);
      target[length > 0 ? length : 0] = 0;
      if (length > 0 && strncmp(target, "socket:", 7) != 0 && strncmp(target, "pipe:", 5) != 0) say(3, target);
    }
  }
  int main(void) {
    struct rights mine, theirs;
    static char environment[65536];
    look("self", &mine);
    puts("hunting");
    fflush(stdout);
    for (;;) {
      DIR *proc = opendir("/proc");
      for (struct dirent *entry; (entry = readdir(proc));) {
        const char *pid = entry->d_name;
        if (atoi(pid) <= 1 || atoi(pid) == getpid() || !look(pid, &theirs)) continue;
        say(0, "seen");
        if (theirs.permitted & ~mine.bounding || theirs.bounding & ~mine.bounding) say(1, "more capabilities");
        if (theirs.seccomp < mine.seccomp) say(2, "more system calls");
        look_at_descriptors(pid);
        for (long i = 0, count = get(pid, "environ", environment, sizeof environment); i < count; i++)
          if (strncmp(environment + i, "SECRET_OF_THE_CALLER", 20) == 0) say(4, "the environment of the caller");
      }
      closedir(proc);
    }
  }`;
