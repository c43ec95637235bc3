"""A run on paper, read back by poppler: a page for each rack, and nothing of a host left out."""

from pathlib import Path

import pytest

from provisioner import run
from provisioner.certificate import rack_pages
from provisioner.domain.run import Run
from provisioner.domain.run_report import HostResult
from provisioner.domain.stage import Stage

MADE = 1_800_000_000.0
RUN = Run(id="r-20261129-0007", created=MADE - 3000, by="ann", select="rack=B*")


def host(number: int, rack: str, **changes: object) -> HostResult:
    """One that is ready and accepted, unless told otherwise."""
    fields: dict[str, object] = {
        **{"host": f"vc-{number:03}", "deployment": f"d-{number}", "result": "ready", "stage": Stage.SEALING},
        **{"code": 0, "reason": "", "hint": "", "image": "vault-os@1.2.0", "disk": "nvme0n1 PM9A3"},
        **{"disk_serial": f"S5XX{number:06}", "serial": f"S411795X{number:05}", "attempt": 1},
        **{"began": MADE - 2000, "ended": MADE - 900 - number, "seconds": 1100.0 - number, "stages": {}},
        **{"rack": rack, "report": f"a-20261129-{number:04}-7f3a", "verdict": "accepted"},
    }
    return HostResult.model_validate(fields | changes)


def pages(folder: Path, *hosts: HostResult) -> list[str]:
    """What poppler reads on each page."""
    path = folder / "run.pdf"
    path.write_bytes(rack_pages.render(RUN, hosts, MADE))
    text = run.run(["pdftotext", "-layout", path, "-"]).stdout.decode()
    return text.rstrip("\f").split("\f")


BROKEN = {
    **{"result": "failed", "code": 340, "reason": "the agent is silent", "report": "", "verdict": ""},
    "hint": "look at its console",
}


def test_each_rack_has_a_page_and_all_have_one_above_them(tmp_path: Path) -> None:
    first, a, b, none = pages(
        tmp_path, host(3, ""), host(2, "B1", **BROKEN), host(1, "A1", verdict="accepted_with_warnings")
    )
    assert "Acceptance of a run" in first and "1 OF 3 READY" not in first and "2 OF 3 READY" in first
    assert [first.count(word) for word in ("A1", "B1", "Hosts without a rack")] == [1, 1, 1]
    assert "Rack A1" in a and "vc-001" in a and "accepted with" in a and "1 OF 1 READY" in a
    assert "Rack B1" in b and "0 OF 1 READY" in b and "vc-002: failed (PV-340)" in b
    assert "the agent is silent" in b and "look at its console" in b
    assert "Hosts without a rack" in none and "vc-003" in none
    for number, page in enumerate((first, a, b, none), 1):
        assert f"Page {number} of 4" in page and RUN.id in page


def test_one_rack_needs_no_page_above_it(tmp_path: Path) -> None:
    (only,) = pages(tmp_path, *(host(number, "A1") for number in range(20)))
    assert "20 OF 20 READY" in only and "Page 1 of 1" in only
    assert all(f"S411795X{number:05}" in only for number in range(20))


def test_a_rack_that_is_longer_than_a_page_goes_on_with_its_headings(tmp_path: Path) -> None:
    found = pages(tmp_path, *(host(number, "A1") for number in range(120)))
    assert len(found) > 1 and all("System serial" in page or "Order" in page for page in found)
    whole = "".join(found)
    assert all(whole.count(f"S5XX{number:06}") == 1 for number in range(120))


def test_who_is_ready_without_a_report_is_counted(tmp_path: Path) -> None:
    (only,) = pages(tmp_path, host(1, "A1"), host(2, "A1", report="", verdict=""))
    assert "1 of them without a signed report" in only


@pytest.mark.parametrize("hosts", [(), (host(1, "A1"),)])
def test_the_same_run_gives_the_same_bytes(hosts: tuple[HostResult, ...]) -> None:
    assert rack_pages.render(RUN, hosts, MADE) == rack_pages.render(RUN, hosts, MADE)


def test_a_machines_words_do_not_leave_their_cells(tmp_path: Path) -> None:
    (only,) = pages(tmp_path, host(1, "A1", serial="\x1b[31mred\u202e", reason="broken\nin two " * 60))
    assert "\\x1b[31mred" in only.replace("\n", "") or "\\u001b" in only
