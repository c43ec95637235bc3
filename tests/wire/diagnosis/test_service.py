"""The running service names causes while a deployment waits, and the command line shows them."""

import json
from typing import Any


def test_a_waiting_deployment_says_what_it_waits_for_and_then_why(world: Any) -> None:
    with world.machine(serial="S1") as puppet:
        ident = puppet.arm()
        quiet = world.provision("diagnose", puppet.name)
        assert quiet.code == 0 and "It waits for somebody who presses its power button" in quiet.out, quiet
        path = f"/boot/{puppet.mac.replace(':', '-')}/boot.ipxe"
        assert "pv.nonce" not in puppet.http(f"{path}?arch=x86_64&serial=S2").body.decode()
        world.await_event(ident, "request.refused")
        said = world.provision("diagnose", puppet.name)
        assert said.code == 3 and "this machine says serial S2, the order is for S1 (PV-227)" in said.out, (
            said
        )
        assert "  1. is it this machine that stands there? provision host show" in said.out
        row = json.loads(world.provision("diagnose", puppet.name, "-o", "json").out)["deployment"]
        assert [cause["code"] for cause in row["causes"]] == [227] and row["awaits"]
        shown = world.provision("status", puppet.name)
        assert "PV-227" in shown.out and "waits for somebody" in shown.out
        assert "pv.nonce" in puppet.http(f"{path}?arch=x86_64&serial=S1").body.decode()
        world.await_event(ident, "script.served")
        healthy = world.provision("diagnose", puppet.name)
        assert healthy.code == 0 and "iPXE's request for kernel and ramdisk" in healthy.out, healthy


def test_what_ended_it_is_named_with_the_disks_that_were_seen(world: Any) -> None:
    with world.machine() as puppet:
        puppet.arm()
        assert puppet.hello().status == 200
        assert puppet.tell("failed").status == 200
        said = world.provision("diagnose", puppet.name)
        assert said.code == 3, said
        for words in (
            "two disks fit: vda, vdb (PV-313)",
            "it has the disk vda, disk-1",
            "name one by its serial",
        ):
            assert words in said.out
        status = world.provision("status", puppet.name)
        assert status.out.count("two disks fit: vda, vdb (PV-313)") == 1
