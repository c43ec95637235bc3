"""Programs that we did not write ask a lab's BMC for power state and boot device, as a second opinion."""

import json
import re
from pathlib import Path

from provisioner import run
from provisioner.errors import ProgramError
from provisioner.lab.report import Check
from provisioner.power.protocol import BmcAddress


def ask_with_curl(bmc: BmcAddress) -> list[Check]:
    """By Redfish: the first system of the collection (DSP0266)."""
    login = f'user = "{bmc.user}:{bmc.password}"\n'.encode()  # not in the argument list
    curl = ["curl", "--silent", "--insecure", "--config", "-"]
    url = f"https://{bmc.address}/redfish/v1/Systems"
    try:
        (member,) = json.loads(run.run([*curl, url], stdin=login).stdout)["Members"]
        name = Path(member["@odata.id"]).name
        system = json.loads(run.run([*curl, f"{url}/{name}"], stdin=login).stdout)
    except (ProgramError, ValueError, KeyError) as fault:
        return [Check("curl reads the BMC", False, str(fault))]
    state, boot = system.get("PowerState"), system.get("Boot")
    return [
        Check("curl reads the power state", state == "On", str(state)),
        Check("curl reads the boot device", "Boot" in system, str(boot)),
    ]


def ask_with_ipmitool(bmc: BmcAddress) -> list[Check]:
    """By IPMI with cipher suite 3, which OpenIPMI's simulator has."""
    argv = ["ipmitool", "-I", "lanplus", "-C", "3", "-H", bmc.address, "-U", bmc.user, "-E", "chassis"]
    secret = {"IPMI_PASSWORD": bmc.password}
    power = run.run([*argv, "power", "status"], env=secret, check=False).stdout.decode().strip()
    boot = run.run([*argv, "bootparam", "get", "5"], env=secret, check=False).stdout.decode()
    selector = re.search(r"Boot Device Selector : (.*)", boot)
    return [
        Check("ipmitool reads the power state", power == "Chassis Power is on", power),
        Check("ipmitool reads the boot device", selector is not None, selector[1] if selector else boot),
    ]
