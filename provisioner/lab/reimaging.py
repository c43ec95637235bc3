"""Rehearsals of what a disk holds already, and of a pack that nobody here has signed."""

import json
import shutil
from collections.abc import Callable

from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentWritten
from provisioner.imaging import signature
from provisioner.lab import evidence, supplies
from provisioner.lab.rehearsal import MAC, NAME, Rehearsal, Scenario
from provisioner.lab.scenarios import Deploy
from provisioner.system.units import size

MOST = 0.05  # of the image's bytes, that the same image may cost on a disk that holds it
NEXT = "1.1"  # the version of the pack that a stranger signs


class Redeploy(Deploy):
    """The host is deployed, boots, and is deployed twice more: most of what it holds is right already."""

    name = "redeploy"

    def __init__(self) -> None:
        super().__init__()
        self._took: dict[str, float] = {}

    def after(self, lab: Rehearsal) -> None:
        super().after(lab)
        if lab.options.stop_after:
            return
        first = _written(lab)
        ended = lab.follow(lab.order("--until", "writing"), _nothing)
        lab.check("a host that has run is written again", ended == 0, f"watch ends with {ended}")
        _compare(lab, "after it has run", first, _written(lab), 1.0)
        ended = lab.follow(lab.order(), _nothing)
        lab.check("the same image on a disk that holds it", ended == 0, lab.deployment.stage)
        _compare(lab, "on a disk that holds it", first, _written(lab), MOST)


def _nothing(_: Rehearsal, __: Event) -> None:
    """Of no event anything is made."""


def _written(lab: Rehearsal) -> AgentWritten:
    """What the agent said in the end of the deployment that was followed last."""
    events = lab.service.client.events(lab.deployment.id).events
    return next(event.data for event in reversed(events) if isinstance(event.data, AgentWritten))


def _compare(lab: Rehearsal, what: str, first: AgentWritten, again: AgentWritten, most: float) -> None:
    pack, raw = lab.supplies.manifest.pack_size, lab.supplies.manifest.raw_size
    fetched = (first.bytes_fetched or 0, again.bytes_fetched or 0)
    written = (first.bytes_written, again.bytes_written)
    for name, (before, now), whole in (("fetched", fetched, pack), ("written", written, raw)):
        share = now / whole
        detail = f"{size(now)} of {size(whole)}, {share:.1%}; {size(before)} the first time"
        lab.check(f"bytes {name} {what}", share <= most, detail)
    ratio = first.seconds / max(again.seconds, 0.1)
    detail = f"{again.seconds:.1f} s, {first.seconds:.1f} s the first time: 1 to {ratio:.1f}"
    lab.check(f"time {what}", True, detail)  # emulated: hashing is all of it


class ForeignKey(Deploy):
    """The service trusts a key that the ramdisk does not know: what it signed is never written."""

    name = "foreign-key"
    expected = 3

    def before(self, lab: Rehearsal) -> None:
        super().before(lab)
        secret, public = signature.keygen(lab.folder, "foreign")
        shutil.copy(public, lab.service.state / "keys")
        pack, listed = lab.folder / "foreign.pack", lab.folder / "foreign.pack.json"
        shutil.copyfile(lab.supplies.pack, pack)
        body = json.loads(lab.supplies.pack.with_name(lab.supplies.pack.name + ".json").read_text())
        listed.write_text(json.dumps({**body, "version": NEXT}))
        signature.sign(listed, secret)
        lab.provision("image", "add", str(pack))

    def after(self, lab: Rehearsal) -> None:
        row = lab.deployment
        lab.check("the image is the foreign one", row.image == f"{supplies.NAME}@{NEXT}", row.image)
        lab.check(
            "the sentence",
            row.code == 326 and "signed" in row.reason,
            f"{row.reason} (PV-{row.code})",
        )
        shown = json.loads(lab.provision("status", MAC, "-o", "json"))
        lab.check("the sentence in JSON", row.reason in json.dumps(shown), f"provision status {NAME} -o json")
        shown_there = row.reason in lab.host.serial_log.read_text(errors="replace")
        lab.check(
            "the sentence on the console", shown_there, "word by word" if shown_there else "it is not there"
        )
        lab.host.cut_power()
        clean = evidence.is_untouched(lab.disk)
        lab.check("the disk", clean, "every byte untouched" if clean else "was written")


SCENARIOS: dict[str, Callable[[], Scenario]] = {kind.name: kind for kind in (Redeploy, ForeignKey)}
