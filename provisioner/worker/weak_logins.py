"""BMCs that anybody on the LAN may log in to: by the login that they were delivered with, or by no name."""

from provisioner.domain.host import Host
from provisioner.errors import PowerError
from provisioner.power import registry
from provisioner.power.protocol import Accounts, BmcAddress

# as makers' manuals say them: Supermicro, Dell, OpenBMC, Lenovo and IBM, Intel, ASRock Rack and Gigabyte,
# Huawei, Fujitsu, Cisco, Oracle, Quanta, Inspur; user names in small letters
DELIVERED = frozenset(
    {
        ("admin", "ADMIN"),
        ("root", "calvin"),
        ("root", "0penBmc"),
        ("userid", "PASSW0RD"),
        ("root", "superuser"),
        ("sysadmin", "superuser"),
        ("admin", "admin"),
        ("admin", "password"),
        ("root", "Huawei12#$"),
        ("administrator", "Admin@9000"),
        ("root", "changeme"),
        ("admin", "cmb9.admin"),
        ("root", "root"),
        ("root", "password"),
        ("administrator", "password"),
        ("administrator", "advcomm500349"),
    }
)


def of_login(bmc: BmcAddress, host: Host) -> list[str]:
    """What is wrong with the login itself; nobody is asked."""
    if not bmc.address:  # powered by hand
        return []
    if not bmc.password:
        return [f"user {bmc.user} has no password: provision bmc rotate {host.name}"]
    if (bmc.user.lower(), bmc.password) in DELIVERED or bmc.user.lower() == bmc.password.lower():
        return [
            f"user {bmc.user} has the password that such BMCs come with: provision bmc rotate {host.name}"
        ]
    return []


def of_users(bmc: BmcAddress) -> list[str]:
    """What is wrong with its users; nothing where it does not tell of them."""
    driver = registry.connect(bmc)
    if not isinstance(driver, Accounts):
        return []
    try:
        found = driver.accounts().accounts
    except PowerError:  # many let only some users see the others: the test of the login is not spoilt by it
        return []
    nameless = [str(one.number) for one in found if one.is_enabled and not one.name.strip()]
    if not nameless:
        return []
    return [f"it lets in users without a name (number {', '.join(nameless)}): remove them on its own page"]
