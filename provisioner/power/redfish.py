"""Redfish (DMTF DSP0266) by pyghmi, over TLS with the BMC's own certificate pinned.

BMCs sign their certificates themselves and no site runs an authority for them, so a name and a chain prove
nothing. What counts is that it is the certificate of last time: its SHA-256 is taken from the inventory, or
kept on first use, after the login has worked. So the first login trusts whoever answers; after it a stranger
at that address does not get the password.
"""

import hashlib
import http.client
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypedDict
from urllib.parse import urlsplit

from provisioner.errors import FileError, PowerError
from provisioner.power import process
from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, PowerDriver, PowerResult
from provisioner.system import outputs

LOGIN_LIMIT = 30.0  # seconds; four requests, and a BMC needs a second or two for each TLS handshake
SETTLE = 30.0  # seconds for a power state to change
DEVICES: dict[BootDevice, str] = {"network": "network", "disk": "hd"}
# BootSourceOverrideTarget (DSP2046, ComputerSystem), by pyghmi's names
TARGETS = {"Pxe": "network", "UefiHttp": "network", "Hdd": "hd", "None": "default"}


class RedfishDriver(process.ProcessDriver):
    """The driver; each call is one process."""

    module = "provisioner.power.redfish"
    limit = 100.0
    transport = "TCP"


DRIVER = PowerDriver(name="redfish", title="Redfish", port=443, connect=RedfishDriver)  # HTTPS


# below: the short-lived process


class BootSettings(TypedDict, total=False):
    """`Boot` of a ComputerSystem (DSP2046), as far as it is read."""

    BootSourceOverrideTarget: str | None
    BootSourceOverrideEnabled: str | None


class ComputerSystem(TypedDict, total=False):
    """A system's resource (DSP2046), as far as it is read."""

    Boot: BootSettings | None


class WebConnection(Protocol):
    """The calls of `pyghmi.util.webclient.SecureHTTPConnection` that are used: pyghmi ships no types."""

    grab_rsp: Callable[..., http.client.HTTPResponse]

    def grab_json_response_with_status(self, url: str, *, method: str) -> object:
        """One request; its answer and its status."""


class RedfishCommand(Protocol):
    """The calls of `pyghmi.redfish.command.Command` that are used."""

    session: str
    sysurl: str
    powerurl: str
    xauthtoken: str
    wc: WebConnection

    def get_power(self) -> dict[str, str]:
        """`powerstate`: PowerState of the system, in small letters."""

    def set_power(self, powerstate: str) -> object:
        """The action ComputerSystem.Reset."""

    def set_bootdev(self, bootdev: str, persist: bool, uefiboot: bool) -> object:
        """PATCH of the system's `Boot`."""

    def _do_web_request(self, url: str, *, cache: bool) -> ComputerSystem: ...


@contextmanager
def session(request: process.ActRequest) -> Iterator["RedfishSession"]:
    """Log in for one act, and log out. Raises PowerError for whatever goes wrong."""
    from pyghmi.exceptions import PyghmiException

    bmc = request.bmc
    certificate = _Certificate(bmc)
    try:
        with process.within(LOGIN_LIMIT, process.silent(bmc, RedfishDriver.transport)):
            command = _log_in(bmc, certificate)
        try:
            certificate.keep()
            yield RedfishSession(command)
        finally:
            _log_out(command)
    except (PyghmiException, OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as fault:
        raise _explained(bmc, request.action, fault) from fault


class _Certificate:
    """The judgement of the BMC's certificate, which pyghmi asks for at every connection."""

    def __init__(self, bmc: BmcAddress) -> None:
        self._bmc = bmc
        self._file = Path(bmc.pin) if bmc.pin else None
        pinned = self._file.read_text().strip() if self._file and self._file.exists() else ""
        self._wanted = bmc.fingerprint or pinned
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
        """Pin what was seen at a login that worked, where nothing is pinned yet. Raises PowerError."""
        if not self._file or self._wanted or not self._bmc.verify:
            return
        try:
            outputs.write(self._file, self._seen + "\n", mode=0o600)
        except FileError as fault:
            sentence = f"the certificate of BMC {self._bmc.address} cannot be kept: {fault}"
            raise PowerError(sentence, hint=fault.hint, code=fault.code) from fault


def _log_in(bmc: BmcAddress, certificate: _Certificate) -> RedfishCommand:
    """A session (DSP0266, session login authentication), or Basic authentication where it has none."""
    from pyghmi.exceptions import PyghmiException
    from pyghmi.redfish.command import Command

    class WithSession(Command):  # type: ignore[misc]
        """pyghmi forgets where its session is and never ends it; a BMC has few."""

        session = ""

        def _get_session_token(self, wc: WebConnection) -> None:
            grab = wc.grab_rsp

            def noted(*arguments: object) -> http.client.HTTPResponse:
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

    command: RedfishCommand = WithSession(
        bmc.address, bmc.user, bmc.password, certificate.accepts, port=bmc.port
    )
    if not command.sysurl or not command.powerurl:
        _log_out(command)
        raise process.failed(bmc, "the login", "it shows no system that can be reset")
    return command


def _log_out(command: RedfishCommand) -> None:
    """A session that cannot be ended lapses by itself; the act's own result counts."""
    if command.session and command.xauthtoken:
        with suppress(OSError, http.client.HTTPException, ValueError):
            command.wc.grab_json_response_with_status(command.session, method="DELETE")


def _explained(bmc: BmcAddress, action: str, fault: Exception) -> PowerError:
    from pyghmi.exceptions import PyghmiException

    reason = " ".join(str(fault).split())
    wrong = ("Access Denied", "Unauthorized", "NoValidSession", "InsufficientPrivilege", "AccountLocked")
    text = f"{reason} {getattr(fault, 'msgid', '')}".lower()
    if any(word.lower() in text for word in wrong):
        return process.refused(bmc)
    if isinstance(fault, ssl.SSLError):
        return process.failed(bmc, "the login", f"no TLS on port {bmc.port}: {fault.reason or reason}")
    if isinstance(fault, OSError | http.client.HTTPException):
        return process.silent(bmc, RedfishDriver.transport)
    kind = "it gave no reason" if isinstance(fault, PyghmiException) else type(fault).__name__
    return process.failed(bmc, action, reason or kind)


class RedfishSession:
    """One login; each method is an act on the BMC's first system."""

    def __init__(self, command: RedfishCommand) -> None:
        self._command = command

    def state(self) -> PowerResult:
        """PowerState; what is neither `On` nor `Off` (PoweringOn, PoweringOff, Paused) is unknown."""
        state = str(self._command.get_power()["powerstate"])
        return PowerResult(state if state in ("on", "off") else "unknown")

    def on(self) -> PowerResult:
        """Power on and see it on."""
        return self._switch("on")

    def off(self) -> PowerResult:
        """ForceOff, and see it off."""
        return self._switch("off")

    def reset(self) -> PowerResult:
        """ForceRestart; a host that is off is powered on."""
        if self.state().state != "on":
            return self.on()
        self._command.set_power("reset")
        # emulators and some BMCs show it off for a moment
        return process.switch(self.state, lambda: None, "on", SETTLE)

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Set the override and read it back."""
        self._command.set_bootdev(DEVICES[device], persist=not once, uefiboot=uefi)
        read_back, enabled = self._read_boot()
        result = process.judged(device, read_back)
        wanted = "Once" if once else "Continuous"
        if not result.confirmed or read_back == "default" or enabled == wanted:
            return result
        often = "for every start" if enabled == "Continuous" else f"as {enabled}"
        note = f"asked for {device} {wanted.lower()}, the BMC holds it {often}"
        return BootResult(result.device, True, note)

    def get_boot(self) -> BootResult:
        """Read the override."""
        return process.boot_result(self._read_boot()[0])

    def _switch(self, wanted: str) -> PowerResult:
        return process.switch(self.state, lambda: self._command.set_power(wanted), wanted, SETTLE)

    def _read_boot(self) -> tuple[str, str]:
        """Device and BootSourceOverrideEnabled. Read here: pyghmi's own reading answers from a cache of
        30 s, so from before the change, and refuses a BMC that shows no mode."""
        boot = self._command._do_web_request(self._command.sysurl, cache=False).get("Boot") or {}
        target = str(boot.get("BootSourceOverrideTarget") or "None")
        enabled = str(boot.get("BootSourceOverrideEnabled") or "Disabled")
        return ("default" if enabled == "Disabled" else TARGETS.get(target, target)), enabled


if __name__ == "__main__":
    process.serve(session)
