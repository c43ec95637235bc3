"""The users of a BMC over IPMI 2.0 (22.26 to 22.30): who they are, and another password for one."""

from collections.abc import Iterator

from provisioner.errors import PowerError
from provisioner.power.completion import judge
from provisioner.power.ipmi_login import IpmiLine
from provisioner.power.outcome import REFUSED, not_yet
from provisioner.power.protocol import AccountsResult, BmcAccount, BmcAddress, PasswordResult

GET_USER_ACCESS, GET_USER_NAME, SET_USER_PASSWORD = 0x44, 0x46, 0x47
THIS_CHANNEL = 0x0E
SET_PASSWORD, LONG = 0x02, 0x80  # operation; the bit that says that 20 bytes follow, and not 16
MOST_USERS = 63  # six bits
MESSAGING, PRIVILEGE, NO_ACCESS = 0x10, 0x0F, 0x0F
DISABLED = 0x80  # the highest bit of the second byte
PRIVILEGES = {1: "callback", 2: "user", 3: "operator", 4: "administrator", 5: "maker"}
SHORT = 16  # bytes of a password of IPMI 1.5


class IpmiAccounts:
    """Over one login."""

    def __init__(self, line: IpmiLine, bmc: BmcAddress) -> None:
        self._line, self._bmc = line, bmc

    def all(self) -> AccountsResult:
        """Those that may use the channel by which we came, as many as the BMC says are enabled.

        A BMC has up to 63 places, and a slow one takes a second for each question.
        """
        found: list[BmcAccount] = []
        for account, enabled in self._each():
            found.append(account)
            if 0 < enabled <= sum(one.is_enabled for one in found):
                break
        return AccountsResult(tuple(found))

    def _each(self) -> Iterator[tuple[BmcAccount, int]]:
        """Each place, and how many users are enabled (22.27; 0 where it is not told)."""
        number, most = 1, 1
        while number <= most:
            access = self._access(number)
            most = access[0] & MOST_USERS
            yield self._account(number, access), access[1] & MOST_USERS
            number += 1

    def set_password(self, password: str) -> PasswordResult:
        """Another password for the user by whom we are logged in. Whether it holds, a login has to tell."""
        data = password.encode()
        size = SHORT if len(data) <= SHORT else 20
        number = self._own_number() | (LONG if size > SHORT else 0)
        code, _ = self._line.ask_app(SET_USER_PASSWORD, number, SET_PASSWORD, *data.ljust(size, b"\0"))
        outcome = judge(code)
        if not outcome.is_done:
            raise outcome.fault(self._bmc, "another password")
        return PasswordResult(user=self._bmc.user)

    def _own_number(self) -> int:
        for account, _ in self._each():
            if account.name == self._bmc.user:
                return account.number
        raise PowerError(
            f"BMC {self._bmc.address} does not list its user {self._bmc.user!r}",
            hint="set it on the BMC's own page; then: provision bmc secret NAME --user USER",
            code=REFUSED,
        )

    def _account(self, number: int, access: bytes) -> BmcAccount:
        """The name of one that is not let in is not asked for."""
        is_let_in = bool(access[3] & MESSAGING) and access[3] & PRIVILEGE != NO_ACCESS
        is_enabled = is_let_in and not access[1] & DISABLED
        code, name = self._line.ask_app(GET_USER_NAME, number) if is_enabled else (0, b"")
        return BmcAccount(
            number=number,
            name=name[:16].split(b"\0")[0].decode(errors="replace") if code == 0 else "",
            is_enabled=is_enabled,
            role=PRIVILEGES.get(access[3] & PRIVILEGE, "none"),
        )

    def _access(self, number: int) -> bytes:
        code, data = self._line.ask_app(GET_USER_ACCESS, THIS_CHANNEL, number)
        outcome = judge(code)
        if not outcome.is_done:
            raise outcome.fault(self._bmc, "its users")
        if len(data) < 4:
            raise not_yet(self._bmc, "gives no readable list of its users")
        return data
