"""Causes that the way to the host by SSH, the verification and the sealing show."""

from collections.abc import Iterator

from provisioner.diagnosis.observations import Observations
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.event import Event
from provisioner.domain.events.verification import SealTask, VerifyProgress, VerifyTask, VerifyUnreachable
from provisioner.domain.lifecycle import verification_seconds
from provisioner.domain.stage import Stage
from provisioner.verify.judge import CHECKS

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

# what each check of the verification means where it deviates: its name in the story, and its code
CODES = (
    ("image", 530),
    ("root disk", 531),
    ("memory", 532),
    ("network card", 533),
    ("pci", 534),
    ("gpu driver", 535),
    ("gpu count", 536),
    ("gpu bus", 537),
    ("gpu values", 538),
    ("gpu uuid", 539),
    ("gpu memory", 540),
    ("gpu link", 541),
    ("gpu ecc", 542),
    ("gpu ecc errors", 543),
    ("gpu ecc history", 543),
    ("gpu ecc corrected", 543),
    ("gpu ecc under load", 543),
    ("gpu row remap", 543),
    ("gpu retired pages", 543),
    ("gpu throttle", 544),
    ("gpu throttle under load", 544),
    ("gpu temperature", 544),
    ("gpu temperature at rest", 544),
    ("gpu power limit", 545),
    ("gpu persistence", 545),
    ("gpu mig", 545),
    ("gpu nvlink", 546),
    ("nccl", 546),
    ("nccl bandwidth", 546),
    ("kernel log", 547),
    ("xid", 547),
    ("xid of a program", 547),
    ("sxid", 547),
    ("sxid that is not fatal", 547),
    ("pcie path", 548),
    ("pcie errors", 548),
    ("pcie errors that are not fatal", 548),
    ("pcie replays", 548),
    ("pcie replays under load", 548),
    ("pcie generation", 548),
    ("pcie width", 548),
    ("container", 549),
    ("container reload", 549),
    ("firmware", 550),
    ("gpu vbios", 550),
    ("burn-in", 551),
    ("burn-in errors", 551),
    ("bandwidth h2d", 552),
    ("bandwidth d2h", 552),
    ("bandwidth d2d", 552),
    ("matmul", 552),
    ("dcgm", 553),
    ("dcgm warnings", 553),
    ("site check", 554),
    ("site check warns", 554),
    ("gpu serial", 555),
)
ACTIONS = {check.task: check.action for check in CHECKS}
OF_SEVERAL = tuple(check.task for check in CHECKS if check.names_scope)  # the story adds which one
MEND = "mend the hardware or the profile"


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
        f"another machine may have its address: ping {seen.place} with the host switched off",
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
        f"look at the host's firewall, and at its address {seen.place}",
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
        seen, told, f"ssh provision@{seen.place}", "look at the host's firewall, and at sshd", code=510
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
    kinds = VerifyUnreachable | VerifyTask | VerifyProgress | SealTask
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
        sentence="the sealing did not end" if is_sealing else f"{_at_work(seen)} did not end",
        evidence=_last_signs(seen),
        actions=(
            f"ssh provision@{seen.place}: is it busy, does its disk hang?",
            f"provision retry {seen.row.host}",
        ),
    )


def _at_work(seen: Observations) -> str:
    return "the burn-in" if seen.row.last_event == VerifyProgress.kind else "Ansible"


def _last_signs(seen: Observations) -> tuple[Sight, ...]:
    began = Sight(sentence=f"{seen.row.stage} began", time=seen.row.stage_since)
    if seen.row.last_event != VerifyProgress.kind:
        return (began,)
    said = seen.row.progress.describe()
    return began, Sight(sentence=f"its last report: {said}", time=seen.row.last_event_at)


def findings(seen: Observations) -> Iterator[Cause]:
    """Each check in which the host is not what its profile says, by its code; and what was not checked."""
    if seen.row.stage not in (Stage.VERIFYING, Stage.REJECTED):
        return
    for event in seen.events:
        if isinstance(event.data, VerifyTask) and event.data.result in ("deviation", "unproved"):
            yield _finding(seen, event, event.data)


def _finding(seen: Observations, event: Event, task: VerifyTask) -> Cause:
    name = next((name for name in OF_SEVERAL if task.task.startswith(f"{name} ")), task.task)
    name = task.task if task.task in ACTIONS else name
    code = next((code for known, code in CODES if known == name), 501)
    action = task.action or ACTIONS.get(name, MEND)
    return Cause(
        code=504 if task.result == "unproved" else code,
        sentence=task.describe(),
        evidence=(Sight(sentence=f"the verification's check {task.task}", time=event.time),),
        actions=(action, f"then: provision retry {seen.row.host}"),
    )
