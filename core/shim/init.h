/* PID 1 of a container with INIT. */
#ifndef TSC_INIT_H
#define TSC_INIT_H

#include <stdbool.h>

/* Becomes the init: our own program again, in a process image that holds nothing of the shim. -errno when it fails. */
int tsc_init_exec(int self, int channel, char *const arguments[], char *const environment[]);
/* Whether a program that is called so is to be the init. */
bool tsc_init_is(const char *name);
/* What it does then: runs `arguments`, reaps, forwards signals; the exit code. */
int tsc_init(const char *name, char *const arguments[], char *const environment[]);

/* exec(2) with the program searched in PATH of `environment`; -errno. */
int tsc_exec_search(char *const arguments[], char *const environment[]);

#endif
