#!/bin/sh
# Runs a command as root of namespaces of its own: mounts end with it, and the only network is loopback.
set -eu
as_root="--map-root-user --map-auto"
[ "$(id -u)" != 0 ] || as_root=
exec unshare $as_root --mount --propagation private --net --pid --fork --mount-proc --kill-child \
    /bin/sh -euc 'PATH=$PATH:/usr/sbin:/sbin; ip link set lo up; exec "$@"' enter "$@"
