"""The golden image's parts on small trees: what is scrubbed, listed, compared and recorded."""

import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from provisioner.errors import FileError, InputError, ProvisionError
from provisioner.golden import (
    accounts,
    artefacts,
    base,
    boot,
    bytecode,
    files,
    packer,
    product,
    record,
    sbom,
    scrub,
    tree,
)
from provisioner.golden.difference import Difference, compare, sentence
from provisioner.golden.files import Area, FileManifest
from provisioner.system import shipped
from tests.file_limit import room_for

EPOCH = 1767225600


def put(root: Path, name: str, text: str = "x") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def manifest(root: Path, /, **areas: str) -> FileManifest:
    found = tuple(Area(name, 1, digest) for name, digest in areas.items())
    return FileManifest("os@1", "0" * 64, found, files.scan(root))


# ---- scrubbing


def test_the_shipped_list_can_be_read_and_gives_a_reason_for_each_rule() -> None:
    found = scrub.rules(shipped.file("packer", "scrub").read_text())
    assert len(found) > 60 and all(rule.reason for rule in found)
    assert len({rule.pattern for rule in found}) == len(found)
    assert not [rule for rule in found if rule.pattern.startswith(("lib/firmware", "usr/lib/firmware"))]


@pytest.mark.parametrize(
    "line",
    [
        "gone etc/hostname",
        "delete etc/hostname # why",
        "gone /etc/hostname # why",
        "gone ../etc # why",
        "gone **/x # why",
        "gone # why",
        "gone a b # why",
    ],
)
def test_a_line_that_is_no_rule_is_named(line: str) -> None:
    with pytest.raises(InputError, match="line 2"):
        scrub.rules(f"# head\n{line}\n")


def test_scrubbing_removes_empties_and_blanks(tmp_path: Path) -> None:
    for name in (
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/sshd_config",
        "var/log/apt/term.log",
        "var/log/syslog",
    ):
        put(tmp_path, name)
    put(tmp_path, "etc/machine-id", "1234").chmod(0o444)
    put(tmp_path, "var/lib/cloud/instance/user-data.txt")
    wanted = scrub.rules(
        "gone etc/ssh/ssh_host_* # a\ngone var/lib/cloud # b\nempty var/log # c\nblank etc/machine-id # d\n"
        "gone nowhere/* # e\n"
    )
    counts = scrub.apply(tmp_path, wanted)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["etc/machine-id", "etc/ssh/sshd_config"]
    assert (tmp_path / "etc/machine-id").read_bytes() == b""
    assert (tmp_path / "etc/machine-id").stat().st_mode & 0o777 == 0o444
    assert (tmp_path / "var/log/apt").is_dir()
    assert list(counts.values()) == [1, 1, 2, 1, 0]


def test_scrubbing_never_follows_a_link_out_of_the_tree(tmp_path: Path) -> None:
    outside = put(tmp_path, "outside/keep").parent
    root = tmp_path / "root"
    (root / "var").mkdir(parents=True)
    (root / "var/tmp").symlink_to(outside)
    (root / "var/log").symlink_to(outside)
    (root / "var/dead").symlink_to(outside)
    scrub.apply(root, scrub.rules("gone var/tmp/* # a\nempty var/log # b\ngone var/dead # c\n"))
    assert (outside / "keep").exists()
    assert not (root / "var/dead").is_symlink() and (root / "var/log").is_symlink()


def test_the_build_user_leaves_no_trace(tmp_path: Path) -> None:
    put(tmp_path, "etc/passwd", "root:x:0:0::/root:/bin/sh\npacker:x:1000:1000::/home/packer:/bin/sh\n")
    put(tmp_path, "etc/shadow", "root:*:20000:0:99999:7:::\npacker:!:20418:0:99999:7:::\nnew:*::::::\n")
    put(tmp_path, "etc/group", "sudo:x:27:packer,ops\ndocker:x:990:packer\npacker:x:1000:\npackers:x:1:\n")
    put(tmp_path, "etc/gshadow", "sudo:*:packer:ops,packer\npacker:!::\n")
    put(tmp_path, "etc/subuid", "packer:100000:65536\nops:165536:65536\n")
    put(tmp_path, "home/packer/.profile")
    accounts.remove(tmp_path, "packer")
    accounts.date(tmp_path, EPOCH)
    assert (tmp_path / "etc/passwd").read_text() == "root:x:0:0::/root:/bin/sh\n"
    assert (tmp_path / "etc/shadow").read_text() == "root:*:20454:0:99999:7:::\nnew:*::::::\n"
    assert (tmp_path / "etc/group").read_text() == "sudo:x:27:ops\ndocker:x:990:\npackers:x:1:\n"
    assert (tmp_path / "etc/gshadow").read_text() == "sudo:*::ops\n"
    assert (tmp_path / "etc/subuid").read_text() == "ops:165536:65536\n"
    assert not (tmp_path / "home/packer").exists()


def test_the_build_machines_name_is_forgotten(tmp_path: Path) -> None:
    put(tmp_path, "etc/hosts", "127.0.0.1 localhost\n127.0.1.1 image-build\n\n::1 localhost ip6-localhost\n")
    accounts.forget_name(tmp_path)
    assert (tmp_path / "etc/hosts").read_text() == "127.0.0.1 localhost\n\n::1 localhost ip6-localhost\n"


def test_byte_code_stays_valid_when_all_files_get_one_time(tmp_path: Path) -> None:
    by_time = tmp_path / "a.pyc"
    by_time.write_bytes(struct.pack("<4sIII", b"\xa7\r\r\n", 0, 1_800_000_000, 42) + b"code")
    by_hash = tmp_path / "b.pyc"
    by_hash.write_bytes(struct.pack("<4sI8s", b"\xa7\r\r\n", 3, b"12345678") + b"code")
    (tmp_path / "c.pyc").write_bytes(b"short")
    before = by_hash.read_bytes()
    assert bytecode.redate(tmp_path, EPOCH) == 1
    assert struct.unpack("<4sIII", by_time.read_bytes()[:16])[2:] == (EPOCH, 42)
    assert by_hash.read_bytes() == before


PEM = "-----BEGIN OPENSSH PRIVATE KEY-----\n"
DOCKERS = '{"crv":"P-256","d":"c2VjcmV0","kid":"AAAA:BBBB","kty":"EC","x":"eA","y":"eQ"}'
PUBLIC = '{"crv":"P-256","kid":"AAAA:BBBB","kty":"EC","x":"eA","y":"eQ"}'


@pytest.mark.parametrize(
    ("place", "text"),
    [
        *(("etc/ssl/own.pem", PEM), ("opt/app/key", PEM), ("root/id", PEM), ("var/lib/thing/tls.key", PEM)),
        ("etc/other/key.json", DOCKERS),
        ("srv/key.jwk", '{\n "kty": "OKP",\n "d": "c2VjcmV0"\n}'),
    ],
)
def test_a_private_key_in_the_image_ends_the_build(tmp_path: Path, place: str, text: str) -> None:
    for name in tree.SECRET_PLACES:
        (tmp_path / name).mkdir()
    put(tmp_path, "etc/ssl/cert.pem", "-----BEGIN CERTIFICATE-----\n")
    put(tmp_path, "etc/ssl/public.jwk", PUBLIC)
    tree.refuse_secrets(tmp_path)
    put(tmp_path, place, text)
    with pytest.raises(ProvisionError, match=place) as caught:
        tree.refuse_secrets(tmp_path)
    assert caught.value.code == 662


def test_the_file_systems_size_depends_on_the_content_alone(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for root in (one, two):
        put(root, "big").write_bytes(bytes(5_000_000))
        os.link(root / "big", root / "same")
    (two / "hole").write_bytes(b"")
    os.truncate(two / "big", 0)
    os.truncate(two / "big", 5_000_000)  # a hole now, of the same length
    assert tree.measure(one) == tree.measure(two) == 5_001_216
    assert tree.room(one) == tree.room(two)
    put(two, "bigger").write_bytes(bytes(90 << 20))
    assert tree.room(two) - tree.room(one) >= 64 << 20


# ---- boot


def test_fstab_and_menu_name_the_new_file_systems(tmp_path: Path) -> None:
    (tmp_path / "boot/efi").mkdir(parents=True)
    (tmp_path / "boot/vmlinuz").symlink_to("vmlinuz-6.8.0-1")
    boot.write(tmp_path, boot.FilesystemIds("11111111-2222-5333-8444-555555555555", "a1b2c3d4"))
    fstab = (tmp_path / "etc/fstab").read_text()
    assert "UUID=11111111-2222-5333-8444-555555555555 / ext4" in fstab and "UUID=A1B2-C3D4 /boot/efi" in fstab
    menu = (tmp_path / "boot/grub/grub.cfg").read_text()
    assert "linux /boot/vmlinuz root=UUID=11111111-2222-5333-8444-555555555555 ro console=tty0" in menu
    assert "initrd /boot/initrd.img" in menu and "ROOT_UUID" not in menu


def test_the_kernel_gets_what_the_roles_told_grub(tmp_path: Path) -> None:
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-6.1")
    put(
        tmp_path,
        "etc/default/grub",
        "GRUB_TIMEOUT=2\nGRUB_CMDLINE_LINUX_DEFAULT=quiet\nGRUB_CMDLINE_LINUX=''\n",
    )
    put(
        tmp_path, "etc/default/grub.d/60-site.cfg", 'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX console=ttyS0"\n'
    )
    put(tmp_path, "etc/default/grub.d/70-iommu.cfg", 'GRUB_CMDLINE_LINUX="${GRUB_CMDLINE_LINUX} iommu=pt"\n')
    put(tmp_path, "etc/default/grub.d/note.txt", "GRUB_CMDLINE_LINUX=never\n")
    assert "root=UUID=u ro console=ttyS0 iommu=pt quiet\n" in boot.menu(tmp_path, "u")


def test_an_image_without_a_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no kernel"):
        boot.menu(tmp_path, "u")


# ---- the per-file manifest, and differences


@pytest.fixture
def small(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    put(root, "etc/motd", "hello\n")
    put(root, "bin/tool", "#!/bin/sh\n").chmod(0o4755)
    os.link(root / "bin/tool", root / "bin/twin")
    (root / "bin/short").symlink_to("tool")
    os.mkfifo(root / "pipe")
    put(root, os.fsdecode(b"caf\xe9"))
    for folder, names, found in os.walk(root):
        for name in (*names, *found):
            os.utime(Path(folder, name), (EPOCH, EPOCH), follow_symlinks=False)
    os.utime(root, (EPOCH, EPOCH))
    return root


def test_every_path_is_listed_with_what_it_is(small: Path) -> None:
    by_path = {entry.path: entry for entry in files.scan(small)}
    assert list(by_path) == [
        ".",
        "bin",
        "bin/short",
        "bin/tool",
        "bin/twin",
        "caf\\xe9",
        "etc",
        "etc/motd",
        "pipe",
    ]
    tool = by_path["bin/tool"]
    assert (tool.type, tool.mode, tool.size, tool.same) == ("file", "4755", 10, "bin/tool")
    assert by_path["bin/twin"].same == "bin/tool"
    assert by_path["bin/short"].target == "tool" and by_path["pipe"].type == "pipe"
    assert by_path["etc/motd"].mtime == EPOCH and len(by_path["etc/motd"].sha256) == 64


def test_a_manifest_reads_back_as_it_was_written(small: Path, tmp_path: Path) -> None:
    written = manifest(small, root="r")
    path = put(tmp_path, "os-1.files.jsonl", written.dump())
    assert files.load(path) == written
    assert "caf\\\\xe9" in path.read_text()


@pytest.mark.parametrize("text", ["", "{}\n", "[]\n", '{"format": "files/2"}\n', "no json\n"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="no per-file manifest") as caught:
        files.load(put(tmp_path, "x.files.jsonl", text))
    assert caught.value.code == 663


def test_equal_images_have_no_difference(small: Path) -> None:
    assert compare(manifest(small, root="r"), manifest(small, root="r")) == []


def change_content(root: Path) -> None:
    put(root, "etc/motd", "HELLO\n")


def change_mode(root: Path) -> None:
    (root / "etc/motd").chmod(0o600)


def change_target(root: Path) -> None:
    (root / "bin/short").unlink()
    (root / "bin/short").symlink_to("twin")


def part_twins(root: Path) -> None:
    text = (root / "bin/twin").read_bytes()
    (root / "bin/twin").unlink()
    (root / "bin/twin").write_bytes(text)
    (root / "bin/twin").chmod(0o4755)


def replace_by_folder(root: Path) -> None:
    (root / "pipe").unlink()
    (root / "pipe").mkdir(mode=0o700)


@pytest.mark.parametrize(
    ("act", "kinds", "path"),
    [
        (change_content, {"content"}, "etc/motd"),
        (change_mode, {"mode"}, "etc/motd"),
        (change_target, {"target"}, "bin/short"),
        (part_twins, {"hard link"}, "bin/twin"),
        (replace_by_folder, {"type", "mode"}, "pipe"),
        (lambda root: put(root, "etc/new"), {"added"}, "etc/new"),
        (lambda root: (root / "pipe").unlink(), {"removed"}, "pipe"),
        (lambda root: os.utime(root / "etc/motd", (1, 1)), {"time"}, "etc/motd"),
    ],
)
def test_a_difference_names_the_path_and_what_changed(small: Path, act, kinds: set[str], path: str) -> None:  # type: ignore[no-untyped-def]
    before = manifest(small, root="r1")
    act(small)
    after = manifest(small, root="r2")
    timed = {"time"} - kinds  # writing moves times of the file and of its folder, too
    found = [one for one in compare(before, after) if one.kind not in timed]
    found = [one for one in found if one.path == path or one.kind != "time"]
    if "hard link" in kinds:  # the other name of the pair is alone now
        found = [one for one in found if one.path == path]
    assert {one.path for one in found} == {path}
    assert kinds <= {one.kind for one in found}
    assert all(path in sentence(one) for one in found)


def test_an_area_is_told_where_no_file_explains_it(small: Path) -> None:
    before, after = (
        manifest(small, esp="a", root="r1", outside="o"),
        manifest(small, esp="b", root="r2", outside="o"),
    )
    assert [(one.kind, one.path) for one in compare(before, after)] == [("area", "esp"), ("area", "root")]
    change_content(small)
    told = compare(before, replace(after, entries=files.scan(small)))
    assert ("area", "root") not in [(one.kind, one.path) for one in told]
    assert ("area", "esp") in [(one.kind, one.path) for one in told]


def test_a_difference_is_a_short_sentence() -> None:
    one = Difference("content", "etc/motd", "a" * 64, "b" * 64)
    assert sentence(one) == f"content    etc/motd: {'a' * 16}… → {'b' * 16}…"
    assert sentence(Difference("attributes", "bin/ping", {}, {"x": "01"})).endswith("none → {'x': '01'}")


# ---- the bill of materials

STATUS = """Package: openssh-server
Status: install ok installed
Architecture: amd64
Source: openssh (1:9.2p1-2+deb12u7)
Version: 1:9.2p1-2+deb12u7
Description: secure shell
 several lines

Package: gone
Status: deinstall ok config-files
Version: 1

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2025b-0+deb12u2
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    put(tmp_path, "var/lib/dpkg/status", STATUS)
    info = "usr/local/lib/python3.12/dist-packages/Typing_Extensions-4.12.dist-info/METADATA"
    put(tmp_path, info, "Metadata-Version: 2.1\nName: Typing_Extensions\nVersion: 4.12\n\nText: here\n")
    put(
        tmp_path,
        "opt/ml/lib/python3.12/site-packages/torch-2.9.dist-info/METADATA",
        "Name: torch\nVersion: 2.9+cu128\n",
    )
    return tmp_path


def bill(root: Path) -> str:
    return sbom.document(
        sbom.packages(root), image="os", version="1", raw_sha256="0" * 64, epoch=EPOCH, distribution="debian"
    )


def test_the_bill_lists_what_dpkg_and_pip_installed(installed: Path) -> None:
    body = json.loads(bill(installed))
    assert [part["purl"] for part in body["components"]] == [
        "pkg:deb/debian/openssh-server@1:9.2p1-2%2Bdeb12u7?arch=amd64",
        "pkg:pypi/torch@2.9%2Bcu128",
        "pkg:pypi/typing-extensions@4.12",
        "pkg:deb/debian/tzdata@2025b-0%2Bdeb12u2?arch=all",
    ]
    assert bill(installed) == bill(installed)
    assert {part["ref"]: part.get("dependsOn") for part in body["dependencies"]}["image:os@1"] == sorted(
        part["bom-ref"] for part in body["components"]
    )


def test_the_bill_fits_cyclonedxs_own_schema(installed: Path) -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(bill(installed)) is None
    assert validator.validate_str(bill(installed).replace('"library"', '"book"')) is not None


# ---- records, targets, sizes


def line(**more: object) -> record.JournalEntry:
    values = {"started": 1.0, "seconds": 600.0, "result": "built", "image": "os@1", "builder": "qemu"}
    return record.JournalEntry(**{**values, **more})  # type: ignore[arg-type]


def test_every_build_leaves_a_line_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    assert record.journal(tmp_path) == []
    record.append(tmp_path, line())
    record.append(tmp_path, line(result="failed", error="no disk"))
    assert [one.result for one in record.journal(tmp_path)] == ["built", "failed"]
    with (tmp_path / record.JOURNAL).open("a") as file:
        file.write("{}\n")
    with pytest.raises(InputError, match="line 3"):
        record.journal(tmp_path)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_journal_and_checksums_are_as_before_where_the_disk_is_full(tmp_path: Path, count: int) -> None:
    sums = tmp_path / "checksums.json"
    for number in range(count):
        record.append(tmp_path, line(image=f"os@{number}"))
        record.remember(sums, f"k{number}", "d" * 64, f"os@{number}")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for room in {0, 1, *(len(body) + more for body in before.values() for more in (0, 1, 50))}:
        with room_for(room), pytest.raises(FileError) as caught:
            record.append(tmp_path, line(error="x" * 100))
        assert caught.value.code == 151
        with room_for(min(room, len(before.get(sums.name, b"")) + 50)), pytest.raises(FileError):
            record.remember(sums, "new", "e" * 64, "os@new")
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(record.journal(tmp_path)) == count


@pytest.mark.parametrize("room", [0, 1, 40])
def test_a_base_image_whose_note_is_cut_off_is_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    made: list[Path] = []

    def make(target: Path, *_: object) -> str:
        target.touch()
        made.append(target)
        return "d" * 64

    monkeypatch.setattr(base, "packages", lambda *_: tmp_path / "tree")
    monkeypatch.setattr(base, "_make_image", make)
    monkeypatch.setattr(base, "_copy_sparse", lambda source, target: target.touch())
    cache, out = tmp_path / "cache", tmp_path / "os.raw"
    with room_for(room), pytest.raises(FileError):
        base.build(out, name="os", version="1", cache=cache)
    assert not list(cache.glob("*.json"))
    again = base.build(out, name="os", version="1", cache=cache)
    cached = base.build(out, name="os", version="1", cache=cache)
    assert (again.cached, cached.cached, again.sha256, cached.sha256) == (False, True, "d" * 64, "d" * 64)
    assert len(made) == 2


def test_targets_are_measured_on_all_builds() -> None:
    built = [line(seconds=60.0 * n, raw_bytes=10**9 * n, download_seconds=60.0) for n in (10, 20, 60)]
    rate, duration, size, download = record.targets([*built, line(result="failed")])
    assert (rate.value, rate.met) == (75.0, False)
    assert (duration.value, duration.met) == (20.0, True)
    assert (size.value, size.met, download.value) == (20.0, True, 1.0)
    assert [target.met for target in record.targets([])] == [None] * 4


def test_the_key_of_inputs_changes_with_each_of_them(tmp_path: Path) -> None:
    source = put(tmp_path, "base.raw", "one")
    first = record.inputs({"source": source}, {"name": "os"})
    assert {"packer/scrub", "golden/tree.py", "source", "variables"} <= first.keys()
    assert not [name for name in first if "checksums.json" in name or "__pycache__" in name]
    assert record.key(first) == record.key(record.inputs({"source": source}, {"name": "os"}))
    assert record.key(first) != record.key(record.inputs({"source": source}, {"name": "other"}))
    source.write_text("two")
    assert record.key(first) != record.key(record.inputs({"source": source}, {"name": "os"}))


def test_what_of_the_program_is_in_the_image_is_an_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judge is no source of the image's, and is in it."""
    before = record.inputs({}, {})
    monkeypatch.setattr(product, "build", lambda: b"another judge")
    after = record.inputs({}, {})
    assert record.key(before) != record.key(after)
    assert {name for name in before if before[name] != after[name]} == {"product"}


def test_a_checksum_is_remembered_for_its_inputs(tmp_path: Path) -> None:
    path = tmp_path / "checksums.json"
    assert record.known(path, "k") == ""
    record.remember(path, "k", "d" * 64, "os@1")
    record.remember(path, "l", "e" * 64, "other@1")
    assert record.known(path, "k") == "d" * 64 and record.known(path, "l") == "e" * 64
    record.remember(path, "m", "f" * 64, "os@1")
    assert (record.known(path, "k"), record.known(path, "m")) == ("", "f" * 64), "what is out of date stays"
    assert record.known(path, "l") == "e" * 64


@pytest.mark.parametrize(("raw", "pack"), [(50 * 10**9 + 1, 1), (10**9, int(117.5e6 * 601))])
def test_an_image_over_a_limit_fails_the_build(tmp_path: Path, raw: int, pack: int) -> None:
    for name, length in (("a.raw", raw), ("a.pack", pack)):
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, length)
    with pytest.raises(ProvisionError) as caught:
        artefacts.check_sizes(tmp_path / "a.raw", tmp_path / "a.pack")
    assert caught.value.code == 661


# ---- Packer


def test_packer_is_told_everything_on_its_command_line(tmp_path: Path) -> None:
    order = packer.BuildRequest(
        tmp_path, debian=True, var_files=(Path("mine.pkrvars.hcl"),), keep_failed=True
    )
    argv = packer.command(order, tmp_path / "w", {"accelerator": "tcg"})
    files_given = [word for word in argv if word.startswith("-var-file=")]
    assert (
        files_given[0].endswith("debian-12-base.pkrvars.hcl")
        and files_given[1] == "-var-file=mine.pkrvars.hcl"
    )
    assert "accelerator=tcg" in argv and f"seed={tmp_path / 'w'}" in argv and "-on-error=abort" in argv
    assert argv[-1].endswith("packer/ubuntu-24.04-demo-box.pkr.hcl")


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("==> qemu.image: Waiting for SSH to become available...", "Waiting for SSH to become available..."),
        ("    qemu.image: TASK [docker : engine] ******", "docker : engine"),
        ("    qemu.image: gate: ok     sshd is valid", "gate: ok     sshd is valid"),
        ("    qemu.image (shell-local): golden: packing (23 s)", "golden: packing (23 s)"),
        ("    qemu.image: changed: [default]", ""),
    ],
)
def test_steps_are_told_and_the_rest_is_not(line: str, step: str) -> None:
    assert packer.step(line) == step


def test_the_evidence_is_the_lines_that_tell_most() -> None:
    end = [
        "==> qemu.image: Provisioning step had errors: Running the cleanup",
        "Build errored: exit status 2",
        "",
        "bye",
    ]
    fatal = "    qemu.image: fatal: [default]: FAILED! => no such package"
    assert packer.evidence([fatal, *end]) == fatal.strip()
    gate = "    qemu.image: gate: FAILED nothing failed: units failed: ssh.service"
    assert packer.evidence(["golden: fine", gate, *end]) == gate.strip()
    assert packer.evidence(end) == " / ".join(end[:2])
    assert packer.evidence(["one", "two"]) == "one / two"
    assert packer.evidence([]) == "it said nothing"
