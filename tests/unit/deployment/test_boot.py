"""What machines are told to boot: their own disk, unless everything fits."""

from collections.abc import Callable

import pytest

from provisioner.deployment import boot
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.domain.boot_plan import Asker, Autoinstall, Firmware, Local, Ramdisk
from provisioner.domain.deployment import Deployment
from provisioner.domain.events.order import SlotGiven
from provisioner.domain.events.power import PowerBegan
from provisioner.domain.profile import Hints
from provisioner.domain.stage import Stage
from provisioner.errors import ServiceError
from provisioner.site.site import Site
from tests.unit.conftest import began_of, hello_of, put_installer

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
        (database.deployments, "last_of"),
        (database.macs, "get"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(table, name, broken)
            assert isinstance(boot.answer(site, who).plan, Local)


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
