# What the scripts of test_installed.py have in common. They run as root in a virtual machine of a site, do from
# the disk PACKAGES what docs/install.md says, and tell how each step went on the serial port: `@@ NAME: ok`, or
# `@@ NAME: FAILED with N` and the step's last lines; of a step whose name begins with `print` all lines.
exec >/dev/ttyS0 2>&1
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
release=$disk/release.pub
card=$(ip -o link | sed -n 's/^[0-9]*: \(en[^:@]*\).*/\1/p' | head -n 1)
gateway=10.77.0.250 # which leads nowhere, and counts who would go on
key=/var/lib/provisioner-keys/secrets.key
units="prepare dhcp tftp dns web api worker"

step() {
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "@@ $name: ok"
        [ "$name" = "${name#print}" ] || echo "$out" | sed 's/^/@@   /'
    else
        echo "@@ $name: FAILED with $?"
        echo "$out" | tail -30 | sed 's/^/@@   /'
        journalctl -u 'provisioner*' -n 30 -o cat --no-pager | sed 's/^/@@ | /'
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
signature() { cd /var/tmp/bundle && minisign -Vm SHA256SUMS -p "$release"; }
pid() { systemctl show -p MainPID --value "provisioner-$1"; }
address() { # as a site has it: a gateway, and a name server, to which nobody may ever go
    ip link set "$card" up && ip address replace 10.77.0.1/24 dev "$card" &&
        ip route replace default via $gateway && ip route replace 10.77.1.0/24 dev "$card" &&
        echo "nameserver $gateway" >/etc/resolv.conf
    [ ! -d /proc/sys/net/ipv6 ] || ip -6 route replace default via fe80::5054:ff:fe77:1 dev "$card"
}
settings() { # three lines
    sed -i -e "s/^interface = .*/interface = \"$card\"/" -e 's/^#\[dhcp\]/[dhcp]/' \
        -e "0,/^#router = .*/s//router = \"$gateway\"/" /etc/provisioner/provisioner.toml && address
}
start() { systemctl enable --now provisioner.target && within 240 active; }
seen() { # what another machine has to show after a restore, too
    provision host history vault-1 -o json && provision bmc secret list -o json && provision image list -o json
}
