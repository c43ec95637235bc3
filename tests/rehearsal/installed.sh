#!/bin/sh
# Runs in the virtual machine of test_installed.py as root: installs from the bundle on the disk PACKAGES as
# docs/install.md says, and tells how each step went on the serial port: `@@ NAME: ok`, or the step's output.
exec >/dev/ttyS0 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
disk=$(dirname "$0")
bundle=$disk/site.bundle
key=$disk/release.pub

step() {
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "@@ $name: ok"
        [ "$name" = "${name#print}" ] || echo "$out" | sed 's/^/@@   /'
    else
        echo "@@ $name: FAILED with $?"
        echo "$out" | tail -30 | sed 's/^/@@   /'
    fi
}
within() { # seconds, then a command that has to succeed by then
    end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        [ "$(date +%s)" -lt "$end" ] || return 1
        sleep 1
    done
}
units="prepare dhcp tftp dns web api worker"
active() {
    for unit in $units; do
        systemctl --quiet is-active "provisioner-$unit.service" || return 1
    done
}
unpack() { mkdir /var/tmp/bundle && tar -xf "$bundle" -C /var/tmp/bundle; }
sums() { cd /var/tmp/bundle && sha256sum --check --quiet SHA256SUMS; }
packages() {
    apt-get -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=/dev/null install -y \
        --no-install-recommends /var/tmp/bundle/packages/*.deb
}
signature() { cd /var/tmp/bundle && minisign -Vm SHA256SUMS -p "$key"; }
quiet_before() {
    ! systemctl --quiet is-enabled provisioner.target && ! systemctl --quiet is-active provisioner-dhcp
}
pid() { systemctl show -p MainPID --value "provisioner-$1"; }
settings() {
    card=$(ip -o link | sed -n 's/^[0-9]*: \(en[^:@]*\).*/\1/p' | head -n 1)
    sed -i -e "s/^interface = .*/interface = \"$card\"/" /etc/provisioner/provisioner.toml
    ip link set "$card" up
    ip address replace 10.77.0.1/24 dev "$card"
}
start() { systemctl enable --now provisioner.target && within 240 active; }
users() { [ "$(stat -c %U "/proc/$(pid web)")" = provisioner ]; }
no_rights() { grep -q '^CapEff:.0000000000000000$' "/proc/$(pid web)/status"; }
secrets_of() { nsenter -t "$(pid "$1")" -m ls /var/lib/provisioner/secrets/; }
no_secrets() { [ -n "$(secrets_of worker)" ] && [ -z "$(secrets_of dns)" ]; }
another() { [ "$(pid dns)" -gt 0 ] && [ "$(pid dns)" -ne "$1" ]; }
killed() {
    old=$(pid dns)
    kill -9 "$old"
    within 120 another "$old" && within 120 active
}
noted() { journalctl -u provisioner-dns | grep -q "did not end as it was told"; }
was_read() { journalctl -u provisioner-tftp | grep -q 'the settings were read again'; }
reload() { systemctl reload provisioner-prepare && within 60 was_read; }
restart() { systemctl restart provisioner.target && within 240 active; }
exposure() {
    for unit in $units; do
        systemd-analyze security --no-pager "provisioner-$unit.service" | tail -n 1
    done
}
again() { # stop, lose everything, bring it back
    systemctl stop provisioner.target provisioner-prepare && mv /var/lib/provisioner /var/lib/provisioner.old &&
        install -d -m 700 -o provisioner -g provisioner /var/lib/provisioner &&
        provision restore /srv/site.tar --key /var/lib/provisioner.old/secrets/site.pub &&
        systemctl start provisioner.target && within 240 active
}
purge() { apt-get -y purge provisioner && [ ! -e /etc/provisioner ] && [ -e /var/lib/provisioner/provisioner.db ]; }

step unpack unpack
step sums sums
step packages packages
step signature signature
step quiet_before quiet_before
step settings settings
step parts provision bundle install "$bundle" --key "$key" --no-packages
step start start
step check provision check
step users users
step no_rights no_rights
step no_secrets no_secrets
step killed killed
step noted noted
step reload reload
step restart restart
step print_exposure exposure
step backup provision backup /srv/site.tar
step again again
step check_again provision check
step no_complaint sh -c "! journalctl -u 'provisioner*' | grep -e Traceback -e 'Operation not permitted'"
step purge purge
echo "@@ end"
systemctl poweroff
