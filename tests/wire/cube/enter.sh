#!/bin/sh
# Runs a command in a root of its own, the folder "root" beside this file, where /usr is read-only; nothing
# runs where that cannot be made.
set -eu
as_root=--map-root-user
[ "$(id -u)" != 0 ] || as_root=
exec unshare $as_root --mount --propagation private /bin/sh -euc '
cd "$1/root"
mount --rbind /usr usr
mount -o remount,bind,ro usr
for name in null zero urandom; do mount --bind /dev/$name dev/$name; done
mount --rbind /proc proc
PATH=$PATH:/usr/sbin exec chroot . /bin/sh -c "export PATH=/fake:/usr/sbin:/usr/bin:/sbin:/bin; $2"
' enter "$(dirname "$0")" "${SSH_ORIGINAL_COMMAND:-$1}"
