/* Both ends of the traffic that throughput.mjs measures; each number on standard output is a rate per second. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 128 << 10, GREETING = 64, DATAGRAM = 1400, WINDOW = 16, PATIENCE_MS = 20 };

static char bytes[CHUNK];

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int bound(int type, int port) {
    int on = 1;
    int fd = socket(AF_INET, type, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
        exit(1);
    if (type == SOCK_STREAM && listen(fd, 1024) < 0)
        exit(1);
    return fd;
}

/* Discards what each connection sends. */
static void sink(int port) {
    int fd = bound(SOCK_STREAM, port);
    for (int one; (one = accept(fd, NULL, NULL)) >= 0; close(one))
        if (fork() == 0) {
            while (read(one, bytes, sizeof bytes) > 0)
                ;
            _exit(0);
        }
}

/* Greets each connection and ends it. */
static void greet(int port) {
    int fd = bound(SOCK_STREAM, port);
    for (int one; (one = accept(fd, NULL, NULL)) >= 0; close(one))
        if (write(one, bytes, GREETING) != GREETING)
            continue;
}

/* Returns each datagram. */
static void echo(int port) {
    int fd = bound(SOCK_DGRAM, port);
    for (;;) {
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        ssize_t count = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size);
        if (count > 0)
            sendto(fd, bytes, (size_t)count, 0, (struct sockaddr *)&from, size);
    }
}

static int serve(int port) {
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0)
        greet(port + 1);
    if (fork() == 0)
        echo(port + 2);
    sink(port);
    return 1;
}

static struct addrinfo *find(const char *name, int port, int type) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = type};
    struct addrinfo *found;
    char text[8];
    snprintf(text, sizeof text, "%d", port);
    for (int attempt = 0; attempt < 100; attempt++, usleep(50000))
        if (getaddrinfo(name, text, &hints, &found) == 0)
            return found;
    exit(2);
}

static int connected(const struct addrinfo *to) {
    int fd = socket(AF_INET, to->ai_socktype, 0);
    if (fd >= 0 && connect(fd, to->ai_addr, to->ai_addrlen) == 0)
        return fd;
    close(fd);
    return -1;
}

static double bulk(const struct addrinfo *to, double seconds) {
    int fd = connected(to);
    double sent = 0;
    double begin = now();
    while (fd >= 0 && now() - begin < seconds) {
        ssize_t count = write(fd, bytes, sizeof bytes);
        if (count <= 0)
            return 0;
        sent += (double)count;
    }
    return sent / (now() - begin);
}

static double connections(const struct addrinfo *to, double seconds) {
    double done = 0;
    double begin = now();
    /* Reset at the end: ports in TIME_WAIT would run out. */
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    for (; now() - begin < seconds; done++) {
        int fd = connected(to);
        size_t got = 0;
        if (fd < 0)
            return 0;
        for (ssize_t count; (count = read(fd, bytes, sizeof bytes)) > 0;)
            got += (size_t)count;
        if (got != GREETING)
            return 0;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        close(fd);
    }
    return done / (now() - begin);
}

/* Bytes that came back; some are always under way. */
static double datagrams(const struct addrinfo *to, double seconds) {
    int fd = connected(to);
    double returned = 0;
    double begin = now();
    int waiting = 0;
    while (fd >= 0 && now() - begin < seconds) {
        for (; waiting < WINDOW; waiting++)
            if (send(fd, bytes, DATAGRAM, 0) < 0 && errno != ECONNREFUSED)
                break;
        struct pollfd entry = {.fd = fd, .events = POLLIN};
        if (poll(&entry, 1, PATIENCE_MS) == 0)
            waiting = 0; /* lost */
        for (ssize_t count; (count = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0;) {
            returned += (double)count;
            if (waiting > 0)
                waiting--;
        }
    }
    return returned / (now() - begin);
}

static int print(long count) {
    static const char line[] = "2026-01-01 00:00:00 INFO request 0123456789abcdef took 12.5 ms\n";
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    for (long i = 0; i < count; i++)
        fwrite(line, 1, sizeof line - 1, stdout);
    return fflush(stdout);
}

int main(int argc, char *argv[]) {
    const char *what = argc > 1 ? argv[1] : "";
    if (argc == 3 && strcmp(what, "serve") == 0)
        return serve(atoi(argv[2]));
    if (argc == 3 && strcmp(what, "print") == 0)
        return print(atol(argv[2]));
    if (argc != 5)
        return 9;
    int port = atoi(argv[3]);
    double seconds = atof(argv[4]);
    double rate = strcmp(what, "bulk") == 0 ? bulk(find(argv[2], port, SOCK_STREAM), seconds)
                  : strcmp(what, "connections") == 0
                      ? connections(find(argv[2], port + 1, SOCK_STREAM), seconds)
                      : datagrams(find(argv[2], port + 2, SOCK_DGRAM), seconds);
    printf("rate %.0f\n", rate);
    return rate > 0 ? 0 : 2;
}
