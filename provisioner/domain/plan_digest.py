"""What of a plan decides, and so must be as it was shown: its digest, and in words what is otherwise."""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest

from provisioner.domain.plan import ErasedDisk, Plan
from provisioner.system.checksum import sha256_text
from provisioner.system.units import first

MOST = 5  # hosts of which a sentence tells


def _disk(disk: ErasedDisk) -> tuple[str, ...]:
    """What tells it from every other disk; its name may change from boot to boot. Unseen, its hints do."""
    if not disk.seen:
        return (disk.hints.describe() or "the only one",)
    own = (disk.serial, disk.wwn, str(disk.size))
    return own if disk.serial or disk.wwn else (*own, disk.model, disk.by_path or disk.name)


def _bmc(plan: Plan) -> tuple[str, ...]:
    bmc = plan.host.bmc
    return bmc.driver, str(bmc.address or ""), str(bmc.port or ""), bmc.system


def _terms(plan: Plan) -> tuple[str, ...]:
    terms = plan.terms
    accepted = {"--erase-foreign": terms.erase_foreign, "--allow-downgrade": terms.allow_downgrade}
    return (terms.write_mode, *(name if given else "" for name, given in accepted.items()))


# What is confirmed, in the order in which it is told. When things were seen, and what warns, decides nothing.
DECIDES: dict[str, Callable[[Plan], tuple[str, ...]]] = {
    "the name": lambda plan: (plan.host.name,),
    "the network card": lambda plan: plan.host.macs,
    "the serial": lambda plan: (plan.host.serial or plan.serial,),
    "the system UUID": lambda plan: (plan.host.uuid,),
    "the BMC": _bmc,
    "the profile": lambda plan: (plan.host.profile,),
    "the disk": lambda plan: _disk(plan.erases),
    "what the disk holds": lambda plan: (plan.holds,),
    "what on it is not ours": lambda plan: (plan.erases.foreign,),
    "the image": lambda plan: (plan.image.id,),
    "the image's content": lambda plan: (plan.image.root_hash or plan.image.raw_sha256,),
    "the installer": lambda plan: (plan.installer,),
    "how it is written": _terms,
}


def of_host(plan: Plan) -> str:
    """The SHA-256 (hexadecimal) of what one host's plan decides."""
    return _digest({name: told(plan) for name, told in DECIDES.items()})


def of_run(plans: Iterable[Plan]) -> str:
    """Likewise of the plans of many hosts, in their order."""
    return _digest([plan.digest for plan in plans])


def _digest(decided: object) -> str:
    return sha256_text(json.dumps(decided, sort_keys=True, separators=(",", ":")))


def differences(shown: Plan, now: Plan) -> list[str]:
    """In words, what of one host is otherwise than was shown; empty where nothing is that decides."""
    return [
        f"{name} is otherwise: {_in_place(told(now), told(shown))}"
        for name, told in DECIDES.items()
        if told(shown) != told(now)
    ]


def _in_place(now: tuple[str, ...], shown: tuple[str, ...]) -> str:
    pairs = [pair for pair in zip_longest(now, shown, fillvalue="") if pair[0] != pair[1]]
    after, before = (" ".join(filter(None, words)) or "nothing" for words in zip(*pairs, strict=True))
    return f"{after} in place of {before}"


def run_differences(shown: Sequence[Plan], now: Sequence[Plan]) -> list[str]:
    """Likewise of many hosts: who was not shown, who is not among them any more, and what is otherwise."""
    before, after = ({plan.host.name: plan for plan in plans} for plans in (shown, now))
    told = [f"{name} was not shown" for name in after if name not in before]
    told += [f"{name} is not among them any more" for name in before if name not in after]
    for name in [name for name in after if name in before]:
        if changes := differences(before[name], after[name]):
            told.append(f"of {name} {' and '.join(changes)}")
    return first(told, MOST)
