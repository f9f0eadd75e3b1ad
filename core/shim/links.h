/* The interfaces of the container's network namespace, at its end. */
#ifndef TSC_LINKS_H
#define TSC_LINKS_H

/* To be called when nobody uses the network namespace of the caller any more. A connection that was never answered
 * can keep it for minutes, and it would go on answering for its addresses: then every interface that somebody made is
 * removed. Otherwise it ends by itself, together with others, which is cheaper. */
void tsc_links_remove(void);

#endif
