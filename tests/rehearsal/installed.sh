#!/bin/sh
# Runs in the virtual machine of test_installed.py: a site is installed, serves, deploys a host of the lab, is
# upgraded while that is under way, is backed up onto the disk CARRY, and purged.
disk=$(dirname "$0") carry=/mnt/carry
bundle=$disk/site.bundle
. "$disk/site_steps.sh"

quiet_before() {
    ! systemctl --quiet is-enabled provisioner.target && ! systemctl --quiet is-active provisioner-dhcp
}
users() { [ "$(stat -c %U "/proc/$(pid web)")" = provisioner ]; }
secrets_of() { nsenter -t "$(pid "$1")" -m ls /var/lib/provisioner/secrets/; }
no_secrets() { [ -n "$(secrets_of worker)" ] && [ -z "$(secrets_of dns)" ]; }
key_is_roots() { [ "$(stat -c '%a %U' $key "${key%/*}" | xargs)" = "600 root 700 root" ]; }
may() { [ "$(sed -n 's/^CapEff:\t*//p' "/proc/$(pid "$1")/status")" = "$2" ]; }
rights() { # 10: ports below 1024, 13: frames
    may web 0000000000000000 && may worker 0000000000000000 && may api 0000000000000400 &&
        may dns 0000000000000400 && may tftp 0000000000000400 && may dhcp 0000000000002400
}
# by somebody who has broken into the process of unit $1: its user, its view of files, its user namespace
broken_into() {
    there=$(pid "$1")
    shift
    user=$(id -u provisioner) group=$(id -g provisioner) own=
    [ "$(readlink "/proc/$there/ns/user")" = "$(readlink /proc/self/ns/user)" ] || own=-U
    nsenter -t "$there" -m $own -S "$user" -G "$group" -- "$@"
}
credential=/run/credentials/provisioner-worker.service/secrets.key
held_by_worker() { broken_into worker grep -qE '^[0-9a-f]{64}$' $credential; }
hidden() { # from all but the worker: its key, on disk, as it was handed over, in its memory and through its eyes
    worker=$(pid worker)
    for unit in dhcp tftp dns web api; do
        for place in $key $credential "/proc/$worker/root$credential" "/proc/$worker/environ" "/proc/$worker/maps"; do
            broken_into $unit true || return 2
            ! broken_into $unit head -c 1 "$place" >/dev/null 2>&1 || { echo "$unit can read $place"; return 1; }
        done
        ! broken_into $unit ls "/proc/$worker/fd/" >/dev/null 2>&1 || { echo "$unit sees descriptors"; return 1; }
    done
    broken_into worker head -c 1 "/proc/$worker/maps" >/dev/null && ! broken_into worker head -c 1 $key >/dev/null 2>&1
}
readable() { # by each: what holds files that it can read, and which of the secrets
    for unit in dhcp tftp dns web api worker; do
        found=$(broken_into $unit find /var/lib/provisioner /var/lib/provisioner-keys /srv /home /root /etc/shadow \
            -type f -readable 2>/dev/null | sed -E -e 's,/var/lib/provisioner/,STATE/,' \
            -e 's,^(STATE/[^/]+/|/srv/).*,\1,;t' | grep -v '^STATE/secrets/$' | sort -u)
        secret=$(broken_into $unit find /var/lib/provisioner/secrets -type f -readable -printf 'STATE/secrets/%P\n' \
            2>/dev/null | sort)
        echo "readable by $unit:" $found $secret
    done
}
ask() { # as user $1, by the socket of this machine's people: the status of GET /api/v1/hosts
    setpriv --reuid "$1" --regid "$1" --clear-groups python3 - <<'PYTHON'
import http.client, socket
call = http.client.HTTPConnection("localhost")
call.sock = socket.socket(socket.AF_UNIX)
call.sock.connect("/run/provisioner/api.sock")
call.request("GET", "/api/v1/hosts")
print(call.getresponse().status)
PYTHON
}
people() { # root, and somebody whom nobody has made a user
    sed -i -e 's,^#socket = .*,socket = "/run/provisioner/api.sock",' -e 's/^#\[access\]/[access]/' \
        /etc/provisioner/provisioner.toml &&
        systemctl restart provisioner-api && [ "$(ask root)" = 200 ] && [ "$(ask daemon)" = 403 ]
}
tls() {
    python3 - <<'PYTHON'
import socket, ssl
context = ssl.create_default_context(cafile="/var/lib/provisioner/secrets/https.crt")
with context.wrap_socket(socket.create_connection(("10.77.0.1", 443), 10), server_hostname="10.77.0.1") as made:
    assert made.version() == "TLSv1.3", made.version()
PYTHON
}
late_address() { # as at boot, where others give the interface its address later
    systemctl stop provisioner.target provisioner-prepare && ip address del 10.77.0.1/24 dev "$card" || return 1
    systemctl start --no-block provisioner.target
    within 60 sh -c "journalctl -u provisioner-prepare | grep -q 'has not the address 10.77.0.1: waiting'" &&
        address && within 240 active
}
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
inventory() {
    provision bmc secret put lab --user lab --password-file "$disk/password" &&
        provision host apply "$disk/inventory" && within 120 provision bmc test vault-1
}
order() { provision deploy vault-1 --yes --no-wait >/srv/order; }
stage() { provision status vault-1 -o json | tr -d ' \n' | grep -q "\"stage\":\"$1\""; }
version() { [ "$(provision --version | grep -o '[0-9.]*$')" = "$1" ]; }
later() { # a bundle of the next release, while the disk is written
    provision bundle install "$disk/next.bundle" --key "$release" && version 0.1.1
}
kept() { # the site's settings; the release's others lie beside them
    grep -q "^interface = \"$card\"" /etc/provisioner/provisioner.toml &&
        [ -e /etc/provisioner/provisioner.toml.dpkg-dist ]
}
console() { provision bmc console vault-1 | grep -q "agent: .* writing"; }
went_on() { provision watch "$(cat /srv/order)"; }
again() { # stop, lose everything, bring it back
    systemctl stop provisioner.target provisioner-prepare && mv /var/lib/provisioner /var/lib/provisioner.old &&
        install -d -m 700 -o provisioner -g provisioner /var/lib/provisioner &&
        provision restore /srv/site.tar --key /var/lib/provisioner.old/secrets/site.pub >/srv/said 2>&1 &&
        grep "which opens its secrets, is here" /srv/said &&
        systemctl start provisioner.target && within 240 active
}
carry_away() { seen >$carry/seen.json && cp /srv/site.tar $key /var/lib/provisioner/secrets/site.pub $carry/ && sync; }
purge() { apt-get -y purge provisioner && [ ! -e /etc/provisioner ] && [ -e /var/lib/provisioner/provisioner.db ] &&
    [ -e $key ] && [ ! -e /usr/lib/provisioner ] && [ -z "$(systemctl list-unit-files 'provisioner*' --no-legend)" ]; }

address
step unpack unpack
step sums sums
step packages packages
step signature signature
step quiet_before quiet_before
step settings settings
step parts provision bundle install "$bundle" --key "$release" --no-packages --images /srv/images
step start start
step check provision check
step users users
step rights rights
step key_is_roots key_is_roots
step held_by_worker held_by_worker
step hidden hidden
step no_secrets no_secrets
step print_readable readable
step killed killed
step noted noted
step tls tls
step people people
step late_address late_address
step reload reload
step restart restart
step print_exposure exposure
step image provision image add /srv/images/lab.pack
step inventory inventory
step order order
step writing within 2400 stage writing
step later later
step kept kept
step again_active within 240 active
step went_on went_on
step console console
step off provision bmc power vault-1 off
step check_upgraded provision check
step print_backup provision backup /srv/site.tar
step no_key_in_it sh -c "! grep -qF $(cat $key) /srv/site.tar"
step carry_away carry_away
step again again
step check_again provision check
step no_complaint sh -c "! journalctl -u 'provisioner*' | grep -e Traceback -e 'Operation not permitted'"
step purge purge
echo "@@ end"
systemctl poweroff
