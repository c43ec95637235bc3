"""Commands on a disk that is full at any page: a sentence, an exit code, and the files as they were."""

from __future__ import annotations

import io
import json
import os
import random
import re
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from provisioner import run
from provisioner.certificate import canonical, files, signing
from provisioner.cli import provision
from provisioner.cli.ramdisk import CACHE
from provisioner.errors import Exit
from provisioner.mirror import layout
from tests.certificates import healthy, make_key
from tests.unit.cli import test_rehearse
from tests.wire import test_service
from tests.wire.bundle import test_bundle
from tests.wire.cli.full_disk import assert_all_or_nothing, runs
from tests.wire.cli.test_cli_handover import keep
from tests.wire.packerlab import put_packer

if TYPE_CHECKING:
    from tests.wire.conftest import Inside, Namespace, World

PACKER = Path(__file__).with_name("programs") / "packer_of_pages.py"
ROOT = Path(__file__).parents[3]
SEED = 20261128


@pytest.mark.parametrize("noun", ["image", "mirror", "certificate"])
def test_a_key_pair_is_made_whole_or_not_at_all(tmp_path: Path, noun: str) -> None:
    folder = tmp_path / "disk"
    found = runs(folder, tmp_path / "seed", [0, 1, 2], noun, "keygen", "k", "--dir", folder)
    assert_all_or_nothing(found, least=2)
    assert len(found[-1]["after"]) == 2


def packed(world: World, folder: Path, out: Path) -> tuple[str | Path, ...]:
    names = ("--name", "full-os", "--version", "1", "--created", "2026-01-01T00:00:00Z")
    key = ("--sign", world.folder / "release.key")
    return ("image", "pack", world.folder / "raw.img", "-o", out, *names, *key)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_pack_its_manifest_and_its_signature_come_together(
    world: World, tmp_path: Path, is_there: bool
) -> None:
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    seed.mkdir()
    if is_there:
        for name in ("o.pack", "o.pack.json", "o.pack.json.minisig"):
            (seed / name).write_text(f"the {name} of yesterday")
    words = packed(world, folder, folder / "o.pack")
    [roomy] = runs(folder, seed, [], *words)
    assert roomy["code"] == 0 and len(roomy["after"]) == 3
    used = roomy["used"] + (3 if is_there else 0)  # pages: the older ones are there until the new ones are
    chance = random.Random(SEED + is_there)
    pages = sorted({0, 1, used - 3, used - 2, used - 1, used + 8, *chance.sample(range(used), 3)})
    assert_all_or_nothing(runs(folder, seed, pages, *words), least=4)


def test_a_converted_pack_comes_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    source, folder, seed = tmp_path / "o.pack", tmp_path / "disk", tmp_path / "seed"
    assert world.provision(*packed(world, tmp_path, source)).code == 0
    keys = ("--pubkey", world.folder / "release.pub", "--sign", world.folder / "release.key")
    words = ("image", "convert", source, "-o", folder / "n.pack", *keys)
    [roomy] = runs(folder, seed, [], *words)
    assert roomy["code"] == 0 and len(roomy["after"]) == 3
    used = roomy["used"]
    assert_all_or_nothing(runs(folder, seed, [0, 1, used // 2, used - 2, used - 1], *words), least=4)


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_pack_comes_whole_or_not_at_all_wherever_the_disk_is_full(world: World, tmp_path: Path) -> None:
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    words = packed(world, folder, folder / "o.pack")
    [roomy] = runs(folder, seed, [], *words)
    numbers = sorted({*range(0, roomy["used"], 7), *range(roomy["used"] - 7, roomy["used"] + 2)})
    for first in range(0, len(numbers), 15):
        assert_all_or_nothing(runs(folder, seed, numbers[first : first + 15], *words), least=0)


def collection(folder: Path) -> Path:
    """A collection's tarball, as far as a lock looks into it."""
    path = folder / "lab-tiny-1.0.0.tar.gz"
    described = {"collection_info": {"namespace": "lab", "name": "tiny", "version": "1.0.0"}}
    body = json.dumps(described).encode()
    entry = tarfile.TarInfo("MANIFEST.json")
    entry.size = len(body)
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(entry, io.BytesIO(body))
    return path


@pytest.mark.parametrize("old", ["", "site"])
def test_a_lock_is_written_whole_or_stays_the_one_that_it_was(tmp_path: Path, old: str) -> None:
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    seed.mkdir()
    words = ("mirror", "lock", "--suite", "bookworm", "--collections", collection(tmp_path))
    stamp = ("--created", "2026-01-01T00:00:00Z")
    if old:
        older = (*words[:3], "trixie", *words[4:])
        run.run([sys.executable, "-m", "provisioner", *older, *stamp, "-o", seed / "lock.yml"])
    found = runs(folder, seed, [0, 1], *words, *stamp, "-o", folder / "lock.yml")
    assert_all_or_nothing(found)
    assert found[-1]["before"] != found[-1]["after"]


def test_a_key_is_trusted_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    """The state folder is made as far as there was room; no half key lies in it."""
    folder = tmp_path / "disk"
    words = ("image", "trust", world.folder / "release.pub", "--state", folder)
    *tight, roomy = runs(folder, tmp_path / "seed", [0, 1, 2, 3, 4], *words)
    assert roomy["code"] == 0 and "keys/release.pub" in roomy["after"], roomy["err"]
    fixed = ("keys/release.pub",)
    assert any(one["code"] for one in tight)
    for one in tight:
        assert one["code"] in (0, int(Exit.USAGE)), one["err"]
        assert set(one["after"]) <= set(roomy["after"]), "no file of another name"
        assert all(one["after"][name] == roomy["after"][name] for name in fixed if name in one["after"])
        assert one["code"] == 0 or ("keys/release.pub" not in one["after"] and "PV-151" in one["err"])
        assert (one["again"], set(one["finally"])) == (0, set(roomy["after"])), "with room it works"
        ours = {name for name in one["after"] if "ed25519" in name}
        assert len(ours) in (0, 2), "both halves of a key pair"


def test_a_support_dump_is_written_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    words = ("support-dump", "--state", world.state, "--out", folder / "dump.tar.gz")
    found = runs(folder, tmp_path / "seed", [0, 1, 2], *words)
    assert_all_or_nothing(found, least=2)
    assert list(found[-1]["after"]) == ["dump.tar.gz"]


def test_a_backup_is_written_whole_or_stays_what_it_was(world: World, tmp_path: Path) -> None:
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    seed.mkdir()
    (seed / "b.tar").write_text("the one of yesterday")
    words = ("backup", folder / "b.tar", "--state", world.state)
    [roomy] = runs(folder, seed, [], *words, room=64 << 20)
    assert roomy["code"] == 0, roomy["err"]
    pages = sorted({0, 1, 20, roomy["used"] // 2, roomy["used"] - 2})
    found = runs(folder, seed, pages, *words, room=64 << 20)
    assert_all_or_nothing(found, least=4)
    assert list(found[-1]["after"]) == ["b.tar"]


def test_a_state_folder_is_restored_whole_or_not_at_all(world: World, tmp_path: Path) -> None:
    folder, file = tmp_path / "disk", tmp_path / "b.tar"
    said = world.provision("backup", file)
    assert said.code == 0, said.err
    words = ("restore", file, "--state", folder / "s", "--settings", folder / "found.toml")
    [roomy] = runs(folder, tmp_path / "seed", [], *words, room=64 << 20)
    assert roomy["code"] == 0 and "s/provisioner.db" in roomy["after"], roomy["err"]
    *tight, roomy = runs(
        folder, tmp_path / "seed", sorted({0, 1, 20, roomy["used"] // 2}), *words, room=64 << 20
    )
    for one in tight:
        assert one["code"] in {int(code) for code in Exit} - {Exit.INTERNAL}, one["err"]
        assert one["after"] == one["before"] == {}, one["err"]
        assert re.search(r"^✗ .+ \(PV-(151|609)\)$", one["err"], re.MULTILINE), one["err"]
        assert one["again"] == 0, "with room it works"


def test_a_mirror_is_completed_by_the_next_make_and_holds_no_half_file(tmp_path: Path) -> None:
    """What has come stays, for it is whole; what says that all is well comes last."""
    folder, shelf = tmp_path / "disk", tmp_path / "shelf"
    shelf.mkdir()
    tarball = collection(shelf)
    provision = (sys.executable, "-m", "provisioner", "mirror")
    run.run([*provision, "keygen", "k", "--dir", tmp_path])
    stamp = ("--created", "2026-01-01T00:00:00Z")
    lock = ("--suite", "bookworm", "--collections", tarball, "-o", tmp_path / "lock.yml")
    run.run([*provision, "lock", *lock, *stamp])
    words = ("mirror", "make", "--lock", tmp_path / "lock.yml", "--out", folder / "m", "--from", shelf)
    key = ("--sign", tmp_path / "k.mirror-key")
    *tight, roomy = runs(folder, tmp_path / "seed", [0, 1, 2, 4, 6, 8], *words, *key)
    assert roomy["code"] == 0 and "m/SHA256SUMS.asc" in roomy["after"], roomy["err"]
    assert sum(one["code"] != 0 for one in tight) >= 3
    for one in tight:
        whole = {name: digest for name, digest in one["after"].items() if ".incoming" not in name}
        assert whole.items() <= roomy["after"].items(), one["err"]
        assert one["code"] == 0 or "m/SHA256SUMS.asc" not in one["after"]
        assert one["code"] in (0, int(Exit.USAGE)) and "Traceback" not in one["err"], one["err"]
        assert (one["again"], one["finally"]) == (0, roomy["after"])


EVIDENCE = {"out/packer.log", "cache/builds.jsonl"}  # how a build went, whatever came of it


@pytest.mark.parametrize("is_there", [False, True])
def test_a_golden_image_comes_whole_or_not_at_all(tmp_path: Path, is_there: bool) -> None:
    folder, seed, programs = tmp_path / "disk", tmp_path / "seed", put_packer(tmp_path, PACKER.read_text())
    if is_there:
        (seed / "out").mkdir(parents=True)
        for name in ("tiny-os-1.raw", "tiny-os-1.build.json", "SHA256SUMS"):
            (seed / "out" / name).write_text(f"the {name} of yesterday")
        (seed / "sums.json").write_text(json.dumps({"k0": {"image": "other-os@1", "raw_sha256": "b" * 64}}))
    words = (
        "image",
        "build",
        "--var",
        "accelerator=tcg",
        "--out",
        folder / "out",
        "--cache",
        folder / "cache",
    )
    words += ("--cache", folder / "cache", "--checksums", folder / "sums.json")
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "RECORD": str(tmp_path / "record")}
    [roomy] = runs(folder, seed, [], *words, **env)
    assert roomy["code"] == 0, roomy["err"]
    results = {f"out/tiny-os-1.{name}" for name in ("raw", "pack", "pack.json", "build.json")}
    assert set(roomy["after"]) == {*results, "out/SHA256SUMS", "sums.json", *EVIDENCE}
    chance, used = random.Random(SEED + is_there), roomy["used"]
    pages = sorted({0, 1, 2, used - 1, used + 3, *chance.sample(range(3, used), 5)})
    *tight, roomy = runs(folder, seed, pages, *words, **env)
    assert sum(one["code"] != 0 for one in tight) >= 4, [one["code"] for one in tight]
    for one in tight:
        made = {name: digest for name, digest in one["after"].items() if name not in EVIDENCE}
        left = {name: digest for name, digest in made.items() if name != "sums.json"}
        before = {name: digest for name, digest in one["before"].items() if name != "sums.json"}
        assert left == before or set(left) == {*results, "out/SHA256SUMS"}, (one["pages"], one["err"])
        assert made.get("sums.json") in (one["before"].get("sums.json"), roomy["after"]["sums.json"])
        assert (one["again"], set(one["finally"])) == (0, set(roomy["after"])), "with room it works"
        if one["code"]:
            assert one["code"] in (Exit.USAGE, Exit.FAILED), one["err"]
            assert "Traceback" not in one["err"] and ".partial-" not in one["err"], one["err"]
            assert re.search(r"^✗ .+ \(PV-\d+\)$", one["err"], re.MULTILINE), one["err"]


@pytest.mark.parametrize("is_there", [False, True])
def test_an_image_is_added_whole_or_not_at_all(
    world: World, lan: Namespace, inside: type[Inside], tmp_path: Path, is_there: bool
) -> None:
    """By the service, which goes on; an image of that name that was there before is there again."""
    state, pack = tmp_path / "s", world.folder / "vault-os-1.pack"
    state.mkdir(mode=0o700)
    assert lan.run("mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", state).code == 0
    trusted = lan.provision("image", "trust", world.folder / "release.pub", "--state", state)
    assert trusted.code == 0, trusted.err
    size = sum(pack.with_name(pack.name + ending).stat().st_size for ending in ("", ".json", ".json.minisig"))

    def lies() -> dict[str, str]:
        found = lan.run("sh", "-c", 'cd "$0"/images && find . -type f -exec sha256sum {} +', state)
        return {name: digest for digest, name in map(str.split, found.out.splitlines())}

    with inside(lan, tmp_path) as made:
        add = ("image", "add", pack, "--state", state)
        if is_there:
            assert lan.provision(*add).code == 0
        before, listed = lies(), lan.provision("image", "list", "--state", state, "-o", "name").out
        for room in (0, 4096, size // 2, size - 4096):
            fill = f'fallocate -l $(($(stat -f -c "%a*%S" "$0") - {room})) "$0"/filler'
            assert lan.run("sh", "-c", fill, state).code == 0
            said = lan.provision(*add)
            assert said.code == 1 and "(PV-609)" in said.err and "filler" in said.err, said.err
            assert lies() == before
            assert lan.provision("image", "list", "--state", state, "-o", "name").out == listed
            assert lan.run("rm", state / "filler").code == 0
        assert lan.provision(*add).code == 0 and len(lies()) == 3
        assert made.exit_code is None and "Traceback" not in made.log.read_text()


def test_a_disk_that_is_a_file_without_room_is_said_to_be_that(world: World, tmp_path: Path) -> None:
    inside = 'mount -t tmpfs -o size=1m none "$0" && truncate -s 32M "$0/disk" && exec "$@"'
    space = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", inside, tmp_path)
    write = (sys.executable, "-m", "provisioner", "image", "write", world.folder / "vault-os-1.pack")
    more = (tmp_path / "disk", "--pubkey", world.folder / "release.pub", "--yes", "--full")
    done = run.run([*space, *write, *more], check=False)
    said = done.stderr.decode()

    assert done.returncode == 3 and "no room is left for what is written" in said and "PV-316" in said, said
    assert "is not whole and does not boot" in said and "Traceback" not in said


def test_an_account_of_the_air_gap_is_written_whole_or_stays_what_it_was(tmp_path: Path) -> None:
    folder, seed, mirror = tmp_path / "disk", tmp_path / "seed", tmp_path / "mirror"
    mirror.mkdir()
    (mirror / layout.SUMS).write_text("")
    seed.mkdir()
    (seed / "account.json").write_text("the one of yesterday")
    words = ("mirror", "airgap", "--mirror", mirror, "--report", folder / "account.json", "--", "true")
    found = runs(folder, seed, [0], *words)
    assert_all_or_nothing(found)
    assert found[-1]["before"] != found[-1]["after"]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_a_ramdisk_comes_whole_or_not_at_all(tmp_path: Path) -> None:
    """Of the listed packages, as apt has them; the folder of what takes long to make is elsewhere."""
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    words = ("ramdisk", "build", "--out", folder / "r", "--state", tmp_path / "state", "--cache", CACHE)
    warm = (*words[:2], "--out", tmp_path / "warm", *words[4:])
    run.run([sys.executable, "-m", "provisioner", *warm], timeout=900)
    [roomy] = runs(folder, seed, [], *words, room=64 << 20)
    used = roomy["used"]
    for number in sorted({0, 1, used - 2, used - 1, *random.Random(SEED).sample(range(used), 3)}):
        assert_all_or_nothing(runs(folder, seed, [number], *words, room=64 << 20))


@pytest.mark.parametrize("kind", ["json", "pdf", "html"])
def test_a_certificate_is_written_whole_or_stays_what_it_was(tmp_path: Path, kind: str) -> None:
    """A report comes with its signature, or neither does."""
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    seed.mkdir()
    for name in (f"c.{kind}", *(["c.json.minisig"] if kind == "json" else [])):
        (seed / name).write_text(f"the {name} of yesterday")
    secret, public = make_key(tmp_path)
    data = canonical.render(healthy())
    files.write(data, signing.sign(data, secret), tmp_path / "signed.html")
    words = ("certificate", "export", tmp_path / "signed.html", "--to", folder / f"c.{kind}", "--key", public)
    found = runs(folder, seed, [0, 1, 3, 6], *words)
    assert_all_or_nothing(found, least=3)
    assert found[-1]["before"] != found[-1]["after"]


@pytest.mark.parametrize("noun", ["certificate", "report", "audit"])
def test_what_the_service_gives_is_written_whole_or_not_at_all(
    world: World, tmp_path: Path, noun: str
) -> None:
    folder, host = tmp_path / "disk", world.add_host()
    words: tuple[str | Path, ...]
    if noun == "certificate":
        keep(world, host.name, healthy(), 1_800_000_000.0)
        words = ("certificate", "get", host.name, "--to", folder / "unit.pdf")
    elif noun == "audit":
        for number in range(60):  # more lines than three pages hold, whatever was done before
            world.client.put_secret(f"line-{number}", "ADMIN", "secret-99")
        words = ("audit", "export", "--to", folder / "audit.jsonl")
    else:
        chosen = ("--select", f"name={host.name}", "--yes", "--expect-count", "1", "--no-wait")
        ordered = world.provision("deploy", *chosen)
        assert ordered.code == 0, ordered.err
        words = ("report", ordered.out.strip(), "--to", folder / "run.pdf")
    found = runs(folder, tmp_path / "seed", [0, 1, 3], *words, PROVISION_STATE=str(world.state))
    assert_all_or_nothing(found, least=3)


@pytest.mark.parametrize("kind", ["json", "pdf"])
def test_a_report_of_this_machine_is_written_whole_or_stays_what_it_was(tmp_path: Path, kind: str) -> None:
    """Likewise of what was just judged; of a machine of which no more is demanded than some memory."""
    folder, seed = tmp_path / "disk", tmp_path / "seed"
    seed.mkdir()
    for name in (f"c.{kind}", *(["c.json.minisig"] if kind == "json" else [])):
        (seed / name).write_text(f"the {name} of yesterday")
    secret, _ = make_key(tmp_path)
    (tmp_path / "cube.yml").write_text("plain: {memory_min: 1M}\n")
    words = ("verify", "--local", "--profile", tmp_path / "cube.yml", "--key", secret)
    found = runs(folder, seed, [0, 1], *words, "--to", folder / f"c.{kind}")
    assert_all_or_nothing(found, least=2)
    assert found[-1]["before"] != found[-1]["after"]


SERVICE = test_service.test_a_full_disk_is_said_hinders_no_machine_and_is_over_when_there_is_room
# what each command writes by its options, and the test of it on a full disk
WRITTEN: dict[tuple[str, str], Callable[..., None]] = {
    ("audit export", "--to"): test_what_the_service_gives_is_written_whole_or_not_at_all,
    ("certificate export", "--to"): test_a_certificate_is_written_whole_or_stays_what_it_was,
    ("certificate get", "-o"): test_what_the_service_gives_is_written_whole_or_not_at_all,
    ("certificate keygen", "--dir"): test_a_key_pair_is_made_whole_or_not_at_all,
    ("verify", "--to"): test_a_report_of_this_machine_is_written_whole_or_stays_what_it_was,
    ("image add", "file"): test_a_pack_its_manifest_and_its_signature_come_together,  # of a disk image
    ("image add", "--state"): test_an_image_is_added_whole_or_not_at_all,
    ("image build", "--cache"): test_a_golden_image_comes_whole_or_not_at_all,
    ("image build", "--checksums"): test_a_golden_image_comes_whole_or_not_at_all,
    ("image build", "--out"): test_a_golden_image_comes_whole_or_not_at_all,
    ("image build", "--state"): test_an_image_is_added_whole_or_not_at_all,
    ("image keygen", "--dir"): test_a_key_pair_is_made_whole_or_not_at_all,
    ("image convert", "-o"): test_a_converted_pack_comes_whole_or_not_at_all,
    ("image pack", "-o"): test_a_pack_its_manifest_and_its_signature_come_together,
    ("image trust", "--state"): test_a_key_is_trusted_whole_or_not_at_all,
    ("image write", "device"): test_a_disk_that_is_a_file_without_room_is_said_to_be_that,
    ("mirror airgap", "--report"): test_an_account_of_the_air_gap_is_written_whole_or_stays_what_it_was,
    ("mirror keygen", "--dir"): test_a_key_pair_is_made_whole_or_not_at_all,
    ("mirror lock", "-o"): test_a_lock_is_written_whole_or_stays_the_one_that_it_was,
    ("mirror make", "--out"): test_a_mirror_is_completed_by_the_next_make_and_holds_no_half_file,
    ("ramdisk build", "--out"): test_a_ramdisk_comes_whole_or_not_at_all,
    ("ramdisk build", "--state"): test_a_ramdisk_comes_whole_or_not_at_all,
    ("report", "--to"): test_what_the_service_gives_is_written_whole_or_not_at_all,
    ("bundle make", "out"): test_bundle.test_a_bundle_is_written_whole_or_stays_what_it_was,
    ("bundle install", "--images"): test_bundle.test_what_is_in_a_bundle_is_put_in_place_whole_or_not_at_all,
    ("bundle install", "--mirror"): test_bundle.test_what_is_in_a_bundle_is_put_in_place_whole_or_not_at_all,
    ("backup", "file"): test_a_backup_is_written_whole_or_stays_what_it_was,
    ("restore", "--settings"): test_a_state_folder_is_restored_whole_or_not_at_all,
    ("support-dump", "--out"): test_a_support_dump_is_written_whole_or_not_at_all,
    ("rehearse", "--report"): test_rehearse.test_a_report_is_written_whole_or_stays_what_it_was,
    (
        "serve",
        "--state",
    ): test_service.test_a_full_disk_is_said_hinders_no_machine_and_is_over_when_there_is_room,
}
# what is kept for the next time, looked at by its sum before it is believed; and a rehearsal's remains
SCRATCH = {("ramdisk build", "--cache"), ("rehearse", "--cache")}
SCRATCH |= {("rehearse", "--keep"), ("rehearse", "--archive")}
READ = {
    *(("audit verify", "file"), ("audit verify", "--earlier")),
    *(("certificate verify", "file"), ("certificate verify", "--key")),
    *(("certificate export", "file"), ("certificate export", "--key")),
    *(("verify", "--key"), ("verify", "--profile")),
    *(("host apply", "folder"), ("image trust", "public"), ("image builds", "--cache")),
    *(("image build", "--var-file"), ("image build", "--sign"), ("image build", "--mirror")),
    *(("image diff", "old"), ("image diff", "new"), ("image pack", "raw"), ("image pack", "--sign")),
    *(("image convert", "pack"), ("image convert", "--pubkey"), ("image convert", "--sign")),
    *(("image add", "--sign"), ("image write", "--pubkey"), ("image verify", "--pubkey")),
    *(("mirror airgap", "--mirror"), ("mirror lock", "--packages"), ("mirror lock", "--wheels")),
    *(("mirror lock", "--collections"), ("mirror lock", "--sources"), ("mirror make", "--lock")),
    *(("mirror make", "--sign"), ("mirror make", "--from"), ("mirror make", "--sources")),
    *(("mirror verify", "folder"), ("mirror verify", "--pubkey"), ("mirror verify", "--lock")),
    *(
        ("bmc secret put", "--password-file"),
        ("login", "--password-file"),
        ("user password", "--password-file"),
        ("ramdisk build", "--kernel"),
        ("ramdisk build", "--firmware"),
    ),
    *(("rehearse", "--iso"), ("rehearse", "--image"), ("serve", "--settings")),
    *(("backup", "--settings"), ("restore", "--images")),
    *(("bundle verify", "file"), ("bundle verify", "--key"), ("bundle install", "file")),
    *(("bundle install", "--key"), ("bundle make", "--deb"), ("bundle make", "--sign")),
    *(("bundle make", "--ramdisk"), ("bundle make", "--image"), ("bundle make", "--trust")),
    *(("bundle make", "--mirror"), ("bundle make", "--lock"), ("bundle make", "--docs")),
    *(("bundle make", "--sources"),),
    *(("restore", "file"), ("restore", "--key")),
    *(("check", "--settings"), ("support-dump", "--settings"), ("host import", "file")),
}


def paths(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """Command and option of each path that people can name; not the state folder of who asks a service."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from paths(below, (*words, name))
        return
    for parameter in command.params:
        has_server = any(one.opts[0] == "--server" for one in command.params)
        is_asking = parameter.opts[0] == "--state" and has_server
        if isinstance(parameter.type, click.Path) and not is_asking:
            yield " ".join(words), parameter.opts[0]


def test_whatever_a_command_writes_was_tried_on_a_full_disk() -> None:
    """A new option that names a path is read, or it has a test: put it in the table."""
    commands = ("image add", "image build", "image trust", "ramdisk build", "serve")
    asked = {(command, "--state") for command in commands}  # where they write, whomever they can ask
    assert set(paths(provision)) | asked == {*WRITTEN, *SCRATCH, *READ}
    assert not set(WRITTEN) & (SCRATCH | READ)
