"""Redfish (DMTF DSP0266) by pyghmi, over TLS with the BMC's own certificate pinned.

BMCs sign their certificates themselves and no site runs an authority for them, so a name and a chain prove
nothing. What counts is that it is the certificate of last time: its SHA-256 is taken from the inventory, or
kept on first use, after the login has worked. So the first login trusts whoever answers; after it a stranger
at that address does not get the password.
"""

import hashlib
import http.client
import os
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from provisioner.errors import PowerError
from provisioner.power import process
from provisioner.power.protocol import BmcAddress, BootResult, PowerResult

LOGIN_LIMIT = 30.0  # seconds; four requests, and a BMC needs a second or two for each TLS handshake
SETTLE = 30.0  # seconds for a power state to change
DEVICES = {"network": "network", "disk": "hd"}
# BootSourceOverrideTarget (ComputerSystem schema), by our names
TARGETS = {"Pxe": "network", "UefiHttp": "network", "Hdd": "hd", "None": "default"}


class Redfish(process.Driver):
    """The driver; each call is one process."""

    module = "provisioner.power.redfish"
    limit = 100.0
    transport = "TCP"


# below: the short-lived process


def perform(bmc: BmcAddress, action: str, arguments: dict[str, Any]) -> process.Result:
    """Log in, do one act, log out. Raises PowerError."""
    from pyghmi.exceptions import PyghmiException

    certificate = _Certificate(bmc)
    try:
        with process.within(LOGIN_LIMIT, process.silent(bmc, Redfish.transport)):
            command = _log_in(bmc, certificate)
        certificate.keep()
        try:
            return ACTIONS[action](command, **arguments)
        finally:
            _log_out(command)
    except (PyghmiException, OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as fault:
        raise _explained(bmc, action, fault) from fault


class _Certificate:
    """The judgement of the BMC's certificate, which pyghmi asks for at every connection."""

    def __init__(self, bmc: BmcAddress) -> None:
        self._bmc = bmc
        self._file = Path(bmc.pin) if bmc.pin else None
        kept = self._file.read_text().strip() if self._file and self._file.exists() else ""
        self._wanted = bmc.fingerprint or kept
        self._seen = ""

    def accepts(self, der: bytes) -> bool:
        """Raises PowerError (PV-208) for another one than is pinned."""
        self._seen = hashlib.sha256(der).hexdigest()
        if not self._bmc.verify or self._seen == self._wanted or (self._file and not self._wanted):
            return True
        name = self._bmc.name
        raise PowerError(
            f"BMC {self._bmc.address} shows the certificate {self._seen}, {self._wanted or 'none'} is pinned",
            hint="where the BMC's own page shows the new one, write it into the inventory: "
            f"bmc: {{fingerprint: {self._seen[:8]}…}} of {name}"
            + (f", or rm {self._file}" if self._file else ""),
            code=208,
        )

    def keep(self) -> None:
        """Pin what was seen at a login that worked, where nothing is pinned yet."""
        if not self._file or self._wanted or not self._bmc.verify:
            return
        descriptor, name = tempfile.mkstemp(dir=self._file.parent)  # 0600
        with os.fdopen(descriptor, "w") as out:
            out.write(self._seen + "\n")
        Path(name).rename(self._file)


def _log_in(bmc: BmcAddress, certificate: _Certificate) -> Any:
    """A session, or Basic authentication where the BMC has no sessions; `session` is where it is ended."""
    from pyghmi.exceptions import PyghmiException
    from pyghmi.redfish.command import Command

    class Session(Command):  # type: ignore[misc]
        """pyghmi forgets where its session is and never ends it; a BMC has few."""

        session = ""

        def _get_session_token(self, wc: Any) -> None:
            grab = wc.grab_rsp

            def noted(*arguments: Any) -> Any:
                answer = grab(*arguments)
                if answer.status == 401:
                    raise PyghmiException("Access Denied")
                self.session = urlsplit(answer.getheader("Location") or "").path
                return answer

            wc.grab_rsp = noted
            try:
                super()._get_session_token(wc)
            finally:
                del wc.grab_rsp

    command = Session(bmc.address, bmc.user, bmc.password, certificate.accepts, port=bmc.port)
    if not command.sysurl or not command.powerurl:
        _log_out(command)
        raise process.failed(bmc, "the login", "it shows no system that can be reset")
    return command


def _log_out(command: Any) -> None:
    """A session that cannot be ended lapses by itself; the act's own result counts."""
    if command.session and command.xauthtoken:
        with suppress(OSError, http.client.HTTPException, ValueError):
            command.wc.grab_json_response_with_status(command.session, method="DELETE")


def _explained(bmc: BmcAddress, action: str, fault: Exception) -> PowerError:
    from pyghmi.exceptions import PyghmiException

    said = " ".join(str(fault).split())
    wrong = ("Access Denied", "Unauthorized", "NoValidSession", "InsufficientPrivilege", "AccountLocked")
    text = f"{said} {getattr(fault, 'msgid', '')}".lower()
    if any(word.lower() in text for word in wrong):
        return process.refused(bmc)
    if isinstance(fault, ssl.SSLError):
        return process.failed(bmc, "the login", f"no TLS on port {bmc.port}: {fault.reason or said}")
    if isinstance(fault, OSError | http.client.HTTPException):
        return process.silent(bmc, Redfish.transport)
    kind = "it gave no reason" if isinstance(fault, PyghmiException) else type(fault).__name__
    return process.failed(bmc, action, said or kind)


def _state(command: Any) -> PowerResult:
    found = str(command.get_power()["powerstate"])
    return PowerResult(found if found in ("on", "off") else "unknown")  # also PoweringOn, PoweringOff, Paused


def _switch(command: Any, wanted: str) -> PowerResult:
    return process.switch(lambda: _state(command), lambda: command.set_power(wanted), wanted, SETTLE)


def _reset(command: Any) -> PowerResult:
    before = _state(command)
    if before.state != "on":
        return _switch(command, "on")
    command.set_power("reset")
    # emulators and some BMCs show it off for a moment
    return process.switch(lambda: _state(command), lambda: None, "on", SETTLE)


def _set_boot(command: Any, device: str, uefi: bool, once: bool) -> BootResult:
    command.set_bootdev(DEVICES[device], persist=not once, uefiboot=uefi)
    found, lasts = _read_boot(command)
    result = process.judged(device, found)
    asked = "Once" if once else "Continuous"
    if not result.confirmed or found == "default" or lasts == asked:
        return result
    often = "for every start" if lasts == "Continuous" else f"as {lasts}"
    return BootResult(result.device, True, f"asked for {device} {asked.lower()}, the BMC holds it {often}")


def _read_boot(command: Any) -> tuple[str, str]:
    """Device and BootSourceOverrideEnabled. Read here: pyghmi's own reading answers from a cache of 30 s,
    so from before the change, and refuses a BMC that shows no mode."""
    boot = command._do_web_request(command.sysurl, cache=False).get("Boot") or {}
    target = str(boot.get("BootSourceOverrideTarget") or "None")
    lasts = str(boot.get("BootSourceOverrideEnabled") or "Disabled")
    return ("default" if lasts == "Disabled" else TARGETS.get(target, target)), lasts


def _boot_result(command: Any) -> BootResult:
    found, _ = _read_boot(command)
    return BootResult({"hd": "disk"}.get(found, found))


ACTIONS: dict[str, Callable[..., process.Result]] = {
    "state": _state,
    "on": lambda command: _switch(command, "on"),
    "off": lambda command: _switch(command, "off"),
    "reset": _reset,
    "set_boot": _set_boot,
    "get_boot": _boot_result,
}

if __name__ == "__main__":
    process.serve(perform)
