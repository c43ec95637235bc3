#!/bin/sh
# Installs the package $2 into a copy-on-write view of this system below $1, in namespaces of its own, uses it,
# removes and purges it. Nothing of this machine changes.
set -eu
root=$1/root package=$2
mkdir -p "$root" "$1/up"
mount -t tmpfs tmpfs "$1/up"
mkdir "$1/up/upper" "$1/up/work"
view=lowerdir=/,upperdir=$1/up/upper,workdir=$1/up/work
mount -t overlay overlay -o "$view" "$root" || mount -t overlay overlay -o "$view,userxattr" "$root"
mount -t proc proc "$root/proc"
mkdir -p "$root/mnt/package"
cp "$package" "$root/mnt/package/provisioner.deb"
rm -rf "$root/var/lib/provisioner" "$root/var/lib/provisioner-keys" "$root/etc/provisioner"
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"; }
inside dpkg --force-depends --install /mnt/package/provisioner.deb
inside provision --version
echo "user: $(inside getent passwd provisioner | cut -d: -f1)"
echo "state: $(inside stat -c '%a %U:%G' /var/lib/provisioner)"
key=/var/lib/provisioner-keys/secrets.key
echo "key: $(inside stat -c '%a %U:%G %s' $key) in $(inside stat -c '%a %U:%G' ${key%/*})"
first=$(inside cat $key)
inside sed -i -e 's/^interface = .*/interface = "lo"/' -e 's/^address = .*/address = "127.0.0.1\/8"/' \
    /etc/provisioner/provisioner.toml
inside provision serve --dry-run --settings /etc/provisioner/provisioner.toml
inside systemd-analyze verify --man=no provisioner.target 2>&1 | grep -i provisioner && exit 3
inside touch /var/lib/provisioner/provisioner.db
inside dpkg --remove provisioner
inside test -e /etc/provisioner/provisioner.toml
inside dpkg --purge provisioner
inside test ! -e /usr/bin/provision
inside test ! -e /etc/provisioner
inside test -e /var/lib/provisioner/provisioner.db
echo "after purge: no program, no settings, the state is left"
inside dpkg --force-depends --install /mnt/package/provisioner.deb
test "$(inside cat $key)" = "$first" # it opens what is there
inside rm /var/lib/provisioner/provisioner.db
inside dpkg --purge provisioner
inside test ! -e /var/lib/provisioner
inside test ! -e ${key%/*}
echo "after the purge of one that was never used: nothing is left"
