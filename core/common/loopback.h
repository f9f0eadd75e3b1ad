/* The interface that every network namespace has. */
#ifndef TSC_LOOPBACK_H
#define TSC_LOOPBACK_H

/* Brings it up in the namespace of the calling thread; 0 or -errno. */
int tsc_loopback_up(void);

#endif
