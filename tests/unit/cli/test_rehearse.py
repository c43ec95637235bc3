"""Which rehearsals a command line means, what it refuses, and the file with their results."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from provisioner.cli import plan, rehearse, run
from provisioner.domain.plan import CatalogueImage
from provisioner.errors import Exit, InputError
from provisioner.lab import network, reimaging, report, scenarios, supplies
from provisioner.lab.rehearsal import Options
from provisioner.lab.report import Check, Report
from tests.file_limit import room_for

ALL = {(firmware, disk) for firmware in rehearse.FIRMWARE for disk in rehearse.BUSES}


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str, str, Path | None]]]:
    """As if inside the lab; every rehearsal is written down and goes well."""
    made: list[tuple[str, str, str, Path | None]] = []

    def one(name: str, options: Options, keep: Path | None, archive: Path | None) -> Report:
        made.append((name, options.firmware, options.disk, keep))
        return Report(name, firmware=options.firmware, result="ready", checks=[Check("all", True, "")])

    monkeypatch.setattr(rehearse, "_one", one)
    monkeypatch.setattr(network, "inside", lambda: True)
    yield made


@pytest.mark.parametrize("old", [None, "what was there before"])
def test_a_report_is_written_whole_or_stays_what_it_was(
    played: list[object], tmp_path: Path, old: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "report.json"
    if old is not None:
        target.write_text(old)
    for size in (0, 1, 100):
        with room_for(size):
            code = run(["rehearse", "--report", str(target), "--cache", str(tmp_path / "cache")])
        assert code == Exit.USAGE and "report.json: it would be larger" in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ([] if old is None else ["report.json"])
        assert old is None or target.read_text() == old
    for place in (tmp_path, Path("/dev/full")):
        assert run(["rehearse", "--report", str(place)]) == Exit.USAGE
    assert run(["rehearse", "--report", str(target)]) == Exit.DONE
    assert json.loads(target.read_text())["result"] == "ready"


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object) -> None:
        pytest.fail("minutes were spent before the refusal")

    monkeypatch.setattr(network, "inside", lambda: False)
    for module, name in ((network, "check"), (supplies, "stock"), (network, "enter")):
        monkeypatch.setattr(module, name, forbidden)


def typed(*words: str) -> Any:
    done = CliRunner().invoke(rehearse.rehearse, words, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.return_value


def test_one_rehearsal_is_of_a_uefi_host_with_a_virtio_disk(played: list[Any]) -> None:
    assert typed() == 0
    assert played == [("deploy", "uefi", "virtio", None)]


def test_one_rehearsal_that_went_wrong_fails_them_all(
    played: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = rehearse._one
    wrong = {("deploy", "uefi"): Check("all", False, "no hello")}

    def one(name: str, options: Options, keep: Path | None, archive: Path | None) -> Report:
        made = good(name, options, keep, archive)
        made.checks += [check for key, check in wrong.items() if key == (name, options.firmware)]
        return made

    monkeypatch.setattr(rehearse, "_one", one)
    assert run(["rehearse", "--firmware", "bios"]) == Exit.DONE
    assert run(["rehearse", "--matrix"]) == Exit.FAILED
    assert {(firmware, disk) for _, firmware, disk, _ in played} == ALL, "the others are played all the same"


def test_firmware_and_disk_hold_for_faults_too(played: list[Any], tmp_path: Path) -> None:
    typed("--fault", "power-cut", "--firmware", "bios", "--disk", "ahci", "--keep", str(tmp_path))
    assert played == [("power-cut", "bios", "ahci", tmp_path / "power-cut")]


def test_the_matrix_is_every_firmware_with_every_disk_once(played: list[Any], tmp_path: Path) -> None:
    typed("--matrix", "--keep", str(tmp_path))
    assert sorted((one[1], one[2]) for one in played) == sorted(ALL)
    assert {one[0] for one in played} == {"deploy"}
    assert {one[3] for one in played} == {tmp_path / f"{firmware}-{disk}" for firmware, disk in ALL}


def test_all_faults_are_played_and_every_one_can_be_named(played: list[Any]) -> None:
    typed("--faults")
    assert [one[0] for one in played] == list(rehearse.FAULTS)
    assert {one[0] for one in played if one[1] == "bios"} == {"plain-rom"}, "UEFI brings its own PXE"
    assert {*rehearse.FAULTS, "deploy"} == {*scenarios.SCENARIOS, *reimaging.SCENARIOS}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--matrix", "--faults"), "not about faults"),
        (("--image", "x.pack", "--fault", "kills"), "faults know the lab's own image"),
        (("--image", "x.pack", "--matrix"), "with no fault"),
        (("--image", "nowhere.pack"), "nowhere.pack is no file"),
        (("--matrix", "--fault", "kills"), "not about faults"),
        (("--fault", "4kn", "--disk", "ahci"), "no AHCI disk"),
        (("--faults", "--disk", "ahci"), "no AHCI disk"),
        (("--keep", "x" * 200), "too long"),
        (("--hosts", "3", "--fault", "kills"), "--hosts goes with no fault"),
        (("--hosts", "3", "--matrix"), "--hosts goes with no fault"),
        (("--hosts", "2", "--fault", "fleet-mixed"), "three hosts"),
        (("--fault", "fleet-power-cut"), "two hosts"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_at_once(
    outside: None, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        typed(*words)


def written(path: Path, reports: list[Report], planned: int) -> Any:
    report.write(path, reports, planned)
    return json.loads(path.read_text())


def test_a_result_is_called_passed_only_when_all_that_was_planned_went_well(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "r.json"
    good = Report("deploy", result="ready", label="abc", checks=[Check("all", True, "")])
    bad = Report("deploy", result="ready", checks=[Check("the disk", False, "was written")])
    assert written(path, [good], 2)["result"] == "unfinished"
    assert written(path, [good, bad], 2)["result"] == "failed"
    whole = written(path, [good, good], 2)
    assert (whole["result"], whole["label"], len(whole["runs"])) == ("passed", "abc", 2)
    assert written(path, [good], 1)["scenario"] == "deploy", "one alone is no list"


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize(
    "words",
    [["--matrix"], ["--hosts", "2"], ["--fault", "power-cut"], ["--faults"], ["--fault", "plain-rom"]],
)
def test_an_iso_goes_with_one_host_and_no_fault(words: list[str], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--iso is about one host and no fault"):
        typed("--iso", str(tmp_path / "x.iso"), *words)


@pytest.mark.usefixtures("outside")
def test_an_iso_that_is_not_there_is_320(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.iso is no file") as caught:
        typed("--iso", str(tmp_path / "x.iso"))
    assert caught.value.code == 320
    with pytest.raises(InputError, match="is no file"):
        typed("--iso", str(tmp_path))


@pytest.mark.usefixtures("outside")
@pytest.mark.parametrize("content", [b"", b"\x7fELF" * 30_000, bytes(100_000)])
def test_what_is_no_iso_is_329(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.iso").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.iso is no ISO 9660 image") as caught:
        typed("--iso", str(tmp_path / "x.iso"))
    assert caught.value.code == 329


@pytest.mark.usefixtures("outside")
def test_an_iso_that_is_cut_short_is_329_with_both_sizes(tmp_path: Path) -> None:
    head = bytes(16 * 2048) + b"\x01CD001".ljust(80, b"\0") + (20).to_bytes(4, "little")
    (tmp_path / "x.iso").write_bytes(head.ljust(19 * 2048, b"\0"))
    with pytest.raises(InputError, match="cut short: 38912 of 40960 bytes") as caught:
        typed("--iso", str(tmp_path / "x.iso"))
    assert caught.value.code == 329


def test_an_iso_takes_the_stage_of_its_own(played: list[Any], tmp_path: Path) -> None:
    assert typed("--iso", str(tmp_path / "x.iso"), "--firmware", "bios", "--stop-after", "writing") == 0
    assert played == [("autoinstall", "bios", "virtio", None)]
    kind, fault = rehearse._play("autoinstall", Options(tmp_path, tmp_path, print, iso=tmp_path / "x.iso"))
    assert (kind.__name__, fault.name, kind.disk_size >= 10 << 30) == ("IsoRehearsal", "autoinstall", True)


@pytest.mark.parametrize(
    ("signed_by", "words"),
    [("release", "signed by release ✓"), ("", "installer ISO, SHA-256 abababababababab…")],
)
def test_an_installers_iso_is_not_said_to_be_signed(signed_by: str, words: str) -> None:
    image = CatalogueImage(
        id="os@1",
        name="os",
        version="1",
        raw_size=1,
        raw_sha256="ab" * 32,
        pack_size=1,
        signed_by=signed_by,
        added=1,
    )
    assert plan._trust(image) == words
