#!/bin/sh
# A daemon of systemd alone, as root of this namespace, without D-Bus and udev: systemd.sh PROGRAM FOLDER RESOLV.CONF
# FOLDER is /run/systemd to it, and RESOLV.CONF is /etc/resolv.conf.
set -e
mkdir -p /run/systemd "$2/resolve"
mount --bind "$2" /run/systemd
{ grep -v '^systemd-\(network\|resolve\):' /etc/passwd
  echo "systemd-network:x:0:0::/:/usr/sbin/nologin"
  echo "systemd-resolve:x:0:0::/:/usr/sbin/nologin"; } > "$2/passwd.$$"
mount --bind "$2/passwd.$$" /etc/passwd
mount --bind "$3" /etc/resolv.conf
mount -t tmpfs -o ro none /sys  # a card is not waited for until udev has seen it where /sys is read-only
exec env SYSTEMD_LOG_TARGET=console "$1"
