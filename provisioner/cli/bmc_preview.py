"""What hosts' BMCs say before an order, for a dry run: what would end a deployment at once is seen here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.cli.output import info
from provisioner.domain.refusal import Refusal
from provisioner.errors import ProvisionError, UnreachableError
from provisioner.power import registry

if TYPE_CHECKING:
    from provisioner.api.bmc import BmcTest
    from provisioner.client import Client
    from provisioner.domain.host import Host

ROUNDS = 2  # of waiting: the worker asks a BMC that cannot answer now for 20 s
PASSING = {201, 211}  # PV codes of what a deployment outlasts


@dataclass(frozen=True)
class BmcPreview:
    """What a host's BMC said, in words; `refusal` where a deployment would end by it."""

    sentence: str
    refusal: Refusal | None = None


def ask(client: "Client", hosts: Sequence["Host"]) -> list[BmcPreview]:
    """One for each host that has a BMC, all asked side by side by the service; nothing is changed at them."""
    with_bmc = [host.name for host in hosts if registry.find(host.bmc.driver, host.name).has_bmc]
    tests = [(name, client.begin_bmc_test(name)) for name in with_bmc]
    previews: list[BmcPreview] = []
    for name, number in tests:
        try:
            previews.append(_preview(client, name, number))
        except UnreachableError as fault:  # the worker is not there: no other host's result will come either
            return [*previews, BmcPreview(f"no BMC could be asked: {fault}")]
    return previews


def show(previews: Sequence[BmcPreview]) -> None:
    """What would not end a deployment, to stderr."""
    for preview in previews:
        if preview.refusal is None:
            info(preview.sentence)


def refusals(previews: Sequence[BmcPreview]) -> tuple[Refusal, ...]:
    """What would end one."""
    return tuple(preview.refusal for preview in previews if preview.refusal)


def _preview(client: "Client", name: str, number: int) -> BmcPreview:
    """Raises UnreachableError where the service itself does not answer."""
    try:
        return BmcPreview(_described(name, client.bmc_test(name, number, ROUNDS)))
    except ProvisionError as fault:
        if fault.code == UnreachableError.code:
            raise
        sentence = f"{name}: {fault}"
        if fault.code in PASSING:
            return BmcPreview(f"{sentence} (PV-{fault.code}); a deployment would ask it again")
        return BmcPreview(sentence, Refusal(code=fault.code, sentence=sentence, hint=fault.hint))


def _described(name: str, said: "BmcTest") -> str:
    suite = f", IPMI cipher suite {said.suite}" if said.suite else ""
    note = f"; {said.note}" if said.note else ""
    return f"{name}: BMC ok, power {said.state}, boot device {said.boot}{suite}{note}"
