# The end of sealing: sudo and, last of all, the deployment's key go. As root; $1: the key's base64 text.
# It must not stop in the middle, where the key works but sudo does not: so a unit does it, which outlives
# our connection, is started again at the next boot after a power cut, and removes itself when all is done.
set -eu
folder=/var/lib/provision-seal
units=/etc/systemd/system

write() {
    mkdir -p -m 700 "$folder" "$units/multi-user.target.wants"
    cat >"$folder/last.sh" <<'SCRIPT'
set -eu
key=$1
rm -f /etc/sudoers.d/90-cloud-init-users
sync
getent passwd | cut -d: -f6 | sort -u | while read -r home; do
    for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do
        [ -f "$file" ] && grep -qF "$key" "$file" || continue
        grep -vF "$key" "$file" >"$file.sealed" || [ $? = 1 ] # 1: no other line
        chown --reference="$file" "$file.sealed"
        chmod --reference="$file" "$file.sealed"
        mv -f "$file.sealed" "$file"
    done
done
sync
rm -f /etc/systemd/system/multi-user.target.wants/provision-seal.service
rm -f /etc/systemd/system/provision-seal.service
rm -rf /var/lib/provision-seal
sync
SCRIPT
    cat >"$units/provision-seal.service" <<UNIT
[Unit]
Description=Take the deployment's key from this host

[Service]
Type=oneshot
ExecStart=/bin/sh $folder/last.sh $1
UNIT
    ln -sf ../provision-seal.service "$units/multi-user.target.wants/provision-seal.service"
    sync
}

main() {
    write "$1"
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl start provision-seal.service
    else
        setsid --wait /bin/sh "$folder/last.sh" "$1"
    fi
    echo "sudo and the deployment's key are gone"
}

main "$1" </dev/null
