"""The Debian package: the same bytes twice, what is in it, and that it works where it is unpacked."""

import ast
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner import __version__, run

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "debian" / "build.py"
EPOCH = "1796000000"
PACKAGE = ROOT / "provisioner"
# program → Debian's package of it
PACKAGES = {
    "apt-cache": "apt",
    "apt-ftparchive": "apt-utils",
    "apt-get": "apt",
    "bsdtar": "libarchive-tools",
    "cp": "coreutils",
    "dd": "coreutils",
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "dpkg": "dpkg",
    "dpkg-deb": "dpkg",
    "dumpe2fs": "e2fsprogs",
    "e2fsck": "e2fsprogs",
    "fuse2fs": "fuse2fs",
    "git": "git",
    "gpg": "gpg",
    "gpgconf": "gpgconf",
    "gpgv": "gpgv",
    "grub-mkimage": "grub-common",
    "ip": "iproute2",
    "mcopy": "mtools",
    "minisign": "minisign",
    "mkfs.vfat": "dosfstools",
    "mount": "mount",
    "nft": "nftables",
    "packer": "packer",
    "qemu-img": "qemu-utils",
    "setpriv": "util-linux",
    "sfdisk": "fdisk",
    "ss": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "umount": "mount",
}
ESSENTIAL = {"coreutils", "dpkg", "mount", "util-linux"}  # or required: on every Debian system
# rooms whose programs a service calls; those of `ramdisk`; of the others, images and the lab
SERVING = {"site", "state", "power", "verify", "web", "worker", "daemon", "services", "run.py"}
SIGNING = {"minisign"}  # of `imaging`, whose other programs look into images
NOT_HERE = {"lab", "agent"}  # in a machine of its own, or in the ramdisk
OPTIONAL = {"git", "gpgconf"}  # git names a commit where there is a checkout; gpgconf comes with gpg


def build(out: Path, *more: str) -> Path:
    words = (sys.executable, BUILD, "--out", out, "--epoch", EPOCH, *more)
    return Path(run.text(words, timeout=1500, cwd=ROOT).splitlines()[-1])


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in it is the same at every level; the smallest takes minutes."""
    return build(tmp_path_factory.mktemp("deb"), "--level", "0")


@pytest.fixture(scope="session")
def tree(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Unpacked, with DEBIAN/."""
    made = tmp_path_factory.mktemp("tree")
    run.run(["dpkg-deb", "--raw-extract", package, made / "t"], timeout=300)
    yield made / "t"
    shutil.rmtree(made)


def fields(tree: Path) -> dict[str, str]:
    lines = (tree / "DEBIAN" / "control").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and line[0] != " ")


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_same_commit_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build(tmp_path / name) for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert first.stat().st_size < 36 << 20


@pytest.mark.timeout(1800)
def test_it_says_what_it_is_and_what_it_needs(package: Path, tree: Path) -> None:
    found = fields(tree)
    assert (found["Package"], found["Version"]) == ("provisioner", __version__)
    assert package.name == f"provisioner_{__version__}_amd64.deb"
    depends = found["Depends"].split(", ")
    assert "python3 (>= 3.11)" in depends and "python3 (<< 3.12)" in depends
    assert "@" not in (tree / "DEBIAN" / "control").read_text().replace("@vaultcube", "")


def called() -> Iterator[tuple[str, str]]:
    """Each program that the package starts by name, with the room that does."""
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            program = _program(name, node.args[0])
            if program and room not in NOT_HERE:
                yield program, room


def _program(function: str, argument: ast.expr) -> str:
    """The program's name where this is an argv of ours, or what is looked for by name."""
    if function not in ("run", "text", "start", "running", "find"):
        return ""
    is_argv = isinstance(argument, ast.List | ast.Tuple)
    first = argument.elts[0] if is_argv and argument.elts else argument  # type: ignore[attr-defined]
    if not isinstance(first, ast.Constant) or not (is_argv or function == "find"):
        return ""
    return first.value if re.fullmatch(r"[a-z][a-z0-9.-]+", str(first.value)) else ""


def test_every_program_that_the_product_starts_is_in_a_package_that_is_named() -> None:
    text = (ROOT / "debian" / "control").read_text()
    named = {
        field: set(re.findall(r"[a-z0-9][a-z0-9+.-]+", re.sub(r"\([^)]*\)", "", line.split(": ", 1)[1])))
        for line in text.splitlines()
        if (field := line.split(":")[0]) in ("Depends", "Recommends", "Suggests")
    }
    assert {name for name, _ in called()} - set(PACKAGES) - {"code", "message", "target"} == set()
    for program, room in called():
        if program not in PACKAGES or program in OPTIONAL or PACKAGES[program] in ESSENTIAL:
            continue
        serves = room in SERVING or program in SIGNING
        fits = named["Depends"] if serves else named["Depends"] | named["Recommends"]
        if not serves and room != "ramdisk":
            fits |= named["Suggests"]
        assert PACKAGES[program] in fits, f"{program}, which {room} calls, is in {PACKAGES[program]}"


@pytest.mark.timeout(1800)
def test_every_file_lies_where_debian_wants_it(tree: Path) -> None:
    tops = {"/".join(path.relative_to(tree).parts[:2]) for path in tree.rglob("*") if not path.is_dir()}
    assert tops == {"DEBIAN/control", "DEBIAN/conffiles", "DEBIAN/md5sums", "etc/provisioner", "usr/bin"} | {
        f"DEBIAN/{name}" for name in ("postinst", "prerm", "postrm")
    } | {"usr/lib", "usr/share"}
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            assert path.stat().st_mode & 0o777 in (0o644, 0o755), path
            assert path.stat().st_mtime == int(EPOCH), path
    assert (tree / "DEBIAN" / "conffiles").read_text() == "/etc/provisioner/provisioner.toml\n"
    run.run(["md5sum", "--check", "--quiet", "DEBIAN/md5sums"], cwd=tree)


@pytest.mark.timeout(1800)
def test_nothing_in_it_says_where_it_was_built(tree: Path) -> None:
    places = [f"-e{place}" for place in (f"{ROOT}/", ".cache/provisioner/deb-wheels")]
    found = run.run(["grep", "-rlF", *places, tree / "usr"], check=False)
    assert found.stdout.decode().splitlines() == []
    for path in (tree / "usr/lib/provisioner/bin").iterdir():
        if not path.is_symlink() and b"python" in (head := path.read_bytes().partition(b"\n")[0]):
            assert head == b"#!/usr/lib/provisioner/bin/python3", path


@pytest.mark.timeout(1800)
def test_the_locked_packages_are_in_it_and_no_other(tree: Path) -> None:
    site = tree / "usr/lib/provisioner/lib/python3.11/site-packages"
    there = {tuple(path.name.removesuffix(".dist-info").rsplit("-", 1)) for path in site.glob("*.dist-info")}
    lock = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    wanted = {(re.sub(r"[-.]", "_", name).lower(), version) for name, version in lock}
    found = {(re.sub(r"[-.]", "_", name).lower(), version) for name, version in there}
    assert found == wanted | {("vaultcube_provisioner", __version__)}
    assert list(site.glob("provisioner/__pycache__/*.pyc")), "who runs it may not write there"


@pytest.mark.timeout(1800)
def test_the_maintainer_scripts_are_what_a_shell_takes(tree: Path) -> None:
    for name in ("postinst", "prerm", "postrm"):
        run.run(["sh", "-n", tree / "DEBIAN" / name])
        text = (tree / "DEBIAN" / name).read_text()
        assert text.startswith("#!/bin/sh\n") and "\nset -e\n" in text


@pytest.mark.timeout(1800)
def test_the_manual_page_is_formatted_without_a_word_of_complaint(tree: Path) -> None:
    done = run.run(
        ["man", "--warnings", "-l", tree / "usr/share/man/man1/provision.1.gz"], env={"MANWIDTH": "80"}
    )
    text = done.stdout.decode()
    assert done.stderr == b""
    for words in ("provision deploy", "provision restore", "PV-684", "/var/lib/provisioner"):
        assert words in re.sub(".\b", "", text), words


@pytest.mark.timeout(1800)
def test_it_installs_works_and_is_removed_in_a_system_of_its_own(package: Path, tmp_path: Path) -> None:
    """In this machine's own system under another root: dpkg, its scripts, and the program as it is there."""
    script = ROOT / "tests" / "install" / "in_root.sh"
    to_be_root = [] if os.geteuid() == 0 else ["--map-root-user", "--map-auto"]
    argv = ["unshare", *to_be_root, "--mount", "--pid", "--fork", "sh", script, tmp_path, package]
    done = run.run(argv, timeout=900, check=False)
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode == 0, said
    for sentence in (
        "edit /etc/provisioner/provisioner.toml, then: systemctl enable --now provisioner.target",
        f"provision, version {__version__}",
        "user: provisioner",
        "state: 700 provisioner:provisioner",
        "key: 600 root:root 65 in 700 root:root",
        "is left, with the site's keys and database, and /var/lib/provisioner-keys",
        "after the purge of one that was never used: nothing is left",
        "the settings can be used: dhcp, tftp, dns, web, worker, api",
        "after purge: no program, no settings, the state is left",
        "/var/lib/provisioner is left, with the site's keys and database",
    ):
        assert sentence in said, said
