/*
 * How the shim is called and spoken to.
 *
 *   tscompose-shim run --program FILE --run-dir DIR --id ID [--keep] [--hold]
 *                      [--fd SLOT=N]... [--relay PROTO,N,ADDRESS,PORT]...
 *
 * File descriptor 3 is the launch connection, a connected stream socket. `--fd` names inherited descriptors
 * (namespaces to join). `--relay` gives a bound socket of the host that holds a published port: listening for
 * tcp, bound for udp; what arrives there is relayed to ADDRESS:PORT inside the container's network
 * namespace. DIR (tmpfs) holds:
 *
 *   lock     flock()ed exclusively while the shim lives: a free lock means that nobody supervises
 *   status   one line of JSON, replaced by rename(2) at each change (below)
 *   sock     the control socket (stream)
 *   rootfs   mount point of the root file system; empty as seen from the host
 *
 * The life of a launch: the shim takes the lock, performs PREPARE (its own network namespace exists from then on,
 * reachable as /proc/SHIM/ns/net: the one of `--fd own-network=N`, or one that it makes), reports state "creating", clones the first process, which performs LAUNCH up to EXEC
 * and waits; the shim reports "created" and waits for `start`; then EXEC happens and the shim reports "running".
 * With --hold it clones the first process only when `launch` says so.
 * Unless --keep is given, the end of the launch connection before `start` undoes everything.
 * When the container has ended for good the shim takes its lines out of the name tables, sends
 * the netfilter messages, removes its cgroups, writes the final status and exits. A launch that fails reports state "created" with `error` set
 * (exitCode 127 when the command was not found, 126 when it could not be executed, else 128), and the shim exits. A restart that fails
 * reports "stopped" with `error` set. SIGTERM and SIGINT to the shim are a `stop`.
 *
 * Launch connection and control socket speak the same lines. Requests:
 *
 *   launch                   clone the first process, which --hold keeps back
 *   start                    open the gate
 *   netfilter HEX...         netlink batches that the shim sends to nfnetlink of the host when it ends, each in a message of its own
 *   stop [SIGNAL GRACE_MS]   no restart any more; signal (a number), then SIGKILL after the grace (-1: never); answered when stopped
 *   kill SIGNAL              send a signal to the first process; SIGKILL ends every process of the container, that and
 *                            the stop signal also mean that no restart is wanted
 *   pause | unpause          freezer
 *   watch                    from now on a `status` line at each change, first the present one
 *   names                    read the name tables and rewrite the hosts file now; answered when done
 *   health                   run the health check now
 *   resize ROWS COLUMNS      of the container's terminal
 *   attach STDIN OUTPUT      the connection becomes a framed stream; STDIN 1: its input goes to the container,
 *                            OUTPUT 1: it gets what the container prints from now on, 0: only the exit code,
 *                            2: it gets it over restarts too, with the exit code of each run.
 *                            A client that takes nothing for two seconds while 1 MiB waits for it is dropped
 *   ping
 *
 * Each is answered by `ok` or `error ERRNO\tSTEP\tPATH`; `status JSON` lines may come in between. The launch connection
 * is watched from the beginning. After `attach` is answered, both directions are frames of one type byte, three zero
 * bytes, a big-endian 32-bit length and that many bytes: 0 input, 1 standard output, 2 standard error,
 * 3 resize (two big-endian 16-bit numbers), 4 end of input, 5 exit code (32-bit, from the shim, then it closes).
 *
 * Status: {"version":1,"id":ID,"state":"creating|created|running|paused|restarting|stopped","shim":PID,
 * "shimStart":TICKS,"socket":INODE of the control socket,"pid":PID or 0,"pidStart":TICKS,"startedAt":"RFC 3339 with nanoseconds" or "","finishedAt":…,
 * "exitCode":N (128+signal when killed),"signal":N,"oomKilled":bool,"restarts":N,"stopRequested":bool,
 * "health":null or {"status":"starting|healthy|unhealthy","failing":N,"log":[{"start":…,"end":…,"exitCode":N,"output":"…"}] (last five)},
 * "error":null or {"errno":N,"step":"NAME of the launch step","path":"…","message":"…"}}
 * TICKS are field 22 of /proc/PID/stat: a process is its pid and its start time.
 *
 * A name table, RUN/networks/NETWORK/names, has a line `CONTAINER ADDRESS NAME...` per endpoint and address; it is replaced by rename(2) under
 * flock() on the file `lock` beside it, and then touched (utimensat(2)): that is what shims wait for to bring the hosts file up to
 * date, in place, because the inode is bind-mounted. DNS is answered from the same lines as they are. A shim reads the tables before it
 * answers `start`, and touches them a little after its program runs: who adds lines before a start need not.
 *
 *   tscompose-shim exec --program FILE --pid PID --start TICKS [--detach] [--fd SLOT=N]...
 *
 * joins the namespaces that NAMESPACES names, through a pidfd of PID, performs the LAUNCH steps that make sense for one
 * more process, and becomes the terminal or pipe relay of that process; exits with its code (126 not executable, 127 not found,
 * 125 when another step failed; the message is on standard error). STANDARD_INPUT other than 0: its standard input is relayed.
 * --detach: exits with 0 as soon as the process runs, which has /dev/null for all streams.
 *
 * TSCOMPOSE_FAIL_STEP=NUMBER[:ERRNO] in the shim's environment makes a launch step fail, for tests.
 */
/*
 *   tscompose-shim create --program FILE --gate PATH --report N [--console-socket PATH] [--keyring NAME]
 *                         [--preserve-fds N] [--start] [--fd SLOT=N]...
 *   tscompose-shim start --gate PATH --report N
 *
 * are the two halves of a launch without supervisor, as the OCI runtime command line has it: `create` performs PREPARE
 * and LAUNCH up to EXEC and leaves, the first process waits for a connection to the socket PATH and belongs to the
 * nearest subreaper from then on; `start` connects and returns when EXEC happened. Standard streams are the caller's
 * own; with TERMINAL its master goes to the console socket. With `--start` create opens the gate itself, relays the terminal
 * and exits with the code of the process. Descriptor N of --report gets one line of JSON: {"pid":PID,"start":TICKS} or
 * {"errno":N,"step":"…","path":"…","message":"…"}. `exec` takes --report and --console-socket too, and --inherit: the
 * standard streams are the caller's own.
 */
#ifndef TSC_SHIM_H
#define TSC_SHIM_H

#define TSC_LAUNCH_FD 3

enum tsc_frame {
    TSC_FRAME_INPUT,
    TSC_FRAME_OUTPUT,
    TSC_FRAME_ERROR,
    TSC_FRAME_RESIZE,
    TSC_FRAME_END,
    TSC_FRAME_EXIT
};

#endif
