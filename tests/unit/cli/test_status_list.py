"""`provision status` as a list: what failed or moves first, and on any terminal no more than it shows."""

import os

import pytest

from provisioner.api.deployments import DeploymentStatus
from provisioner.cli import layout, runs
from provisioner.cli.watch import columns_at
from provisioner.domain.progress import Progress
from provisioner.domain.stage import Stage

NOW = 1_800_000_000.0


def rows(**counts: int) -> tuple[DeploymentStatus, ...]:
    """So many hosts at each stage, in the order in which they are named."""
    stages = [Stage(stage) for stage, count in counts.items() for _ in range(count)]
    return tuple(
        DeploymentStatus(
            **{"id": f"d-{number}", "host": f"vc-{number:04}", "mac": "", "image": "node-os@1"},
            **{"stage": stage, "stage_since": NOW, "deadline": 0, "created": NOW, "expires": 0},
            **({"code": 202, "reason": "its BMC refused the login"} if stage == Stage.FAILED else {}),
        )
        for number, stage in enumerate(stages)
    )


def shown(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    listed: tuple[DeploymentStatus, ...],
    size: tuple[int, int] | None = None,
    of: int = 0,
) -> tuple[list[str], str]:
    monkeypatch.setattr(runs, "terminal_size", lambda stream: size and os.terminal_size(size))
    runs.print_deployments(listed, columns_at(0.0), again="provision status", of=of)
    said = capsys.readouterr()
    return said.out.splitlines(), said.err


def test_an_agent_that_is_silent_has_no_estimate() -> None:
    report = Progress(phase="writing", done=50, total=100, rate=5.0, reported=NOW)
    [row] = rows(writing=1)
    listed = row.model_copy(update={"progress": report})
    assert columns_at(NOW + 2)[-1].text(listed) == "writing 50 %, 50 B of 100 B, 5 B/s, 10 s left"
    assert columns_at(NOW + 250)[-1].text(listed) == "writing 50 %, 50 B of 100 B, silent for 4 m 10 s"


def test_what_needs_attention_is_first(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = shown(capsys, monkeypatch, rows(queued=3, ready=2, writing=2, failed=1))
    assert [line.split()[1] for line in out[1:]] == [
        "failed",
        *["writing"] * 2,
        *["queued"] * 3,
        *["ready"] * 2,
    ]
    assert err == "8 hosts: 1 failed, 2 moving, 3 waiting, 2 ready\n"


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (40, 24), (40, 12), (120, 38)])
@pytest.mark.parametrize(
    "counts",
    [
        {"queued": 30, "writing": 8, "failed": 1},
        {"queued": 60, "writing": 90, "failed": 2},
        {"ready": 10, "failed": 80},
        {"writing": 100},
    ],
)
def test_no_list_is_taller_than_the_terminal(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    counts: dict[str, int],
) -> None:
    out, err = shown(capsys, monkeypatch, rows(**counts), size)
    totals = layout.wrap(err.strip(), size[0])
    assert len(out) + len(totals) < size[1] and all(layout.cells(line) <= size[0] for line in out)
    text = " ".join(" ".join(out).split())
    assert "each of them: provision status | less" in text
    if counts.get("failed", 99) < 3 and size[1] > 12:
        assert text.index("failed") < text.index("writing")
        assert text.count("its BMC refused the login") == counts["failed"]
    for stage in {"writing", "failed"} & set(counts):
        kind = {"writing": "moving"}.get(stage, stage)
        names = sum(row.host in text for row in rows(**counts) if row.stage == stage)
        more = f"{counts[stage] - names} more {kind}" if names else f"{counts[stage]} {kind}"
        assert more in text or names == counts[stage], text


def test_a_list_with_a_limit_says_of_how_many(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shown(capsys, monkeypatch, rows(queued=3), of=40)[1] == "the newest 3 of 40: 3 hosts: 3 waiting\n"
    assert shown(capsys, monkeypatch, rows(queued=1), of=40)[1] == "the newest 1 of 40: 1 host: 1 waiting\n"
    assert shown(capsys, monkeypatch, rows(queued=3), of=3)[1] == "3 hosts: 3 waiting\n"
    assert shown(capsys, monkeypatch, rows(queued=1), of=1)[1] == ""
