"""What machines are told to boot: their own disk, unless everything fits."""

from collections.abc import Callable

import pytest

from provisioner.deployment import boot
from provisioner.deployment.order import arm
from provisioner.deployment.record import record, try_record
from provisioner.domain.boot_plan import Asker, Autoinstall, Firmware, Local, Ramdisk
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.agent import AgentSilent
from provisioner.domain.events.netboot import ScriptServed
from provisioner.domain.events.order import OrderResumed, SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.profile import Hints
from provisioner.domain.script_reads import MOST_BOOTS, MOST_READS
from provisioner.domain.stage import Stage
from provisioner.errors import ServiceError
from provisioner.site.site import Site
from tests.unit.conftest import Clock, began_of, hello_of, put_installer

MAC = "52:54:00:00:00:01"
NONCE = "a-nonce"
Golden = Callable[[str, str], None]


def armed(site: Site) -> Deployment:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    record(site, row.id, SlotGiven(), source="worker")
    return record(site, row.id, PowerBegan(nonce=NONCE), source="worker")


def asker(site: Site, **changes: object) -> Asker:
    row = site.database.macs.get(MAC)
    address = row.address if row else ""
    return Asker.model_validate({"mac": MAC, "address": address} | changes)


def test_an_armed_host_boots_the_ramdisk_with_its_nonce(site: Site) -> None:
    armed(site)
    plan = boot.answer(site, asker(site)).plan
    assert isinstance(plan, Ramdisk)
    assert "pv.server=http://10.77.0.1 pv.mac=52:54:00:00:00:01 pv.nonce=a-nonce" in plan.args


def test_asking_twice_gives_the_same_answer_and_changes_nothing(site: Site) -> None:
    row = armed(site)
    assert boot.answer(site, asker(site)) == boot.answer(site, asker(site))
    assert site.database.deployments.get(row.id) == row


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mac": "52:54:00:00:00:99"}, "not known"),
        ({"address": "10.77.0.200"}, "not from the host's own address"),
        ({"address": ""}, "not from the host's own address"),
        ({"serial": "OTHER"}, "this machine says serial OTHER"),
        ({"uuid": "11111111-1111-1111-1111-111111111111"}, "says system UUID 11111111"),
    ],
)
def test_an_armed_hosts_script_is_not_for_others(site: Site, changes: dict[str, str], reason: str) -> None:
    host = site.database.hosts.get("vc-1")
    known = {"serial": "S1", "uuid": "22222222-2222-2222-2222-222222222222"}
    site.database.hosts.put(host.model_copy(update=known))
    armed(site)
    assert isinstance(boot.answer(site, asker(site)).plan, Ramdisk)
    plan, why = boot.answer(site, asker(site, **changes))
    assert isinstance(plan, Local) and reason in why


def test_without_an_order_the_answer_is_the_disk(site: Site) -> None:
    assert boot.answer(site, asker(site)).plan == Local(firmware=Firmware.UEFI)
    arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    assert isinstance(boot.answer(site, asker(site)).plan, Local), "queued: the power was not touched yet"


def test_an_expired_order_is_no_order(site: Site, clock: object) -> None:
    row = armed(site)
    clock.now = row.deadline + 1  # type: ignore[attr-defined]
    assert isinstance(boot.answer(site, asker(site)).plan, Local)


def test_a_consumed_order_is_no_order(site: Site) -> None:
    row = armed(site)
    assert record(site, row.id, hello_of(NONCE), source="agent").stage == Stage.WRITING
    assert isinstance(boot.answer(site, asker(site)).plan, Local)


def test_who_is_locked_or_changed_after_the_order_boots_its_disk(site: Site) -> None:
    armed(site)
    host = site.database.hosts.get("vc-1")
    for change, reason in (
        ({"locked": True}, "was locked after it was ordered"),
        ({"disk": Hints(serial="D2")}, "names another disk for vc-1"),
        ({"macs": ("52:54:00:00:00:02", MAC)}, "names another network card"),
    ):
        site.database.hosts.put(host.model_copy(update=change))
        plan, why = boot.answer(site, asker(site))
        assert isinstance(plan, Local) and reason in why
    site.database.hosts.put(host)
    assert isinstance(boot.answer(site, asker(site)).plan, Ramdisk)


def test_a_serial_that_the_inventory_learns_after_the_order_counts(site: Site) -> None:
    armed(site)
    known = site.database.hosts.get("vc-1").model_copy(update={"serial": "S1"})
    site.database.hosts.put(known)
    assert isinstance(boot.answer(site, asker(site, serial="s1 ")).plan, Ramdisk)
    plan, why = boot.answer(site, asker(site, serial="S2"))
    assert isinstance(plan, Local) and "this machine says serial S2" in why


def test_a_broken_store_answers_the_disk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    armed(site)
    who = asker(site)

    def broken(*_: object) -> None:
        raise ServiceError("disk I/O error")

    database = site.database
    for table, name in (
        (database.hosts, "by_mac"),
        (database.deployments, "last_order_of"),
        (database.macs, "get"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(table, name, broken)
            assert isinstance(boot.answer(site, who).plan, Local)


UUID = "33221100-5544-7766-8899-aabbccddeeff"
SWAPPED = "00112233-4455-6677-8899-aabbccddeeff"  # the same, in the other byte order of SMBIOS


def read(site: Site, **changes: object) -> str:
    """As the service answers one script: the plan's name, and what comes of it is recorded."""
    who = asker(site, **changes)
    plan = boot.answer(site, who).plan
    row = site.database.deployments.last_of("vc-1")
    assert row
    if alarm := boot.alarm(site, who) if isinstance(plan, Local) else None:
        try_record(site, row.id, alarm, source="guard")
    elif not isinstance(plan, Local):
        served = ScriptServed(address=who.address, serial=who.serial, uuid=who.uuid)
        record(site, row.id, served, source="machine")
    return type(plan).__name__


def test_a_host_that_asks_again_and_again_gets_its_disk_and_its_order_ends_in_words(
    site: Site, clock: Clock
) -> None:
    row = armed(site)
    answers = []
    for _ in range(MOST_BOOTS + 3):
        answers.append(read(site, serial="S1"))
        clock.now += 40
    assert answers == ["Ramdisk"] * MOST_BOOTS + ["Local"] * 3
    after = site.database.deployments.get(row.id)
    assert (after.stage, after.code, after.nonce) == (Stage.FAILED, 221, "")
    assert "3 times in 3 boots" in after.reason and "retry vc-1" in after.hint
    assert [event.kind for event in site.database.events.of(row.id)].count("netboot.looped") == 1
    assert read(site) == "Local"


def test_a_loop_without_a_pause_is_a_loop_too(site: Site) -> None:
    row = armed(site)
    answers = [read(site) for _ in range(50)]
    assert answers.count("Ramdisk") == MOST_READS
    assert site.database.deployments.get(row.id).stage == Stage.FAILED


def test_the_next_attempt_and_the_next_order_may_boot_as_often_again(site: Site, clock: Clock) -> None:
    row = armed(site)
    for attempt in range(1, 6):
        for _ in range(MOST_BOOTS):
            clock.now += 40
            assert read(site) == "Ramdisk"
        row = record(
            site, row.id, hello_of(f"{NONCE}{attempt - 1 or ''}", boot_id=str(attempt)), source="agent"
        )
        assert (row.stage, row.attempt) == (Stage.WRITING, attempt)
        if attempt < 5:
            record(site, row.id, AgentSilent(seconds=61), source="worker")
            record(site, row.id, PowerBegan(nonce=f"{NONCE}{attempt}"), source="worker")


def test_others_never_count_as_its_boots(site: Site, clock: Clock) -> None:
    armed(site)
    for _ in range(20):
        clock.now += 5
        assert read(site, address="10.77.0.200") == "Local"
    assert read(site) == "Ramdisk"


def test_the_installers_files_are_given_after_its_last_script_too(site: Site, clock: Clock) -> None:
    installing(site)
    for _ in range(MOST_BOOTS):
        clock.now += 40
        assert read(site) == "Autoinstall"
    clock.now += 300  # the ISO takes its time
    assert isinstance(boot.answer(site, asker(site), is_script=False).plan, Autoinstall)
    assert read(site) == "Local"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"serial": "S1"}, {"serial": "S2"}),
        ({"uuid": UUID}, {"uuid": "11111111-1111-1111-1111-111111111111"}),
        ({"serial": "S1", "uuid": UUID}, {"serial": "S1", "uuid": "11111111-1111-1111-1111-111111111111"}),
    ],
)
def test_a_second_reader_who_is_another_machine_pauses_the_order(
    site: Site, first: dict[str, str], second: dict[str, str]
) -> None:
    row = armed(site)
    assert read(site) == read(site, **first) == "Ramdisk"
    assert read(site, **second) == "Local", "it gets no nonce"
    after = site.database.deployments.get(row.id)
    assert after.paused and "a second machine has asked for its boot script" in after.reason
    assert after.hint.startswith("look at 10.77.0.")
    assert read(site, **first) == "Local", "until an operator has looked"
    record(site, row.id, OrderResumed(by="ann"), source="operator")
    assert read(site, **second) == "Ramdisk", "he has: who comes first now is it"


def test_a_second_card_of_another_machine_is_one_too(site: Site) -> None:
    host = site.database.hosts.get("vc-1")
    other = "52:54:00:00:00:02"
    site.database.put_inventory(
        [host.model_copy(update={"macs": (MAC, other)})], [], site.settings.hosts_range
    )
    row = armed(site)
    assert read(site, serial="S1") == "Ramdisk"
    known = site.database.macs.get(other)
    assert known
    assert read(site, mac=other, address=known.address, serial="S1") == "Local"
    assert not site.database.deployments.get(row.id).paused, "the same machine's next entry"
    assert read(site, mac=other, address=known.address, serial="S2") == "Local"
    assert site.database.deployments.get(row.id).paused


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"serial": "S1"}, {}),
        ({"serial": "S1"}, {"serial": " s1 "}),
        ({}, {"serial": "S1", "uuid": UUID}),
        ({"uuid": UUID}, {"uuid": UUID.upper()}),
        ({"uuid": UUID}, {"uuid": SWAPPED}),
        ({"uuid": UUID}, {"uuid": "00000000-0000-0000-0000-000000000000"}),
        ({"uuid": "03000200-0400-0500-0006-000700080009"}, {"uuid": UUID}),
    ],
)
def test_who_may_be_the_same_machine_is_no_second_reader(
    site: Site, first: dict[str, str], second: dict[str, str]
) -> None:
    row = armed(site)
    for who in (first, second, first):
        assert read(site, **who) == "Ramdisk"
    assert not site.database.deployments.get(row.id).paused


def test_a_stranger_elsewhere_pauses_nothing(site: Site) -> None:
    row = armed(site)
    assert read(site, serial="S1") == "Ramdisk"
    assert read(site, serial="S2", address="10.77.0.200") == "Local"
    assert not site.database.deployments.get(row.id).paused, "one packet of anybody would do"


def test_a_machine_in_the_wrong_place_is_refused_and_pauses_nothing(site: Site) -> None:
    host = site.database.hosts.get("vc-1")
    site.database.hosts.put(host.model_copy(update={"serial": "S1"}))
    row = armed(site)
    assert read(site, serial="S2") == read(site, serial="S2") == "Local"
    assert not site.database.deployments.get(row.id).paused, "there is only one"
    assert read(site, serial="S1") == "Ramdisk"
    assert read(site, serial="S2") == "Local"
    assert site.database.deployments.get(row.id).paused, "now there are two"


def rendered(site: Site, firmware: Firmware) -> str:
    plan, reason = boot.answer(site, asker(site, firmware=firmware))
    return boot.render(site, plan, reason=reason, firmware=firmware)


@pytest.mark.parametrize("firmware", list(Firmware))
def test_the_golden_disk_answer(site: Site, golden: Golden, firmware: Firmware) -> None:
    golden(f"boot/local-{firmware}.ipxe", rendered(site, firmware))


@pytest.mark.parametrize("firmware", list(Firmware))
def test_the_golden_ramdisk_script(site: Site, golden: Golden, firmware: Firmware) -> None:
    armed(site)
    golden(f"boot/ramdisk-{firmware}.ipxe", rendered(site, firmware))


@pytest.mark.parametrize("serial", ["x\nkernel http://evil/", "${net0/ip}", "a" * 65, "`id`"])
def test_a_serial_that_no_firmware_writes_is_not_taken(serial: str) -> None:
    with pytest.raises(ValueError):
        Asker(mac=MAC, address="10.77.0.64", serial=serial)


def installing(site: Site) -> Deployment:
    """An order whose installer boots instead of the ramdisk."""
    image = put_installer(site)
    row = arm(site, site.database.hosts.get("vc-1"), image, by="ann", iso=image.id)
    record(site, row.id, SlotGiven(), source="worker")
    return record(site, row.id, PowerBegan(nonce=NONCE), source="worker")


def test_an_order_for_the_installer_boots_it_and_only_its_seed_has_the_nonce(site: Site) -> None:
    installing(site)
    plan = boot.answer(site, asker(site)).plan
    assert isinstance(plan, Autoinstall)
    assert plan.seed_url == "http://10.77.0.1/autoinstall/52-54-00-00-00-01/a-nonce"
    assert plan.iso == "http://10.77.0.1/boot/52-54-00-00-00-01/installer.iso"
    assert NONCE not in plan.kernel + plan.initrd + plan.iso


def test_an_installer_that_has_reported_is_never_booted_again(site: Site) -> None:
    row = installing(site)
    record(site, row.id, began_of(NONCE), source="installer")
    assert isinstance(boot.answer(site, asker(site)).plan, Local)


@pytest.mark.parametrize("firmware", list(Firmware))
def test_the_golden_installer_script(site: Site, golden: Golden, firmware: Firmware) -> None:
    installing(site)
    golden(f"boot/autoinstall-{firmware}.ipxe", rendered(site, firmware))


def test_ipxe_hands_the_seeds_address_to_the_kernel_as_one_word(site: Site) -> None:
    """iPXE knows no quotes (src/core/exec.c): a semicolon ends a command only where it stands alone."""
    installing(site)
    [line] = [line for line in rendered(site, Firmware.UEFI).splitlines() if line.startswith("kernel ")]
    command = line.split(" || ")[0].split()
    assert "ds=nocloud-net;s=http://10.77.0.1/autoinstall/52-54-00-00-00-01/a-nonce/" in command
    assert not {";", "&&", "||", "#"} & set(command) and not set("\"'\\") & set(line)
