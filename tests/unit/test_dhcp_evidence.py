"""What a boot request means for the deployment of its machine."""

import pytest

from provisioner import deploy
from provisioner.model import Stage
from provisioner.services.dhcp import Evidence
from provisioner.services.dhcp_policy import Sighting
from provisioner.site import Site

MAC = "52:54:00:00:00:01"


def writing(site: Site) -> str:
    row = deploy.arm(site, site.store.host("vc-1"), site.store.images()[0], by="ann")
    deploy.record(site, row.id, "slot.given", source="worker")
    deploy.record(site, row.id, "power.began", source="worker", nonce="n")
    hello = {"nonce": "n", "boot_id": "b", "token_hash": "t", "phone_hash": "p", "serial": "S"}
    deploy.record(site, row.id, "agent.hello", source="agent", **hello)
    return row.id


@pytest.mark.parametrize(("arch", "user_class"), [(7, ""), (0, "iPXE"), (0, "")])
def test_a_boot_from_the_network_in_the_middle_of_writing_begins_again(
    site: Site, arch: int, user_class: str
) -> None:
    """Whether the firmware's own PXE asks or, as in many cards under BIOS, a ROM that is iPXE."""
    ident = writing(site)
    evidence = Evidence(site)
    evidence.saw(Sighting(MAC, "discover", site.clock(), arch=arch, user_class=user_class, boots=True))
    row = site.store.deployment(ident)
    assert (row.stage, row.attempt) == (Stage.POWERING, 2)
    evidence.saw(Sighting(MAC, "request", site.clock(), arch=arch, user_class=user_class, boots=True))
    assert site.store.deployment(ident).attempt == 2, "one boot, two packets"


def test_the_ramdisks_own_request_is_no_boot(site: Site) -> None:
    ident = writing(site)
    Evidence(site).saw(Sighting(MAC, "request", site.clock()))
    assert site.store.deployment(ident).stage == Stage.WRITING
