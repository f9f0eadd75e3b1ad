/* The shim of one container: what it knows, and what its parts ask of each other. */
#ifndef TSC_SUPERVISE_H
#define TSC_SUPERVISE_H

#include <limits.h>

#include "cgroup.h"
#include "enter.h"
#include "log.h"
#include "loop.h"
#include "text.h"

enum { TSC_RELAYS_MAX = 256 };

struct tsc_slot {
    const char *name;
    int fd;
};

struct tsc_relay_option {
    int protocol; /* IPPROTO_* */
    int fd;
    const char *address;
    int port;
};

struct tsc_run_options {
    const char *program;
    const char *run_dir;
    const char *id;
    bool keep;
    bool hold;
    struct tsc_fault fault;
    struct tsc_slot slots[TSC_JOINS_MAX];
    size_t slot_count;
    struct tsc_relay_option relays[TSC_RELAYS_MAX];
    size_t relay_count;
};

enum tsc_state {
    TSC_STATE_HELD,     /* there will be a first process when we are told */
    TSC_STATE_CREATING, /* the first process performs its steps */
    TSC_STATE_CREATED,  /* it waits at the gate */
    TSC_STATE_STARTING, /* the gate is open, exec has not happened yet */
    TSC_STATE_RUNNING,
    TSC_STATE_PAUSED,
    TSC_STATE_WAITING, /* ended, will be launched again */
    TSC_STATE_RELAUNCHING,
    TSC_STATE_ENDED,
    TSC_STATES,
};

enum tsc_event {
    TSC_EVENT_READY,    /* the first process is at the gate */
    TSC_EVENT_FAILED,   /* a step failed; the error is in the shim */
    TSC_EVENT_EXECUTED, /* exec succeeded */
    TSC_EVENT_EXITED,   /* the first process ended */
    TSC_EVENT_LAUNCH,
    TSC_EVENT_START,
    TSC_EVENT_STOP,
    TSC_EVENT_KILL,
    TSC_EVENT_PAUSE,
    TSC_EVENT_UNPAUSE,
    TSC_EVENT_RETRY,  /* the pause before a restart is over */
    TSC_EVENT_GRACE,  /* the time to stop by itself is over */
    TSC_EVENT_HANGUP, /* who launched us is gone */
    TSC_EVENTS,
};

/* The numbers that come with STOP and KILL. */
struct tsc_request {
    int signal;
    int64_t grace_ms;
};

struct tsc_status {
    pid_t pid;
    uint64_t pid_start;
    uint64_t shim_start;
    uint64_t socket; /* inode of the control socket */
    struct timespec started;
    struct timespec finished;
    int exit_code;
    int signal;
    bool oom_killed;
    bool stop_requested;
    int64_t restarts;
    struct tsc_error error; /* code 0: none */
};

struct tsc_namespaces {
    int user; /* descriptor of the container's user namespace, or -1 */
    struct tsc_join joins[TSC_JOINS_MAX];
    size_t join_count;
    unsigned unshare;  /* what the first process gets anew */
    unsigned all;      /* what one more process has to join */
    bool own_network;  /* the shim left the host's network */
    bool made_network; /* for one that was made for it */
};

struct tsc_shim;

struct tsc_output {
    struct tsc_shim *shim;
    struct tsc_source source;
    enum tsc_stream stream;
};

struct tsc_client;
struct tsc_health;
struct tsc_names;
struct tsc_dns;
struct tsc_relays;

struct tsc_shim {
    const struct tsc_run_options *options;
    struct tsc_loop loop;
    struct tsc_program program;
    struct tsc_log log;
    struct tsc_cgroups cgroups;
    struct tsc_namespaces namespaces;
    enum tsc_state state;
    struct tsc_status status;
    int run_dir;
    int lock;
    int self;            /* our own program file */
    int64_t descriptors; /* soft RLIMIT_NOFILE that the container gets, 0: as it is */
    int netfilter;
    struct tsc_text netfilter_batches;
    int host_network; /* descriptor of the host's network namespace */
    int upstream[2];  /* datagram sockets of the host's network namespace for DNS: IPv4, IPv6 */
    /* the first process */
    struct tsc_process process;
    struct tsc_source exit_source;
    struct tsc_source channel_source;
    struct tsc_output outputs[TSC_STREAMS];
    struct tsc_source input_source;
    struct tsc_text input; /* what clients typed and the container has not read yet */
    bool input_ended;
    bool terminal;
    int64_t oom_kills;
    int64_t started_ms;
    int64_t backoff_ms;
    int64_t attempts;
    struct tsc_timer grace_timer;
    struct tsc_timer retry_timer;
    struct tsc_timer trim_timer;
    struct tsc_source signal_source;
    char *buffer; /* TSC_BUFFER_SIZE bytes, given back to the kernel when idle */
    struct tsc_source listen_source;
    struct tsc_client *clients;
    struct tsc_timer sweep_timer;
    struct tsc_health *health;
    struct tsc_names *names;
    struct tsc_dns *dns;
    struct tsc_relays *relays;
};

enum { TSC_BUFFER_SIZE = 64 << 10, TSC_INPUT_LIMIT = 64 << 10 };

/* run.c */
int tsc_run(const struct tsc_run_options *options, struct tsc_error *reterr);

/* supervise.c: performs what the table says; -EINVAL when the event makes no sense in this state. */
int tsc_supervise(struct tsc_shim *shim, enum tsc_event event, const struct tsc_request *request);
/* Something in the status changed: file and watchers. */
void tsc_supervise_report(struct tsc_shim *shim);

/* streams.c */
/* The container's ends go to `standard`; it gets a terminal's instead when that message comes. */
int tsc_streams_open(struct tsc_shim *shim, int standard[3], struct tsc_error *reterr);
void tsc_streams_take_terminal(struct tsc_shim *shim, int fd);
/* What the container prints is read, or not: a client or the log has no room for more. */
void tsc_streams_update(struct tsc_shim *shim);
void tsc_streams_input(struct tsc_shim *shim, const char *bytes, size_t size);
void tsc_streams_end_input(struct tsc_shim *shim);
void tsc_streams_resize(struct tsc_shim *shim, unsigned rows, unsigned columns);
/* What is left is read, then all is closed. */
void tsc_streams_drain(struct tsc_shim *shim);

/* first.c */
int tsc_first_launch(struct tsc_shim *shim, struct tsc_error *reterr);
int tsc_first_signal(const struct tsc_shim *shim, int signal);
/* Every process of the container. With the first one of a pid namespace go all others in it. */
void tsc_first_kill_all(const struct tsc_shim *shim);
void tsc_first_forget(struct tsc_shim *shim);

/* restart.c: asked once, after each end */
bool tsc_restart_is_wanted(struct tsc_shim *shim);
int64_t tsc_restart_delay(struct tsc_shim *shim);

/* prepare.c */
int tsc_prepare_namespaces(struct tsc_shim *shim, struct tsc_error *reterr);

/* status.c */
void tsc_status_text(const struct tsc_shim *shim, struct tsc_text *text);
int tsc_status_write(const struct tsc_shim *shim);

/* client.c */
int tsc_clients_open(struct tsc_shim *shim, struct tsc_error *reterr);
void tsc_clients_status(struct tsc_shim *shim);
void tsc_clients_output(struct tsc_shim *shim, enum tsc_stream stream, const char *bytes, size_t size);
bool tsc_clients_are_full(const struct tsc_shim *shim);
/* The run ended: attached clients get the exit code. */
void tsc_clients_exit(struct tsc_shim *shim, bool restarts);
/* The container ended for good: who waits for a stop is answered, all is flushed. */
void tsc_clients_close(struct tsc_shim *shim);
/* Reads input of clients again, after the container took some. */
void tsc_clients_resume(struct tsc_shim *shim);

#endif
