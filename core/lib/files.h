/* Removal of trees, for the other parts of the library. */
#ifndef TSC_FILES_H
#define TSC_FILES_H

/* Removes what has this name in the directory, with everything below it, however deep. */
int tsc_remove_beneath(int parent, const char *name);

#endif
