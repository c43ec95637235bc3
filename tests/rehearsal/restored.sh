#!/bin/sh
# Runs in the second virtual machine of test_installed.py, which is bare and has a key of its own: the site comes
# back from the backup on the disk CARRY; without the site's key it refuses, in words.
disk=$(dirname "$0") carry=/mnt/carry
bundle=$disk/next.bundle
. "$disk/site_steps.sh"

unnamed() { provision restore $carry/site.tar --key $carry/site.pub >/srv/said 2>&1 && grep "is in no backup" /srv/said; }
closed() {
    systemctl enable --now provisioner.target
    within 240 sh -c "journalctl -u provisioner-worker | grep -q 'PV-696'"
}
opened() {
    systemctl stop provisioner.target provisioner-prepare && systemctl reset-failed 'provisioner*'
    install -m 600 $carry/secrets.key $key && systemctl start provisioner.target && within 240 active
}
same() { seen >/srv/seen.json && diff $carry/seen.json /srv/seen.json; }

address
step unpack unpack
step packages packages
step signature signature
step settings settings
step unnamed unnamed
step closed closed
step opened opened
step check provision check
step same same
step print_audit provision audit verify
step no_complaint sh -c "! journalctl -u 'provisioner*' | grep -e Traceback -e 'Operation not permitted'"
# that the counting counts: nobody else may have been seen
step control python3 -c "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.77', 7))"
echo "@@ end"
systemctl poweroff
