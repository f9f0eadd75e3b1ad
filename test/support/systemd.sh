#!/bin/bash
# systemd.sh DIRECTORY COMMAND...: runs a command as a service of a systemd that is process 1 of a new pid namespace, for guests
# without one. Its output goes to DIRECTORY/output; the exit code is the command's.
set -e
out=$1 && shift
mkdir -p /run/systemd/system
printf -v command '%q ' "$@"
cat >/run/tscompose-job <<EOF
#!/bin/bash
cd $(printf %q "$PWD")
exec $command
EOF
chmod +x /run/tscompose-job
cat >/run/systemd/system/job.service <<EOF
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
Environment=PATH=$PATH HOME=$HOME CI=$CI
ExecStart=/run/tscompose-job
StandardOutput=file:$out/output
StandardError=file:$out/output
TimeoutStartSec=infinity
ExecStopPost=/bin/bash -c 'systemctl exit \$EXIT_STATUS'
EOF
export container=tscompose
exec unshare -p -f -m --mount-proc -C /lib/systemd/systemd --system --unit=job.service --log-target=null --show-status=no
