#!/usr/bin/python3
"""Runs our ramdisk's agent on the kernel of Ubuntu's live installer, for hardware that needs that kernel.

stream.py SERVER MAC NONCE, run by the installer's early-commands. The ramdisk is unpacked into memory and
entered: so the agent, its libraries and the keys that it trusts are the same as ever. It writes the disk and
reboots the machine. It must not come back; if it does, this fails, which ends the installation.
"""

import os
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path("/run/provisioner/ramdisk")
SHARED = ("dev", "proc", "sys")
ZSTD = b"\x28\xb5\x2f\xfd"


def main(server, mac, nonce):
    ROOT.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1G,mode=0755", "ramdisk", ROOT], check=True)
    packed = ROOT / "initrd.img"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{server}/boot/files/initrd.img", timeout=60) as answer, packed.open("wb") as out:
        while block := answer.read(1 << 20):
            out.write(block)
    unpack(b"".join(plain(frame) for frame in frames(packed.read_bytes())), ROOT)
    packed.unlink()
    for name in SHARED:
        subprocess.run(["mount", "--rbind", f"/{name}", ROOT / name], check=True)
    argv = ["python3", "-m", "provisioner.agent"]
    arguments = [f"pv.server={server}", f"pv.mac={mac}", f"pv.nonce={nonce}"]
    os.chroot(ROOT)
    os.chdir("/")
    path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}
    done = subprocess.run([*argv, *arguments], check=False, env=path)
    raise SystemExit(f"the agent came back ({done.returncode}): the installer must not go on")


def frames(data):
    """The compressed segments, each up to its own end; zeros lie between them."""
    at = 0
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        end = end_of(data, at)
        yield data[at:end]
        at = end


def end_of(data, at):
    """Where the zstd frame that begins at `at` ends (RFC 8878, 3.1.1): its header, its blocks, its sum."""
    if data[at : at + 4] != ZSTD:
        raise SystemExit(f"the ramdisk is damaged at byte {at}")
    flags = data[at + 4]
    is_single = flags >> 5 & 1
    size_field = (1 if is_single else 0, 2, 4, 8)[flags >> 6]
    at += 5 + (not is_single) + (0, 1, 2, 4)[flags & 3] + size_field
    is_last = False
    while not is_last:
        block = int.from_bytes(data[at : at + 3], "little")
        if at + 3 > len(data):
            raise SystemExit("the ramdisk came incomplete")
        is_last, kind, size = block & 1, block >> 1 & 3, block >> 3
        at += 3 + (1 if kind == 1 else size)  # 1: one byte, repeated
    return at + 4 * (flags >> 2 & 1)


def plain(frame):
    """By the program: the installer's Python has no zstd. A frame that was cut or changed is an error."""
    return subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout


def unpack(data, root):
    """What joined newc archives hold, a later entry in the place of an earlier one."""
    at = 0
    while at < len(data):
        if data[at] == 0:
            at += 1
            continue
        if data[at : at + 6] != b"070701":
            raise SystemExit(f"the ramdisk is damaged at byte {at}")
        fields = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, major, minor, length = fields[1], fields[6], fields[9], fields[10], fields[11]
        name = data[at + 110 : at + 109 + length].decode()
        start = at + -(-(110 + length) // 4) * 4
        at = start + -(-size // 4) * 4
        if name != "TRAILER!!!":
            put(root / name, mode, data[start : start + size], (major, minor))


def put(path, mode, content, device):
    if stat.S_ISDIR(mode):
        path.mkdir(parents=True, exist_ok=True)
        return
    path.unlink(missing_ok=True)
    if stat.S_ISLNK(mode):
        path.symlink_to(content.decode())
    elif stat.S_ISREG(mode):
        path.write_bytes(content)
        path.chmod(stat.S_IMODE(mode))
    # device nodes: the installer's own /dev is shared


if __name__ == "__main__":
    main(*sys.argv[1:4])
