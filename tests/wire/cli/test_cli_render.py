"""`provision profile render` beside a machine that is really served."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World


def test_what_was_served_is_what_is_shown(world: World, puppet: Puppet) -> None:
    before = world.client.render(puppet.name).files
    assert {file.last for file in before} == {None}
    puppet.arm()
    assert puppet.http(f"/boot/{puppet.mac}/boot.ipxe").body.startswith(b"#!ipxe")
    world.await_event(puppet.row.id, "script.served")
    assert puppet.hello().status == 200
    world.await_event(puppet.row.id, "agent.hello")
    until = time.monotonic() + 20  # it is kept when the answer has left
    while None in {file.last for file in world.client.render(puppet.name).files}:
        assert time.monotonic() < until
    after = world.client.render(puppet.name).files
    assert {file.name: file.last for file in after} == {file.name: file.text for file in before}
    said = world.provision("profile", "render", puppet.name)
    assert said.code == 0 and "as what was served at" in said.err
    secrets = (puppet.used, puppet.token, puppet.phone_token)
    assert not [secret for secret in secrets if secret in said.out]
    assert world.provision("profile", "render", puppet.name, "--diff").out == ""


def test_a_change_is_shown_as_a_difference(world: World, puppet: Puppet) -> None:
    folder = world.state / "served" / puppet.name
    folder.mkdir(parents=True, mode=0o700)
    (folder / "boot.ipxe").write_text("#!ipxe\n# an older release\n")
    said = world.provision("profile", "render", puppet.name, "--diff")
    assert "-# an older release" in said.out and "+set tries:int32 0" in said.out
    assert "differs from what was served at" in said.err
