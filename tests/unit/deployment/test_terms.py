"""What an order may do to a disk: nothing older, nothing foreign, unless it is said."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.deployment import plan
from provisioner.deployment.order import arm
from provisioner.deployment.record import record
from provisioner.deployment.runs import arm_run, preview_run
from provisioner.domain.deployment import Terms, WrittenDisk
from provisioner.domain.events.order import OrderCancelled
from provisioner.domain.hardware import DiskInfo, HardwareFacts
from provisioner.domain.image import Image, version_key
from provisioner.domain.stage import Stage
from provisioner.errors import RefusedError
from provisioner.site.site import Site

IN_ORDER = [
    "0.9",
    "1.0-rc1",
    "1.0-rc2",
    "1.0",
    "1.0.1",
    "1.9",
    "1.10",
    "2",
    "2026.09.0",
    "2026.11.2",
    "2026.11.10",
]


def test_versions_are_ordered_as_people_read_them() -> None:
    assert sorted(reversed(IN_ORDER), key=version_key) == IN_ORDER


@given(
    st.from_regex(r"[0-9A-Za-z][0-9A-Za-z._+-]{0,20}", fullmatch=True),
    st.from_regex(r"[0-9A-Za-z.]{1,9}", fullmatch=True),
)
def test_any_two_versions_can_be_compared(one: str, other: str) -> None:
    assert (version_key(one) < version_key(other)) + (version_key(other) < version_key(one)) <= 1


def image(version: str, name: str = "vault-os") -> Image:
    return Image(
        name=name, version=version, raw_size=1, raw_sha256="0" * 64, pack_size=1, signed_by="release", added=2
    )


def written(site: Site, version: str) -> None:
    """The host has this version, and a later deployment that wrote nothing."""
    host = site.database.hosts.get("vc-1")
    row = arm(site, host, image(version), by="ann")
    with site.database.writing():
        site.database.deployments.put(row.changed(stage=Stage.READY, disk=WrittenDisk(serial="S1")))
    site.clock.now += 10  # type: ignore[attr-defined]
    row = arm(site, host, image(version), by="ann")
    record(site, row.id, OrderCancelled(by="ann"), source="operator")
    site.clock.now += 10  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wanted", "terms", "is_refused"),
    [
        (image("2026.9"), Terms(), True),
        (image("2026.10"), Terms(), False),
        (image("2026.11"), Terms(), False),
        (image("2026.9"), Terms(allow_downgrade=True), False),
        (image("1", name="other-os"), Terms(), False),
    ],
)
def test_an_older_version_than_the_host_has_is_refused(
    site: Site, wanted: Image, terms: Terms, is_refused: bool
) -> None:
    written(site, "2026.10")
    if is_refused:
        with pytest.raises(
            RefusedError, match=r"has vault-os@2026\.10 .* vault-os@2026\.9 is older"
        ) as caught:
            arm(site, site.database.hosts.get("vc-1"), wanted, by="ann", terms=terms)
        assert caught.value.code == 141
        assert site.database.deployments.under_way() == []
    else:
        row = arm(site, site.database.hosts.get("vc-1"), wanted, by="ann", terms=terms)
        assert site.database.deployments.get(row.id).image == wanted.id


def test_how_the_disk_is_written_is_kept_with_the_order_and_told(site: Site) -> None:
    terms = Terms(write_mode="wipe", erase_foreign=True)
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann", terms=terms)
    kept = site.database.deployments.get(row.id)
    assert (kept.write_mode, kept.erase_foreign) == ("wipe", True)
    [event] = site.database.events.of(row.id)
    assert (event.data.write_mode, event.data.erase_foreign) == ("wipe", True)


def seen(site: Site, **disk: Any) -> None:
    shown = DiskInfo(name="sda", size=10**12, serial="Z1", content="GPT").model_copy(update=disk)
    site.database.hosts.put_hardware("vc-1", HardwareFacts(serial="C1", disks=(shown,)), site.clock())


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        ({"foreign": "LVM on the whole disk"}, "LVM on the whole disk"),
        ({"owner": "vc-9"}, "the system of vc-9"),
        ({"owner": "vc-1"}, ""),
        ({}, ""),
    ],
)
def test_the_plan_says_what_is_foreign_and_the_order_needs_consent(
    site: Site, disk: dict[str, Any], words: str
) -> None:
    seen(site, **disk)
    host, chosen = site.database.hosts.get("vc-1"), site.database.images.all()[0]
    assert plan.make(site, host, chosen, Terms()).erases.foreign == words
    assert plan.make(site, host, chosen, Terms(erase_foreign=True)).refusals == ()
    refusals = plan.make(site, host, chosen, Terms()).refusals
    plans, left_out = preview_run(site, [host], chosen.id)
    if words:
        [refusal] = refusals
        assert refusal.code == 139 and "holds what is not ours to erase" in refusal.sentence
        assert not plans and words in left_out[0].why and left_out[0].refusals == refusals
    else:
        assert refusals == () and len(plans) == 1


def test_a_run_carries_its_terms_to_every_host(site: Site) -> None:
    from provisioner.domain.run import Run

    run = Run(id="r-1", created=1, by="ann", select="", terms=Terms(write_mode="full"))
    [row] = arm_run(site, run, [(site.database.hosts.get("vc-1"), site.database.images.all()[0])])
    assert row.write_mode == "full" and site.database.runs.get("r-1").terms == run.terms
