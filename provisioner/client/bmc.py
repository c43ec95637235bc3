"""Calls about BMCs and their logins."""

from typing import TypeVar

from provisioner.api.answer import Removal, WaitQuery
from provisioner.api.bmc import (
    BmcAnswer,
    BmcBoot,
    BmcFailed,
    BmcIdentified,
    BmcOrder,
    BmcOrdered,
    BmcPower,
    BmcRotated,
    BmcSelection,
    BmcSensors,
    BmcTest,
    BmcTestOrdered,
    BmcTestsOrdered,
    BootProved,
    LoginList,
    LoginStored,
    LoginUpdate,
    LoginUse,
)
from provisioner.api.boot_proofs import BootProofOrder, BootProofOrdered, BootProofsOrdered
from provisioner.client.request import request
from provisioner.client.transport import LONG, PATIENCE, WAIT, Transport, quoted
from provisioner.errors import WorkerError, from_json

BMC_ROUNDS = 6  # of WAIT seconds: a BMC act is limited to less than two minutes by its own driver
PROOF_ROUNDS = 3 * 60 * 3  # likewise three hours: a server's start takes minutes, and others may be before it
_Outcome = TypeVar("_Outcome", BmcTest, BmcPower, BmcBoot, BmcIdentified, BmcSensors, BmcRotated, BootProved)


class BmcCalls(Transport):
    """Of `Client`: BMCs and their logins."""

    def test_bmc(self, host: str) -> BmcTest:
        """Log in, read power state and boot device. Raises the BMC's own words, as the next two do."""
        return self.bmc_test(host, self._order_bmc(host, "test"))

    def begin_bmc_tests(self, selection: BmcSelection) -> tuple[BmcTestOrdered, ...]:
        """The same of many hosts without waiting; `bmc_test` gives each result by its number."""
        return self.post(BmcTestsOrdered, "/bmc/tests", selection, patience=LONG).tests

    def bmc_test(self, host: str, number: int, rounds: int = BMC_ROUNDS) -> BmcTest:
        """The result of a test that was begun, waited for in some rounds of WAIT seconds."""
        return self._bmc_result(BmcTest, host, number, rounds)

    def begin_boot_proofs(self, order: BootProofOrder) -> tuple[BootProofOrdered, ...]:
        """Restart hosts to see their firmware start the disk; `boot_proof` gives each result by number."""
        return self.post(BootProofsOrdered, "/boot-proofs", order, patience=LONG).proofs

    def boot_proof(self, host: str, number: int, rounds: int = PROOF_ROUNDS) -> BootProved:
        """The result of one that was begun. Raises its reason where it was not seen."""
        return self._bmc_result(BootProved, host, number, rounds)

    def power(self, host: str, act: str) -> BmcPower:
        """Power `state` (reads only), `on`, `off` or `reset`."""
        return self._bmc_result(BmcPower, host, self._order_bmc(host, "power", act))

    def boot_device(self, host: str, device: str = "") -> BmcBoot:
        """Set `network` or `disk` for one boot; nothing: read what is set."""
        return self._bmc_result(BmcBoot, host, self._order_bmc(host, "boot", device))

    def identify(self, host: str, argument: str = "on", seconds: int = 0) -> BmcIdentified:
        """The identification light `on` or `off`, or with nothing for so many seconds."""
        number = self._order_bmc(host, "identify", "" if seconds else argument, seconds=seconds)
        return self._bmc_result(BmcIdentified, host, number)

    def sensors(self, host: str) -> BmcSensors:
        """What the sensors say."""
        return self._bmc_result(BmcSensors, host, self._order_bmc(host, "sensors"))

    def rotate(self, host: str) -> BmcRotated:
        """Another password for the BMC's user, random and told to nobody."""
        return self._bmc_result(BmcRotated, host, self._order_bmc(host, "rotate"))

    def _order_bmc(self, host: str, action: str, argument: str = "", *, seconds: int = 0) -> int:
        """Let the worker ask a BMC."""
        more = {"seconds": seconds} if seconds else {}
        order = request(BmcOrder, host=host, action=action, argument=argument, **more)
        return self.post(BmcOrdered, "/bmc", order).request

    def _bmc_result(
        self, outcome: type[_Outcome], host: str, number: int, rounds: int = BMC_ROUNDS
    ) -> _Outcome:
        for _ in range(rounds):
            query = WaitQuery(wait=WAIT)
            answer = self.get(BmcAnswer, f"/bmc/{number}", query, patience=PATIENCE + WAIT).request
            if isinstance(answer.result, BmcFailed):
                raise from_json(answer.result.error.model_dump())
            if isinstance(answer.result, outcome):
                return answer.result
        waited = f"{rounds * WAIT:.0f} s"
        raise WorkerError(
            f"{host}: its BMC was not asked within {waited}: others are waited for, or the worker hangs",
            hint="ask again; provision check says whether the worker lives",
        )

    def secrets(self) -> tuple[LoginUse, ...]:
        """The names of the BMC logins that are kept, and whose they are."""
        return self.get(LoginList, "/secrets").secrets

    def put_secret(self, name: str, user: str, password: str, host: str = "") -> LoginStored:
        """Keep a BMC's login; with `host` for that one alone."""
        more = {"host": host} if host else {}
        body = request(LoginUpdate, user=user, password=password, **more)
        return self.put(LoginStored, f"/secrets/{quoted(name)}", body)

    def remove_secret(self, name: str, *, dry_run: bool = False) -> LoginStored:
        """Forget a BMC's login that no host needs; or only ask whether that can be."""
        return self.post(LoginStored, f"/secrets/{quoted(name)}/remove", Removal(dry_run=dry_run))
