"""The users of a BMC over Redfish (DSP2046, AccountService): who they are, and another password for one."""

from provisioner.errors import PowerError
from provisioner.power.outcome import REFUSED
from provisioner.power.protocol import AccountsResult, BmcAccount, BmcAddress, PasswordResult
from provisioner.power.redfish_answer import Resource, judge
from provisioner.power.redfish_client import RedfishClient

MOST_ACCOUNTS = 64
SERVICE = "/redfish/v1/AccountService"


def read(client: RedfishClient) -> AccountsResult:
    """All that the service lists."""
    return AccountsResult(
        tuple(
            BmcAccount(
                number=number,
                name=one.text("UserName"),
                is_enabled=one.text("Enabled") != "False",
                role=one.text("RoleId"),
            )
            for number, (_, one) in enumerate(_members(client), 1)
            if one.text("UserName") or one.text("Enabled") == "True"  # empty places of some makers
        )
    )


def set_password(client: RedfishClient, bmc: BmcAddress, password: str) -> PasswordResult:
    """Another password for the user by whom we are logged in. Whether it holds, a login has to tell."""
    for place, one in _members(client):
        if one.text("UserName") == bmc.user:
            answer = client.request("PATCH", place, {"Password": password}, match=one.text("@odata.etag"))
            answer = client.finish(answer)
            if not judge(answer).is_done:
                raise client.fault(answer)
            return PasswordResult(user=bmc.user)
    raise PowerError(
        f"BMC {bmc.address} does not list its user {bmc.user!r}",
        hint="set it on the BMC's own page; then: provision bmc secret NAME --user USER",
        code=REFUSED,
    )


def _members(client: RedfishClient) -> list[tuple[str, Resource]]:
    service = client.get(client.root.link("AccountService") or SERVICE).body
    listed = client.get(service.link("Accounts") or f"{SERVICE}/Accounts").body
    places = listed.links("Members")[:MOST_ACCOUNTS]
    return [(place, client.get(place).body) for place in places]
