/* The event loop: descriptors and timers, one event at a time, so that a handler may remove anything. */
#ifndef TSC_LOOP_H
#define TSC_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct tsc_source {
    int fd;
    uint32_t events; /* EPOLL*; 0: only errors and hang-ups */
    void (*ready)(void *data, uint32_t events);
    void *data;
    bool added;
};

struct tsc_timer {
    int64_t at; /* milliseconds of tsc_now(); 0: not set */
    void (*fire)(void *data);
    void *data;
    struct tsc_timer *next;
    bool added;
};

struct tsc_loop {
    int epoll;
    struct tsc_timer *timers;
    bool stopped;
};

/* Milliseconds of the monotonic clock. */
int64_t tsc_now(void);

int tsc_loop_open(struct tsc_loop *loop);
/* Waits for `source->events` on `source->fd`; called again, changes them. */
int tsc_loop_watch(struct tsc_loop *loop, struct tsc_source *source, uint32_t events);
void tsc_loop_forget(struct tsc_loop *loop, struct tsc_source *source);
/* Forgets the source and closes its descriptor. */
void tsc_loop_close(struct tsc_loop *loop, struct tsc_source *source);
/* Fires once, `delay_ms` from now; called again, moves it. */
void tsc_timer_set(struct tsc_loop *loop, struct tsc_timer *timer, int64_t delay_ms);
void tsc_timer_clear(struct tsc_loop *loop, struct tsc_timer *timer);
/* Runs until `stopped`. */
int tsc_loop_run(struct tsc_loop *loop);

#endif
