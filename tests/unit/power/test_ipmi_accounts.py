"""How many questions the users of a BMC take, and who is found, whatever it says of their number."""

import pytest

from provisioner.errors import PowerError
from provisioner.power.ipmi_accounts import GET_USER_ACCESS, GET_USER_NAME, IpmiAccounts
from provisioner.power.protocol import BmcAddress

BMC = BmcAddress("ipmi", "10.0.0.9", 623, "ann", "secret", "vc-1")
PLACES = 63
ADMINISTRATOR, NOBODY = 0x14, 0x0F  # may message as administrator; no access


class Line:
    """A BMC with users at some places."""

    def __init__(self, users: dict[int, str], told: int) -> None:
        self.users, self.told, self.asked = users, told, 0

    def ask_app(self, command: int, *data: int) -> tuple[int, bytes]:
        self.asked += 1
        if command == GET_USER_ACCESS:
            number = data[1]
            is_user = number in self.users
            status = 0x40 if is_user else 0x80
            return 0, bytes([PLACES, status | self.told, 0, ADMINISTRATOR if is_user else NOBODY])
        assert command == GET_USER_NAME
        return 0, self.users[data[0]].encode().ljust(16, b"\0")


def accounts(line: Line) -> IpmiAccounts:
    return IpmiAccounts(line, BMC)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "asked"), [(2, 4 + 2), (0, PLACES + 2), (3, PLACES + 2), (63, PLACES + 2)], ids=str
)
def test_it_is_asked_no_longer_than_users_can_be_there(told: int, asked: int) -> None:
    line = Line({2: "root", 4: "ann"}, told)
    found = [(one.number, one.name) for one in accounts(line).all().accounts if one.is_enabled]
    assert found == [(2, "root"), (4, "ann")] and line.asked == asked


def test_a_user_without_a_name_is_one() -> None:
    [first, _] = accounts(Line({1: "", 2: "root"}, 2)).all().accounts
    assert first.is_enabled and first.name == "" and first.role == "administrator"


def test_our_own_number_is_found_where_the_bmc_tells_of_fewer_users() -> None:
    line = Line({1: "", 2: "root", 40: "ann"}, 1)
    assert accounts(line)._own_number() == 40
    with pytest.raises(PowerError, match="does not list its user 'ann'"):
        accounts(Line({2: "root"}, 1))._own_number()
