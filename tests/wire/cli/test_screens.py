"""What stands on a terminal of 80 or 40 columns while 40 hosts are deployed, read from its screen."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from provisioner import run
from provisioner.domain.events.clock import ClockGap
from provisioner.domain.events.power import PowerFailed
from provisioner.domain.events.verification import (
    SealDone,
    VerifyPassed,
    VerifyProgress,
    VerifyRejected,
    VerifyTask,
)
from tests.wire.cli import screenlab
from tests.wire.cli.screenlab import RUN, Rack, Screens, flat

PROVISION = (sys.executable, "-m", "provisioner")
GOLDEN = Path(__file__).parents[2] / "golden" / "screens"
SIZES = pytest.mark.parametrize("columns", [80, 40])
KINDS = "failed|rejected|cancelled|moving|waiting|ended as ordered|ready"
TOTALS = re.compile(rf"(?:\d+ (?:{KINDS})(?:, )?)+")
BY_HAND = 20
REQUEST = "Power vc-0020 on, or restart it, and choose network boot: F12 on most boards, F11 on Supermicro"
HINT = r"is it cabled, is the address right\? ping 10\.20\.0\.\d+; provision bmc test (HOST|vc-\d{4})\b"
REJECTED = "2 PCI devices 10de:2330 (H100) expected, 1 found"
GPU = "GPU-5d1f2c3b-8f0e-2d6a-1b7c-0a1b2c3d4e5f"
MEND = "mend the hardware or the profile, then: provision retry vc-0009"


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[Rack]:
    with screenlab.rack(tmp_path) as made:
        made.add(40, by_hand=frozenset({BY_HAND}))
        yield made


def show(
    tmp_path: Path, columns: int, *words: str, lines: int = 24, **env: str
) -> AbstractContextManager[Screens]:
    state = {"PROVISION_STATE": str(tmp_path), "TZ": "UTC", "LANG": "C.UTF-8", **env}
    return screenlab.terminal(tmp_path, columns, lines, *PROVISION, *words, **state)


def fail(rack: Rack, number: int) -> None:
    address = f"10.20.0.{number}"
    hint = f"is it cabled, is the address right? ping {address}; provision bmc test vc-{number:04}"
    rack.tell(
        number, PowerFailed(code=201, sentence=f"BMC {address} does not answer on UDP port 623", hint=hint)
    )


def play(rack: Rack, screens: Screens) -> None:
    """A run from its order to its end, as it goes on in an evening."""
    for number in range(1, 8):
        rack.clock.now += 3
        rack.power(number)
    rack.ask(BY_HAND)
    screens.await_text(REQUEST)
    for number in range(1, 7):
        rack.clock.now += 11
        rack.netboot(number)
        rack.write(number, number / 10)
    fail(rack, 7)
    screens.await_text("1 failed")
    rack.tell(BY_HAND, ClockGap(seconds=60))
    for number in (1, 2, 3):
        rack.finish(number)
    for number in (8, 9, 10, 31):
        rack.clock.now += 5
        rack.power(number)
    fail(rack, 31)
    screens.await_text("2 failed")
    for number in (4, 5, 6):  # as their agents do every two seconds
        rack.write(number, number / 10)
    reject(rack, 9)
    screens.await_text("1 rejected")


def reject(rack: Rack, number: int) -> None:
    rack.netboot(number)
    rack.boot(number)
    rack.tell(number, VerifyRejected(code=501, sentence=REJECTED, hint=MEND))


def check_run(screen: str, columns: int) -> None:
    """What holds at every moment: the totals, nothing cut, what needs somebody before the rest."""
    words = flat(screen)
    totals = TOTALS.search(words)
    assert totals, f"no totals:\n{screen}"
    assert sum(int(number) for number in re.findall(r"\d+", totals[0])) == 40, screen
    check_whole(screen, columns)
    places = [words.find(mark) for mark in ("✗", "▸", "· ", "✓") if mark in words]
    assert places == sorted(places), f"what fails or moves is not first:\n{screen}"


def check_whole(screen: str, columns: int) -> None:
    words = flat(screen)
    assert "…" not in screen and max(map(len, screen.splitlines())) <= columns, screen
    for address in re.findall(r"\b10\.[\d.]*", screen):
        assert re.fullmatch(r"10\.(20|77)\.0\.\d+\.?", address), f"{address} is cut:\n{screen}"
    wholes = (("is it cabled", HINT), ("mend the", re.escape(MEND)), ("Power vc-0020", re.escape(REQUEST)))
    for begin, whole in wholes:
        assert begin not in words or re.search(whole, words), f"{whole!r} is cut:\n{screen}"
    for line in screen.splitlines():
        assert not re.search(r"(provision|provision \w+|\d+ [smh]|\d [kMG]?B/?s?,) *$", line[:-1] + "|"), (
            screen
        )


@SIZES
def test_a_run_of_forty_hosts_can_be_followed(rack: Rack, tmp_path: Path, columns: int) -> None:
    rack.order()
    with show(tmp_path, columns, "watch", RUN) as screens:
        screens.await_text("40 waiting")
        begin = len(screens.seen) - 1
        with screens.watched():
            play(rack, screens)
        check_golden(f"watch-run-{columns}x24.txt", screens.look())
        asked = [number for number, screen in enumerate(screens.seen) if REQUEST in flat(screen)]
        assert len(screens.seen) - begin > 10
        for number, screen in enumerate(screens.seen[begin:], begin):
            check_run(screen, columns)
            assert number < asked[0] or REQUEST in flat(screen), f"the request is gone:\n{screen}"
        last = flat(screens.look())
        assert "✗ failed (PV-201): vc-0007, vc-0031" in last and "(and 1 alike)" in last
        rack.netboot(BY_HAND)
        screens.await_absence("Power vc-0020")
        screens.type("C-c")
        check_run(screens.await_end(130), columns)
        assert f"Detached; the run goes on. Back with: provision watch {RUN}" in flat(screens.look())


def test_a_terminal_may_become_another_one(rack: Rack, tmp_path: Path) -> None:
    rack.order()
    with show(tmp_path, 80, "watch", RUN) as screens:
        screens.await_text("40 waiting")
        play(rack, screens)
        for columns, lines in ((40, 24), (40, 12), (100, 40), (80, 24)):
            screens.resize(columns, lines)
            rack.clock.now += 600  # so that what is drawn anew differs from what was there
            rack.tell(BY_HAND, ClockGap(seconds=60))
            minutes = int(rack.clock() - rack.row(BY_HAND).power_on) // 60
            totals = "2 failed, 1 rejected, 6 moving, 28 waiting, 3 ready"
            shown = screens.await_text(f"vc-0020 powering {minutes} m", totals, REQUEST)
            check_run(shown, columns)
            assert REQUEST in flat(shown) and flat(shown).count("28 waiting") <= 2, shown


@SIZES
def test_what_many_are_asked_alike_is_asked_once_and_in_full(tmp_path: Path, columns: int) -> None:
    with screenlab.rack(tmp_path) as rack:
        rack.add(40, by_hand=frozenset(range(1, 41)))
        rack.order()
        for number in range(1, 41):
            rack.ask(number)
        with show(tmp_path, columns, "watch", RUN) as screens:
            shown = screens.await_text("40 moving")
            asked = (
                "Power HOST on, or restart it, and choose network boot: F12 on most boards, F11 on Supermicro"
            )
            assert flat(shown).count(asked) == 1
            names = re.findall(r"vc-\d{4}", shown)
            more = re.search(r"and (\d+) more", flat(shown))
            assert len(names) + int(more[1] if more else 0) == 40 and len(names) > 10
            check_run(shown, columns)


@SIZES
def test_one_host_can_be_followed(rack: Rack, tmp_path: Path, columns: int) -> None:
    rack.order()
    rack.ask(BY_HAND)
    with show(tmp_path, columns, "watch", "vc-0020") as screens:
        screens.await_text(REQUEST, "waits for somebody who presses its power button")
        check_golden(f"watch-host-{columns}x24.txt", screens.look())
        rack.netboot(BY_HAND)
        screens.await_text("first network packet, it gets 10.77.0.20")
        rack.write(BY_HAND, 0.5)
        screens.await_text("50 %, 356.0 MB of 712.0 MB, 12.3 MB/s, 29 s left")
        rack.finish(BY_HAND)
        shown = screens.await_text("vc-0020 is ready.")
        for screen in screens.seen:
            check_whole(screen, columns) if screen else None
        assert "written, verified and read back in 45 s: nvme0n1 S6XNE0T90020" in flat(shown)


@SIZES
def test_a_burn_in_can_be_followed(rack: Rack, tmp_path: Path, columns: int) -> None:
    """By its host and in its run: what is tested on which GPU, how far it is, how long all of it takes."""
    rack.order()
    rack.power(1)
    rack.netboot(1)
    rack.boot(1)
    far = VerifyProgress(test="memory-pattern", gpu=GPU, done=400, total=1000, left=1380)
    rack.tell(1, VerifyTask(task="memory", result="ok", sentence="memory 2 TiB"), far)
    with show(tmp_path, columns, "watch", "vc-0001") as screens:
        shown = screens.await_text("burn-in: memory-pattern 40 %", "23 m 00 s left")
        check_whole(shown, columns)
        assert flat(shown).count("burn-in: ") == 1, "it is said once"
        assert GPU in "".join(shown.split()), "it is longer than a narrow terminal's lines, and not cut"
        check_golden(f"watch-burn-in-{columns}x24.txt", screens.look())
        with show(tmp_path, columns, "diagnose", "vc-0001") as diagnosis:
            said = flat(diagnosis.await_end(0))
            assert "the burn-in's next report" in said
            assert said.count("burn-in: memory-pattern 40 %") == 1
        later = far.model_copy(update={"test": "load", "done": 500, "left": 600})
        rack.tell(1, later)
        shown = screens.await_text("burn-in: load 50 %", "10 m 00 s left")
        assert "memory-pattern" not in shown
        rack.tell(1, VerifyPassed(), SealDone(mode="full"))
        assert "burn-in" not in screens.await_text("vc-0001 is ready.")
        for screen in screens.seen:
            check_whole(screen, columns) if screen else None
    rack.power(2)
    rack.netboot(2)
    rack.boot(2)
    rack.tell(2, far)
    with show(tmp_path, columns, "watch", RUN) as screens:
        check_run(screens.await_text("burn-in: memory-pattern 40 %", "23 m 00 s left", "1 ready"), columns)


@SIZES
def test_a_list_taller_than_the_terminal_shows_what_needs_attention_and_counts_the_rest(
    rack: Rack, tmp_path: Path, columns: int
) -> None:
    rack.order()
    for number in (3, 4):
        rack.power(number)
    fail(rack, 3)
    for words in (("status",), ("status", RUN)):
        with show(tmp_path, columns, *words) as screens:
            shown = screens.await_text("40 hosts: 1 failed, 1 moving, 38 waiting")
            check_whole(shown, columns)
            assert "BMC 10.20.0.3 does not answer on UDP port 623" in flat(shown)
            assert "· 38 waiting" in shown and f"{' '.join(words)} | less" in flat(shown)
            assert set(re.findall(r"vc-\d{4}", shown)) == {"vc-0003", "vc-0004"}


def test_a_list_that_nobody_looks_at_is_whole(rack: Rack, tmp_path: Path) -> None:
    rack.order()
    done = run.run([*PROVISION, "status", RUN], env={"PROVISION_STATE": str(tmp_path)})
    assert len(done.stdout.splitlines()) == 41


def test_a_host_is_listed_with_all_of_its_macs_and_addresses(tmp_path: Path) -> None:
    macs = ("ac:1f:6b:0a:42:10", "ac:1f:6b:0a:42:11", "ac:1f:6b:0a:42:12")
    with screenlab.rack(tmp_path) as rack:
        rack.add(1)
        host = rack.site.database.hosts.get("vc-0001").model_copy(update={"macs": macs, "name": "h" * 60})
        rack.site.database.put_inventory([host], [], rack.site.settings.hosts_range)
        for columns in (40, 60, 80, 100, 200):
            with show(tmp_path, columns, "host", "list") as screens:
                shown = screens.await_end(0)
                assert all(mac in shown for mac in macs) and "h" * 39 in shown.replace("\n", "")
                check_whole(shown, columns)


LOCALES = (
    *({"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LANG": "C"}),
    *({"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}),
)
TERMINALS = ({"TERM": "vt220"}, {"TERM": "linux"}, {"TERM": "dumb", "NO_COLOR": "1"})
SIGNS = "✓✗→…▸·│─×–"


@pytest.fixture
def waiting(rack: Rack) -> Rack:
    """A run in which one host has failed and one waits for a person."""
    rack.order()
    rack.power(3)
    fail(rack, 3)
    rack.ask(BY_HAND)
    return rack


@pytest.mark.parametrize("env", [*LOCALES, *TERMINALS], ids=str)
def test_a_terminal_without_our_signs_is_told_all_in_ascii(
    waiting: Rack, tmp_path: Path, env: dict[str, str]
) -> None:
    for words, code in ((("watch", RUN, "--timeout", "1"), 7), (("status", "vc-0003"), 0)):
        with show(tmp_path, 80, *words, lines=60, **env) as screens:
            shown = screens.await_end(code)
            words_shown = flat(shown)
            assert shown.isascii() and "BMC 10.20.0.3 does not answer on UDP port 623" in words_shown, shown
            assert "->" in shown or words[0] == "watch", shown
            assert "Traceback" not in shown and "\\u" not in shown, shown


@pytest.mark.parametrize("env", LOCALES, ids=str)
def test_what_is_read_by_programs_is_in_the_letters_that_they_asked_for(
    waiting: Rack, tmp_path: Path, env: dict[str, str]
) -> None:
    usual = {"PROVISION_STATE": str(tmp_path), "LANG": "C.UTF-8", "LC_ALL": ""}
    commands = (("status", "vc-0003"), ("deploy", "vc-0001", "--yes"), ("explain", "PV-210"), ("--help",))
    signs = ""
    for words in (*commands, ("status", "-o", "json"), ("depoly",), ("host", "list")):
        before, now = (
            run.run([*PROVISION, *words], check=False, env={**usual, **more}) for more in ({}, env)
        )
        text = before.stdout.decode() + before.stderr.decode()
        signs += "".join(letter for letter in text if letter in SIGNS)
        assert (now.returncode, now.stdout.isascii(), now.stderr.isascii()) == (before.returncode, True, True)
        assert b"Traceback" not in now.stderr
    assert {"→", "✗", "…"} <= set(signs), "else it shows nothing"


@pytest.mark.parametrize(("columns", "widest"), [(40, 40), (90, 90), (130, 100)])
def test_help_is_as_wide_as_the_terminal(tmp_path: Path, columns: int, widest: int) -> None:
    with show(tmp_path, columns, "deploy", "--help", lines=250) as screens:
        lines = screens.await_end(0).splitlines()
    assert widest - 12 < max(map(len, lines)) <= widest
    assert "Exit codes: 0 done" in flat("\n".join(lines))


def test_a_plan_taller_than_the_terminal_is_paged_and_ctrl_c_at_its_question_changes_nothing(
    tmp_path: Path,
) -> None:
    with screenlab.rack(tmp_path) as rack:
        rack.add(40, by_hand=frozenset(range(1, 41)))
        with show(tmp_path, 80, "deploy", "--all", PAGER="less", LESS="") as screens:
            shown = screens.await_text("vc-0007", "not seen yet: at least 1 TiB, not rotating")
            assert shown.startswith("HOST") and "vc-0040" not in shown
            screens.type("G")
            screens.await_text("vc-0040")
            screens.type("q")
            screens.await_text("40 hosts would be erased Type the number of hosts to continue")
            screens.type("C-c")
            assert "interrupted at the question: nothing was changed" in flat(screens.await_end(130))
        assert rack.site.database.deployments.under_way() == []


def masked(screen: str) -> str:
    """Times run on while one looks, and ids are made anew."""
    return re.sub(r" *\b\d+ (?:m \d\d s|s|h \d\d m)\b", " TIME", re.sub(r"\bd-\w{10}\b", "d-ID", screen))


def check_golden(name: str, screen: str) -> None:
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(screen + "\n")
    assert masked(path.read_text()) == masked(screen) + "\n", f"{name} differs; UPDATE_GOLDEN=1 renews it"
