"""The guard: every rule alone, at its edges, and what each refusal does to the order."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner.deployment.guard import (
    DISK_GONE,
    Admitted,
    Denied,
    MayLook,
    Standing,
    decide,
    decide_look,
    withdrawal,
)
from provisioner.domain.claim import Claim
from provisioner.domain.deployment import Deployment, TargetDisk
from provisioner.domain.hardware import DiskInfo
from provisioner.domain.host import Host
from provisioner.domain.profile import Hints
from provisioner.domain.purpose import Purpose
from provisioner.domain.refusal import Refusal
from provisioner.domain.stage import Stage
from provisioner.system.checksum import sha256_text

MAC, OTHER_MAC = "52:54:00:00:00:01", "52:54:00:00:00:02"
UUID = "00112233-4455-6677-8899-aabbccddeeff"
SWAPPED = "33221100-5544-7766-8899-aabbccddeeff"  # the same bytes, read as SMBIOS before 2.6 was
DISK = DiskInfo(name="nvme0n1", size=1000, model="PM9A3", serial="D1", wwn="eui.1")
OTHER = DiskInfo(name="sda", size=2000, model="HDD", serial="D2")
HINTS = Hints(serial="D1")
TARGET = TargetDisk.model_validate(DISK, from_attributes=True)


def order(**changes: object) -> Deployment:
    values: dict[str, object] = {
        "id": "d-1",
        "host": "vc-1",
        "mac": MAC,
        "image": "os@1",
        "stage": Stage.NETBOOTING,
        "stage_since": 50.0,
        "deadline": 90.0,
        "created": 0.0,
        "expires": 100.0,
        "serial": "S1",
        "uuid": UUID,
        "hints": HINTS,
        "target": TARGET,
        "nonce_hash": sha256_text("nonce"),
    }
    return Deployment.model_validate(values | changes)


HOST = Host(name="vc-1", macs=(MAC, OTHER_MAC), profile="cube", serial="S1", uuid=UUID)
STANDING = Standing(order(), HOST, HINTS, now=60.0)
CLAIM = Claim(
    MAC, is_own_address=True, nonce="nonce", boot_id="b1", serial="S1", uuid=UUID, disks=(OTHER, DISK)
)


def standing(**changes: object) -> Standing:
    return replace(STANDING, order=order(**changes))


def test_who_was_ordered_may_write_the_disk_that_was_confirmed() -> None:
    assert decide(STANDING, CLAIM) == Admitted(TARGET)


@pytest.mark.parametrize("stage", [Stage.POWERING, Stage.NETBOOTING])
def test_the_order_is_taken_while_it_is_armed(stage: Stage) -> None:
    assert decide(standing(stage=stage), CLAIM) == Admitted(TARGET)


@pytest.mark.parametrize("stage", sorted(set(Stage) - {Stage.POWERING, Stage.NETBOOTING, Stage.WRITING}))
def test_at_any_other_stage_nobody_is_admitted(stage: Stage) -> None:
    assert decide(standing(stage=stage), CLAIM) == Denied(f"the order is {stage}")


whoever_asks = pytest.mark.parametrize(
    "claim", [CLAIM, replace(CLAIM, nonce="Nonce"), None], ids=["own", "stranger", "none"]
)


@whoever_asks
@pytest.mark.parametrize("stage", list(Stage))
def test_by_an_order_to_verify_nobody_may_write(claim: Claim | None, stage: Stage) -> None:
    verification = standing(stage=stage, agent_boot_id="b1", purpose=Purpose.VERIFY)
    assert decide(verification, claim) == Denied("the order is a verification: nothing may be written by it")


@whoever_asks
@pytest.mark.parametrize("stage", list(Stage))
def test_by_an_order_to_deploy_nobody_only_looks(claim: Claim | None, stage: Stage) -> None:
    assert decide_look(standing(stage=stage, agent_boot_id="b1"), claim) == Denied(
        "the order is no verification"
    )


def test_the_machine_that_is_verified_is_heard_as_one_that_is_deployed() -> None:
    verification = standing(purpose=Purpose.VERIFY)
    assert decide_look(verification, CLAIM) == MayLook()
    assert decide_look(verification, None) == Denied("it says nothing of itself")
    for claim, sentence, is_suspect in DENIALS.values():
        denied = decide_look(verification, claim)
        assert isinstance(denied, Denied) and sentence in denied.sentence and denied.is_suspect is is_suspect
    assert decide_look(standing(purpose=Purpose.VERIFY, paused=55.0), CLAIM) == Denied("it is paused")
    late = decide_look(replace(verification, now=100.5), CLAIM)
    assert isinstance(late, Refusal) and late.code == 140
    other = decide_look(verification, replace(CLAIM, serial="S2"))
    assert isinstance(other, Refusal) and other.code == 301


def test_what_was_decided_cannot_be_changed_afterwards() -> None:
    decisions = (STANDING, Denied("no"), Admitted(TARGET), MayLook())
    for decision in decisions:
        with pytest.raises(AttributeError):
            setattr(decision, "target", OTHER)  # noqa: B010  a frozen dataclass refuses any name


# who has the nonce and is not the ordered machine is suspect; who has none is a stranger like others
DENIALS: dict[str, tuple[Claim | None, str, bool]] = {
    "nothing": (None, "says nothing", False),
    "another card of the same host": (replace(CLAIM, mac=OTHER_MAC), "another network card", True),
    "a card of a lower number": (replace(CLAIM, mac="52:54:00:00:00:00"), "another network card", True),
    "another address": (replace(CLAIM, is_own_address=False), "own address", True),
    "no nonce": (replace(CLAIM, nonce=""), "nonce is wrong", False),
    "another nonce": (replace(CLAIM, nonce="Nonce"), "nonce is wrong", False),
    "another nonce and card": (replace(CLAIM, nonce="Nonce", mac=OTHER_MAC), "nonce is wrong", False),
    "the hash of the nonce": (replace(CLAIM, nonce=sha256_text("nonce")), "nonce is wrong", False),
}


@pytest.mark.parametrize(("claim", "sentence", "is_suspect"), DENIALS.values(), ids=DENIALS.keys())
@pytest.mark.parametrize("stage", [Stage.NETBOOTING, Stage.WRITING])
def test_a_stranger_is_denied_and_the_order_stands(
    claim: Claim | None, sentence: str, is_suspect: bool, stage: Stage
) -> None:
    """Even where the order would be refused to its own machine: a stranger cannot end it."""
    bad = replace(standing(stage=stage, agent_boot_id="b1"), host=HOST.model_copy(update={"locked": True}))
    decision = decide(bad, claim)
    assert isinstance(decision, Denied) and sentence in decision.sentence
    assert decision.is_suspect is is_suspect


@pytest.mark.parametrize("stage", [Stage.POWERING, Stage.WRITING])
def test_nothing_begins_while_it_is_paused(stage: Stage) -> None:
    assert decide(standing(stage=stage, agent_boot_id="b1", paused=55.0), CLAIM) == Denied("it is paused")


def test_an_order_without_a_nonce_admits_nobody() -> None:
    assert isinstance(decide(standing(nonce_hash=""), replace(CLAIM, nonce="")), Denied)


def test_the_same_boot_may_say_hello_again_and_no_other() -> None:
    writing = standing(stage=Stage.WRITING, agent_boot_id="b1", consumed=55.0)
    assert decide(writing, CLAIM) == Admitted(TARGET)
    for boot_id in ("b2", "", None):
        denied = Denied("the nonce was used by another boot", is_suspect=True)
        assert decide(writing, replace(CLAIM, boot_id=boot_id)) == denied


def test_an_agents_order_without_a_boot_is_bound_to_none() -> None:
    assert isinstance(decide(standing(stage=Stage.WRITING, agent_boot_id=""), CLAIM), Denied)


def test_what_is_compared_is_what_it_says() -> None:
    """Words that came over the wire are other objects than those of the row."""
    said = replace(CLAIM, mac="".join(list(MAC)), boot_id="".join(["b", "1"]))
    assert decide(standing(stage=Stage.WRITING, agent_boot_id="b1"), said) == Admitted(TARGET)


def test_the_installer_binds_its_boot_with_its_question() -> None:
    installs = {"stage": Stage.WRITING, "iso": "os@1"}
    assert decide(standing(**installs, agent_boot_id=""), CLAIM) == Admitted(TARGET)
    assert decide(standing(**installs, agent_boot_id="b1"), CLAIM) == Admitted(TARGET)
    assert isinstance(decide(standing(**installs, agent_boot_id="b2"), CLAIM), Denied)


def refusal(found: object) -> tuple[int, str]:
    assert isinstance(found, Refusal) and found.hint
    return found.code, found.sentence


@pytest.mark.parametrize(("now", "holds"), [(0.0, True), (100.0, True), (100.001, False), (1e12, False)])
def test_an_order_holds_until_it_expires_and_no_longer(now: float, holds: bool) -> None:
    late = replace(STANDING, now=now)
    assert (withdrawal(late) is None) is holds
    if not holds:
        assert refusal(decide(late, CLAIM)) == (140, "the order for vc-1 has expired")


def test_what_was_begun_does_not_expire() -> None:
    """A power cut in the middle of writing begins another attempt, however late."""
    again = standing(stage=Stage.NETBOOTING, attempt=2, consumed=55.0)
    assert decide(replace(again, now=1e9), CLAIM) == Admitted(TARGET)


CHANGES: dict[str, tuple[Callable[[Standing], Standing], int, str]] = {
    "locked": (
        lambda now: replace(now, host=now.host.model_copy(update={"locked": True})),
        131,
        "vc-1 was locked after it was ordered",
    ),
    "serial": (
        lambda now: replace(now, host=now.host.model_copy(update={"serial": "S2"})),
        142,
        "another serial for vc-1",
    ),
    "UUID": (
        lambda now: replace(now, host=now.host.model_copy(update={"uuid": UUID.replace("00", "11")})),
        142,
        "another system UUID for vc-1",
    ),
    "card": (
        lambda now: replace(now, host=now.host.model_copy(update={"macs": (OTHER_MAC, MAC)})),
        142,
        "another network card for vc-1",
    ),
    "card of a lower number": (
        lambda now: replace(now, host=now.host.model_copy(update={"macs": ("52:54:00:00:00:00", MAC)})),
        142,
        "another network card for vc-1",
    ),
    "disk": (lambda now: replace(now, hints=Hints(serial="D2")), 142, "another disk for vc-1"),
    "card and disk": (
        lambda now: replace(
            now, hints=Hints(), host=now.host.model_copy(update={"macs": (OTHER_MAC, MAC), "serial": "S1"})
        ),
        142,
        "another network card and disk for vc-1",
    ),
}


@pytest.mark.parametrize(("change", "code", "sentence"), CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.parametrize("stage", [Stage.POWERING, Stage.WRITING])
def test_what_changes_after_the_order_ends_it(
    change: Callable[[Standing], Standing], code: int, sentence: str, stage: Stage
) -> None:
    changed = change(standing(stage=stage, agent_boot_id="b1"))
    assert refusal(withdrawal(changed)) == refusal(decide(changed, CLAIM))
    found = refusal(decide(changed, CLAIM))
    assert found[0] == code and sentence in found[1]


def test_what_was_not_known_or_is_not_said_any_more_is_no_change() -> None:
    unnamed = HOST.model_copy(update={"serial": "", "uuid": ""})
    assert withdrawal(replace(STANDING, host=unnamed)) is None
    assert withdrawal(standing(serial="", uuid="")) is None
    assert (
        withdrawal(replace(STANDING, host=HOST.model_copy(update={"serial": " s1", "uuid": SWAPPED}))) is None
    )
    assert withdrawal(replace(standing(hints=None), hints=Hints(serial="D9"))) is None, (
        "an older release's order"
    )


@pytest.mark.parametrize("serial", ["S2", "", "S1x"])
def test_another_serial_is_another_machine(serial: str) -> None:
    for known in (
        STANDING,
        standing(serial=""),
        replace(STANDING, host=HOST.model_copy(update={"serial": ""})),
    ):
        code, sentence = refusal(decide(known, replace(CLAIM, serial=serial)))
        assert code == 301
        assert sentence == f"this machine says serial {serial or 'nothing'}, the order is for S1"


@pytest.mark.parametrize("uuid", ["11112233-4455-6677-8899-aabbccddeeff", "", "garbage"])
def test_another_uuid_is_another_machine(uuid: str) -> None:
    for known in (STANDING, standing(uuid=""), replace(STANDING, host=HOST.model_copy(update={"uuid": ""}))):
        code, sentence = refusal(decide(known, replace(CLAIM, uuid=uuid)))
        assert code == 302
        said = uuid if "-" not in uuid else f"{uuid} (or 33221111-5544-7766-8899-aabbccddeeff)"
        wanted = f"{UUID} (or {SWAPPED})"
        assert sentence == f"this machine says system UUID {said or 'nothing'}, the order is for {wanted}"


@pytest.mark.parametrize(
    ("said", "option"),
    [
        ({"serial": "S 2"}, "--serial 'S 2'"),
        ({"serial": "Default string"}, "--serial ''"),
        ({"uuid": "11112233-4455-6677-8899-aabbccddeeff"}, "--uuid 11112233-4455-6677-8899-aabbccddeeff"),
        ({"uuid": "garbage"}, "--uuid ''"),
    ],
)
def test_another_machine_or_another_board_each_has_its_way_out(said: dict[str, str], option: str) -> None:
    decided = decide(STANDING, replace(CLAIM, **said))  # type: ignore[arg-type]
    assert isinstance(decided, Refusal)
    edit = f"provision host edit {HOST.name}"
    assert f"{edit} --mac MAC" in decided.hint and f"{edit} {option};" in decided.hint


def test_the_same_machine_may_spell_itself_otherwise() -> None:
    assert decide(STANDING, replace(CLAIM, serial=" s1 ", uuid=UUID.upper())) == Admitted(TARGET)
    assert decide(STANDING, replace(CLAIM, uuid=SWAPPED)) == Admitted(TARGET)
    assert decide(STANDING, replace(CLAIM, serial=None, uuid=None)) == Admitted(TARGET), "not said here"


def test_a_placeholder_for_a_uuid_names_no_machine() -> None:
    nobody = "03000200-0400-0500-0006-000700080009"
    known = replace(standing(uuid=nobody), host=HOST.model_copy(update={"uuid": ""}))
    assert decide(known, CLAIM) == Admitted(TARGET)


GONE: dict[str, tuple[DiskInfo, ...]] = {
    "no disk": (),
    "another disk": (OTHER,),
    "another serial": (DISK.model_copy(update={"serial": "D1x"}),),
    "no serial": (DISK.model_copy(update={"serial": ""}),),
    "another WWN": (DISK.model_copy(update={"wwn": "eui.2"}),),
    "another size": (DISK.model_copy(update={"size": 1001}),),
    "two that say they are it": (DISK, DISK.model_copy(update={"name": "nvme1n1"})),
}


@pytest.mark.parametrize("seen", GONE.values(), ids=GONE.keys())
def test_another_disk_than_was_confirmed_is_never_written(seen: tuple[DiskInfo, ...]) -> None:
    code, sentence = refusal(decide(STANDING, replace(CLAIM, disks=seen)))
    assert code == 303 == DISK_GONE
    assert "the disk that was confirmed, nvme0n1 PM9A3 serial D1, is not there" in sentence
    assert all(disk.name in sentence for disk in seen)


def test_the_confirmed_disk_may_have_another_name_after_a_reboot() -> None:
    renamed = (DISK.model_copy(update={"name": "nvme1n1", "by_path": "pci-2"}), OTHER)
    assert decide(STANDING, replace(CLAIM, disks=renamed)) == Admitted(TARGET)


BARE = DiskInfo(name="vda", size=1000, model="QEMU", by_path="pci-1")


@pytest.mark.parametrize(
    ("seen", "is_it"),
    [
        (BARE, True),
        (BARE.model_copy(update={"name": "vdb"}), True),
        (BARE.model_copy(update={"by_path": "pci-2"}), False),
        (BARE.model_copy(update={"model": "ACME"}), False),
        (BARE.model_copy(update={"size": 999}), False),
    ],
)
def test_a_disk_without_a_serial_is_known_by_its_place_and_model(seen: DiskInfo, is_it: bool) -> None:
    target = TargetDisk.model_validate(BARE, from_attributes=True)
    decision = decide(standing(target=target), replace(CLAIM, disks=(seen,)))
    assert (decision == Admitted(target)) is is_it
    nowhere = target.model_copy(update={"by_path": ""})
    assert nowhere.is_of(BARE) and not nowhere.is_of(BARE.model_copy(update={"name": "vdb"}))


def test_where_no_disk_was_seen_the_first_hello_shows_it() -> None:
    unseen = standing(target=TargetDisk())
    assert decide(unseen, CLAIM) == Admitted(TARGET)
    for seen in ((), (OTHER,)):
        assert decide(unseen, replace(CLAIM, disks=seen)) == Admitted(TargetDisk())
    assert decide(unseen, replace(CLAIM, disks=None)) == Admitted(TargetDisk())
    several = replace(standing(target=TargetDisk(), hints=Hints()), hints=Hints())
    assert decide(several, CLAIM) == Admitted(TargetDisk()), "the agent finds the same, and says so"
