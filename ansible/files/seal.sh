# Takes from this host what only its deployment needed, all but the way in. As root; may run again.
# $1: `full`, or `keep-access`, which leaves the seed and the key to the host's owner.
# The machine id, the host keys, the name and the network's configuration stay.
set -eu

wait_for_cloud_init() {
    [ -d /run/cloud-init ] || return 0
    [ -e /run/cloud-init/disabled ] || [ -e /run/cloud-init/result.json ] ||
        timeout 240 cloud-init status --wait >/dev/null || true
    [ -e /run/cloud-init/disabled ] || [ -e /run/cloud-init/result.json ] || {
        echo "cloud-init does not end" >&2
        exit 1
    }
}

# The partitions with a seed, on the disks below / only: another disk is not ours to write to.
seeds() {
    source=$(findmnt --noheadings --nofsroot --output SOURCE /)
    lsblk --noheadings --inverse --paths --raw --output NAME,TYPE "$source" | grep ' disk$' | sort -u |
        while read -r disk _; do
            lsblk --noheadings --bytes --paths --pairs --output NAME,SIZE,PARTLABEL,LABEL "$disk" |
                sed -En '/LABEL="(cidata|CIDATA)"/ s/^NAME="([^"]+)" SIZE="([0-9]+)".*/\1 \2/p'
        done
}

wipe() { # device, size in bytes
    ! findmnt --noheadings --source "$1" >/dev/null || umount "$1"
    head -c "$2" /dev/zero | dd of="$1" bs=1M iflag=fullblock conv=notrunc,fsync status=none
    cmp --silent --bytes="$2" "$1" /dev/zero || {
        echo "the seed on $1 reads back otherwise than as zeros" >&2
        exit 1
    }
    echo "the seed on $1 is zeroed, "
}

# What cloud-init keeps of the seed; its notes of what it did stay, so that it repeats nothing if switched on.
forget_seed() {
    find /var/lib/cloud/instances /var/lib/cloud/seed /run/cloud-init -type f \( \
        -path '/var/lib/cloud/seed/*' -o -name 'user-data*' -o -name 'vendor-data*' -o -name obj.pkl \
        -o -name '*cloud-config.*' -o -path '*/scripts/*' -o -name instance-data-sensitive.json \
        \) -exec shred --iterations=1 --remove {} + 2>/dev/null || true
    left=$(find /var/lib/cloud/instances /var/lib/cloud/seed -name 'user-data*' 2>/dev/null || true)
    [ -z "$left" ] || {
        echo "copies of the seed cannot be removed: $left" >&2
        exit 1
    }
}

main() {
    wait_for_cloud_init
    mkdir -p /etc/cloud
    touch /etc/cloud/cloud-init.disabled
    rm -rf /var/lib/provisioner # the phone-home and its token
    said=
    if [ "$1" = full ]; then
        forget_seed
        list=$(seeds)
        said=$(echo "$list" | while read -r device size; do [ -z "$device" ] || wipe "$device" "$size"; done)
    fi
    sync
    echo "${said}cloud-init is off"
}

main "$1" </dev/null
