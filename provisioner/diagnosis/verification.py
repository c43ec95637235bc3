"""Causes that the way to the host by SSH, the verification and the sealing show."""

from collections.abc import Iterator

from provisioner.diagnosis.observations import Observations
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.event import Event
from provisioner.domain.events.verification import SealTask, VerifyTask, VerifyUnreachable
from provisioner.domain.lifecycle import verification_seconds
from provisioner.domain.stage import Stage

SSH_STARTS = 240.0  # seconds from phone-home until sshd answers, on a slow disk
KEY_IS_READ = 30.0  # seconds for the key to be in place, should the report have been quicker
TRIED_AGAIN = 60.0  # seconds in which the worker tries again, and ssh gives up
WAS_REACHED = 60.0  # seconds for a host that answered before to answer once more
RUN_ENDS = 60.0  # seconds for the worker to end a run that takes too long
SEALED = 660.0  # seconds for a sealing, with all its runs
OVER_SSH = (Stage.VERIFYING, Stage.SEALING)
CHANGED, UNENDED = "another SSH host key", "Ansible did not end"
DENIED = ("Permission denied", "sudo password")
NO_ANSWER = ("timed out", "No route to host", "Network is unreachable", "Host is down")

# what each check of the verification means where it deviates: its code, and what a person does
CODES = (
    ("image", 530, "has it booted another disk? Deploy again: provision retry {host}"),
    ("root disk", 531, "take the other disk out, or wipe it; then: provision retry {host}"),
    ("memory", 532, "reseat its memory, look into the BMC's event log: provision bmc sensors {host}"),
    ("network card", 533, "reseat the card, or correct the MACs in the inventory"),
    ("pci", 534, "reseat the card; is its slot switched on in the firmware?"),
    ("gpu driver", 535, "take an image with the driver that the profile names, or correct the profile"),
    ("gpu count", 536, "reseat the GPU and its power cables"),
    ("gpu bus", 537, "power the host off and on; a GPU that stays away is broken"),
    ("gpu values", 538, "power the host off and on; a GPU that stays silent is broken"),
    ("gpu uuid", 539, "report it to the GPUs' maker: two have one UUID"),
    ("gpu memory", 540, "is it the GPU that the profile means? Replace it otherwise"),
    ("gpu link", 541, "reseat the GPU and its riser"),
    ("gpu ecc", 542, "set ECC with nvidia-smi -e, and restart the host"),
)
ANOTHER_CHECK = (501, "mend the hardware or the profile")


def host_key_changed(seen: Observations) -> Cause | None:
    """Who answers by SSH has another host key than the one that the host reported. A verdict speaks
    against it.
    """
    told = _unreachable(seen)
    if told is None or not _says(told, CHANGED):
        return None
    return _ssh(
        seen,
        told,
        f"another machine may have its address: ping {seen.row.address} with the host switched off",
        f"or the host made its keys anew after its report: provision retry {seen.row.host}",
        code=511,
    )


def login_denied(seen: Observations) -> Cause | None:
    """sshd answers and does not take our key. A verdict speaks against it, and a moment after the report."""
    told = _unreachable(seen)
    if told is None or not _says(told, *DENIED) or not seen.is_over(KEY_IS_READ, seen.row.stage_since):
        return None
    return _ssh(
        seen,
        told,
        "the image or its seed takes away the user provision, or its key: provision profile render "
        + seen.row.host,
        seen.see_console,
        code=512,
    )


def ssh_no_answer(seen: Observations) -> Cause | None:
    """Nothing answers where the host reported from. A verdict speaks against it, and the time that sshd
    needs.
    """
    told = _unreachable(seen)
    if told is None or not _says(told, *NO_ANSWER) or not _is_after_start(seen, told):
        return None
    return _ssh(
        seen,
        told,
        f"look at the host's firewall, and at its address {seen.row.address}",
        f"{seen.see_console}: has it lost its network?",
        code=513,
    )


def ssh_unreachable(seen: Observations) -> Cause | None:
    """SSH was refused when sshd must have started. A check that got through speaks against it."""
    told = _unreachable(seen)
    if told is None or _says(told, CHANGED, UNENDED, *DENIED, *NO_ANSWER):
        return None
    if not _is_after_start(seen, told):
        return None
    return _ssh(
        seen, told, f"ssh provision@{seen.row.address}", "look at the host's firewall, and at sshd", code=510
    )


def _ssh(seen: Observations, told: tuple[str, str, float], *actions: str, code: int) -> Cause:
    sentence, evidence, time = told
    return Cause(
        code=code,
        sentence=f"{seen.row.host} reported, but SSH does not reach it: {sentence}",
        evidence=(Sight(sentence=evidence, time=time),),
        actions=actions,
    )


def _says(told: tuple[str, str, float], *words: str) -> bool:
    return any(each in told[0] for each in words)


def _is_after_start(seen: Observations, told: tuple[str, str, float]) -> bool:
    """Whether this came when sshd must have started: what came before says nothing of now."""
    estimate = SSH_STARTS if seen.row.stage == Stage.VERIFYING else WAS_REACHED
    limit = seen.patience(seen.row.stage, estimate)
    return seen.is_late or told[2] - seen.row.stage_since >= limit


def _unreachable(seen: Observations) -> tuple[str, str, float] | None:
    """What SSH said last, as evidence, and when; None where something got through since, or is about to: it
    is tried every few seconds, so who is silent is at work.
    """
    kinds = VerifyUnreachable | VerifyTask | SealTask
    tasks = [event for event in seen.events if isinstance(event.data, kinds)]
    last = next(reversed(tasks), None)
    if (
        seen.row.stage not in OVER_SSH
        or last is None
        or not (seen.is_late or seen.now - last.time < TRIED_AGAIN)
    ):
        return None
    data = last.data
    is_seal = isinstance(data, SealTask) and data.result == "unreachable"
    is_verify = isinstance(data, VerifyUnreachable) and seen.row.stage == Stage.VERIFYING
    if not isinstance(data, VerifyUnreachable | SealTask) or not (is_seal or is_verify):
        return None
    return data.sentence, last.describe(), last.time


def never_ended(seen: Observations) -> Cause | None:
    """Ansible runs for longer than one run may take at this stage of this host. What it says speaks against
    it.
    """
    told, last = _unreachable(seen), max(seen.row.stage_since, seen.row.last_event_at)
    if seen.row.stage not in OVER_SSH or (told and not _says(told, UNENDED)):
        return None
    is_sealing = seen.row.stage == Stage.SEALING
    limit = SEALED if is_sealing else verification_seconds(seen.row.stage_since, seen.row.deadline) + RUN_ENDS
    if not told and not seen.is_over(seen.patience(seen.row.stage, limit), last):
        return None
    return Cause(
        code=520 if is_sealing else 514,
        sentence="the sealing did not end" if is_sealing else "Ansible did not end",
        evidence=(Sight(sentence=f"{seen.row.stage} began", time=seen.row.stage_since),),
        actions=(
            f"ssh provision@{seen.row.address}: is it busy, does its disk hang?",
            f"provision retry {seen.row.host}",
        ),
    )


def findings(seen: Observations) -> Iterator[Cause]:
    """Each check of the verification in which the host is not what its profile says. Each has its code."""
    if seen.row.stage not in (Stage.VERIFYING, Stage.REJECTED):
        return
    for event in seen.events:
        if isinstance(event.data, VerifyTask) and event.data.result == "deviation":
            yield _finding(seen, event, event.data)


def _finding(seen: Observations, event: Event, task: VerifyTask) -> Cause:
    known = ((code, action) for name, code, action in CODES if task.task == name)
    is_pci = task.task.startswith("pci ")
    code, action = next(known, FINDING_OF_PCI if is_pci else ANOTHER_CHECK)
    return Cause(
        code=code,
        sentence=task.describe(),
        evidence=(Sight(sentence=f"the verification's check {task.task}", time=event.time),),
        actions=(action.format(host=seen.row.host), f"then: provision retry {seen.row.host}"),
    )


FINDING_OF_PCI = next((code, action) for name, code, action in CODES if name == "pci")
