"""kill -9 of every process in every stage of a deployment: nothing is lost, nothing is done twice.

`CRASH_KILLS` says how many, `CRASH_SEED` which, `CRASH_RESUME` within how many seconds the killed one must do
its work again, `CRASH_REPORT` where the result is kept (`make test-crash` sets them).
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

import pytest

from provisioner.domain.stage import Stage
from provisioner.state.database import Database
from tests.wire import crashlab, dhcplab
from tests.wire.conftest import SPACIOUS, World, make_pack, namespace
from tests.wire.crashlab import PROCESSES, SLOTS, Kill, Machine, make_plan

KILLS = int(os.environ.get("CRASH_KILLS", "20"))
SEED = int(os.environ.get("CRASH_SEED") or random.randrange(1 << 32))
RESUME = float(os.environ.get("CRASH_RESUME", "45"))  # seconds; beside other tests a start takes longer
REPORT = os.environ.get("CRASH_REPORT", "")
HOSTS = 4  # one of them writes all the time; two may be under way at once, so that the next one waits
SETTINGS = SPACIOUS.replace("at_once = 1000", "at_once = 2")


@dataclass(frozen=True)
class Hit:
    """A kill that was done: in which stage the host was then, and after how many seconds work went on."""

    process: str
    stage: str
    seconds: float


@pytest.fixture
def site(tmp_path: Path) -> Iterator[crashlab.Site]:
    ramdisk = tmp_path / "s" / "ramdisk"
    dhcplab.put_boot_files(tmp_path / "s")
    for name in ("vmlinuz", "initrd.img"):
        (ramdisk / name).write_bytes(b"x")
    (tmp_path / "s").chmod(0o700)
    with ExitStack() as stack:
        lan = stack.enter_context(namespace())
        asker = dhcplab.Lab(lan, tmp_path, stack).machine("asker", address="10.77.0.250/24")
        world = World(lan, stack.enter_context(crashlab.Killed(lan, tmp_path, SETTINGS)), tmp_path)
        stack.callback(world.site.database.close)
        world.apply([], [{"name": "cube", "image": "vault-os"}])
        pack = make_pack(tmp_path)
        for words in (("trust", tmp_path / "release.pub"), ("add", pack)):
            result = world.provision("image", *words)
            assert result.code == 0, result.err
        discover = dhcplab.recorded("ovmf-pxe-discover")
        yield stack.enter_context(crashlab.site(world, tmp_path, discover, asker.argv(), HOSTS))


@pytest.mark.alone
@pytest.mark.timeout(120 + 12 * KILLS)
def test_no_kill_loses_or_doubles_a_deployment(site: crashlab.Site) -> None:
    print(f"CRASH_SEED={SEED} CRASH_KILLS={KILLS}")
    plan, hits, began = make_plan(SEED, KILLS), list[Hit](), time.monotonic()
    writer, *leads = site.machines
    armed = [site.arm(writer)]
    site.start(writer)
    for stage in (Stage.POWERING, Stage.NETBOOTING):
        writer.gates[stage].set()
    site.until_stage(writer, Stage.WRITING)
    armed.append(site.arm(leads[0]))
    for number, life in enumerate(plan):
        lead, following = leads[number % len(leads)], leads[(number + 1) % len(leads)]
        if life is plan[-1]:  # what was killed around it all the time comes to its end, too
            for gate in writer.gates.values():
                gate.set()
        armed.append(live(site, lead, following, life, hits))
    site.until_stage(writer, Stage.READY)
    assert not site.acts_since(writer), "it was switched after its hello"
    site.world.client.cancel(armed[-1])
    for script in site.lives:
        script.result()
    site.service.stop()
    judge(site, armed, hits)
    write_report(hits, len(armed), time.monotonic() - began)
    slow = [hit for hit in hits if hit.seconds > RESUME]
    assert not slow, f"CRASH_SEED={SEED}: {slow}"


def live(site: crashlab.Site, lead: Machine, following: Machine, life: list[Kill], hits: list[Hit]) -> str:
    """One host from its slot to its end, with the kills of one life; the id of the next one's order."""
    site.start(lead)
    ident = ""
    for kill, then in zip(life, [*life[1:], None], strict=True):
        if kill.stage == Stage.QUEUED:
            ordered = site.pool.submit(site.arm, following)
            time.sleep(kill.delay)
            hits.append(Hit(kill.process, Stage.QUEUED, site.kill(kill.process)))
            ident = ordered.result()
            lead.gates[Stage.POWERING].set()
            continue
        site.until_stage(lead, kill.stage)
        time.sleep(kill.delay)
        stage = str(lead.row.stage)
        hits.append(Hit(kill.process, stage, site.kill(kill.process)))
        if kill.stage != Stage.POWERING and (not then or then.stage != kill.stage):
            lead.gates[kill.stage].set()
    site.until_stage(lead, Stage.READY)
    assert not site.acts_since(lead), "it was switched after its hello"
    assert site.machines[0].cubes.is_sealed(lead.address)
    return ident


def judge(site: crashlab.Site, armed: list[str], hits: list[Hit]) -> None:
    """Each deployment once and whole, and every process met in every stage that the plan has."""
    crashlab.assert_whole(site.world.state, armed)
    database = Database(site.world.state)
    try:
        for ident in armed[:-1]:
            crashlab.assert_once(database, ident)
        assert database.deployments.get(armed[-1]).stage == Stage.CANCELLED
    finally:
        database.close()
    assert {hit.process for hit in hits} == set(PROCESSES)
    assert {hit.stage for hit in hits} >= set(SLOTS)
    if len(hits) >= 20 * len(PROCESSES):
        missed = {(p, str(s)) for p in PROCESSES for s in SLOTS} - {(h.process, h.stage) for h in hits}
        assert not missed, f"CRASH_SEED={SEED}: {missed}"


def write_report(hits: list[Hit], deployments: int, seconds: float) -> None:
    """What was done, as JSON: every process and stage with how often, and how long work stood still."""
    waits = {name: [hit.seconds for hit in hits if hit.process == name] for name in PROCESSES}
    resumed = {n: {"median": round(median(w), 2), "longest": round(max(w), 2)} for n, w in waits.items()}
    report = {
        "schema_version": 1,
        "commit": os.environ.get("CRASH_COMMIT", ""),
        "seed": SEED,
        "kills": len(hits),
        "deployments": deployments,
        "lost": 0,
        "doubled": 0,
        "seconds": round(seconds, 1),
        "resumed": resumed,
        "hits": {n: dict(Counter(hit.stage for hit in hits if hit.process == n)) for n in PROCESSES},
    }
    print(json.dumps(report, indent=1))
    if REPORT:
        Path(REPORT).write_text(json.dumps(report, indent=1) + "\n")


def test_a_plan_gives_every_process_its_turn_in_every_stage() -> None:
    for seed in range(20):
        plan = make_plan(seed, 200)
        assert plan == make_plan(seed, 200) != make_plan(seed + 1, 200)
        kills = [kill for life in plan for kill in life]
        assert len(kills) == 200 and {kill.process for kill in kills[:20]} == set(PROCESSES)
        assert {Stage.VERIFYING, Stage.SEALING} <= {k.stage for k in kills[:20] if k.process == "worker"}
        turns = Counter((kill.process, kill.stage) for kill in kills)
        assert set(turns) == set(product(PROCESSES, SLOTS)) and min(turns.values()) >= 2
        since: Counter[str] = Counter()
        for kill in kills:
            since[kill.process] += 1
            assert since[kill.process] <= 2, "the parent would wait for longer than work may stand still"
            if kill.process == "parent":
                since.clear()
