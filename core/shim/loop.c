/* The event loop over epoll. */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

int64_t tsc_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int tsc_loop_open(struct tsc_loop *loop) {
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll < 0 ? -errno : 0;
}

int tsc_loop_watch(struct tsc_loop *loop, struct tsc_source *source, uint32_t events) {
    if (source->added && source->events == events)
        return 0;
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(loop->epoll, source->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, source->fd, &event) < 0)
        return -errno;
    source->added = true;
    source->events = events;
    return 0;
}

void tsc_loop_forget(struct tsc_loop *loop, struct tsc_source *source) {
    if (source->added)
        epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
    source->added = false;
}

void tsc_loop_close(struct tsc_loop *loop, struct tsc_source *source) {
    tsc_loop_forget(loop, source);
    if (source->fd >= 0)
        close(source->fd);
    source->fd = -1;
}

void tsc_timer_set(struct tsc_loop *loop, struct tsc_timer *timer, int64_t delay_ms) {
    timer->at = tsc_now() + (delay_ms > 0 ? delay_ms : 0);
    if (timer->added)
        return;
    timer->added = true;
    timer->next = loop->timers;
    loop->timers = timer;
}

void tsc_timer_clear(struct tsc_loop *loop, struct tsc_timer *timer) {
    timer->at = 0;
    for (struct tsc_timer **at = &loop->timers; *at; at = &(*at)->next)
        if (*at == timer) {
            *at = timer->next;
            break;
        }
    timer->added = false;
}

static struct tsc_timer *first_timer(const struct tsc_loop *loop) {
    struct tsc_timer *first = NULL;
    for (struct tsc_timer *timer = loop->timers; timer; timer = timer->next)
        if (!first || timer->at < first->at)
            first = timer;
    return first;
}

static int wait_time(const struct tsc_timer *timer, int64_t now) {
    if (!timer)
        return -1;
    int64_t left = timer->at - now;
    return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int tsc_loop_run(struct tsc_loop *loop) {
    while (!loop->stopped) {
        struct tsc_timer *timer = first_timer(loop);
        struct epoll_event event;
        int count = epoll_wait(loop->epoll, &event, 1, wait_time(timer, tsc_now()));
        if (count < 0 && errno != EINTR)
            return -errno;
        /* Not only when nothing else happens: a busy descriptor must not hold up the time. */
        if (timer && timer->at <= tsc_now()) {
            tsc_timer_clear(loop, timer);
            timer->fire(timer->data);
            continue; /* the event is level-triggered and comes again */
        }
        if (count > 0) {
            struct tsc_source *source = event.data.ptr;
            source->ready(source->data, event.events);
        }
    }
    return 0;
}
