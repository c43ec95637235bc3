#!/bin/sh
# The last thing done in the guest: an initramfs that was made anew is made once more with fixed times, and disks are synced.
# What only differs from build to build is scrubbed afterwards, outside, by provisioner/golden.
set -eu
export SOURCE_DATE_EPOCH
for image in /boot/initrd.img-*; do
  [ -e "$image" ] || continue
  # made since this machine was started
  if [ "$image" -nt /proc/1 ]; then update-initramfs -u -k "${image#/boot/initrd.img-}"; fi
done
sync
