"""A deployment's recorded serial console, as it grows."""

import base64

from provisioner.api.console import ConsoleMark, ConsoleOutput, ConsoleQuery
from provisioner.api.deployments import DeploymentStatus
from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Bmc
from provisioner.domain.stage import ACTIVE, RESTING, Stage
from provisioner.errors import NotFoundError, PowerError, UnreadableError
from provisioner.power import registry
from provisioner.state.recording import LIMIT, Recording
from provisioner.web.operators import deployments
from provisioner.web.request import await_change, the_site

LARGEST_ANSWER = 256 << 10  # bytes


def show(ident: str, query: ConsoleQuery) -> ConsoleOutput:
    """Its serial console from `offset`, or the last `lines`; waits where there is nothing new."""
    site = the_site()
    row = deployments.find(site, ident)
    recording = Recording(site.settings.state, row.id)
    start = recording.line_start(query.lines) if query.lines else query.offset

    def look() -> tuple[bytes, bool]:
        live = _is_live(row.id, recording)  # asked first: what comes later is seen by the next look
        return recording.read(start, LARGEST_ANSWER), live

    data, live = await_change(look, lambda seen: bool(seen[0]) or not seen[1], query.wait)
    if not data and not live and not query.offset:
        _explain(row, recording)
    end = start + len(data)
    return ConsoleOutput(
        deployment=DeploymentStatus.model_validate(row),
        data=_base64(data),
        offset=end,
        live=live,
        newest=_base64(recording.newest() if end >= LIMIT else b""),
        marks=tuple(ConsoleMark.model_validate(mark.as_line()) for mark in recording.marks()),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _is_live(ident: str, recording: Recording) -> bool:
    """Whether the console is being recorded, or may be while the deployment goes on."""
    row = the_site().database.deployments.get(ident)
    bmc = _bmc_of(row)
    is_wanted = row.stage not in RESTING and bmc is not None and registry.console_driver(bmc) is not None
    return is_wanted or recording.is_running()


def _bmc_of(row: Deployment) -> Bmc | None:
    """None where its host was removed since, or cannot be read: its recording can be, all the same."""
    if row.of_former_host:
        return None
    try:
        return the_site().database.hosts.get(row.host).bmc
    except (NotFoundError, UnreadableError):
        return None


def _explain(row: Deployment, recording: Recording) -> None:
    """Why there is nothing to show. Raises NotFoundError (PV-138), or PowerError with the BMC's words."""
    bmc = _bmc_of(row)
    marks = recording.marks()
    if marks and marks[-1].mark == "lost":
        raise PowerError(marks[-1].sentence, hint=marks[-1].hint, code=marks[-1].code)
    if marks:
        sentence = f"the console of {row.host} said nothing during {row.id}"
        hint = "switch console redirection to the serial port on in the firmware, at the BMC's speed"
    elif bmc is None:
        sentence = f"the console of {row.host} was not recorded during {row.id}"
        hint = "the host is known no more: only what was recorded then can be read"
    elif registry.console_driver(bmc) is None:
        sentence, hint = _absent(row.host, bmc)
    elif row.stage in ACTIVE or row.stage == Stage.QUEUED:
        sentence, hint = (
            f"{row.host} is {row.stage}: its console is not recorded yet",
            "--follow waits for it",
        )
    else:
        sentence = f"the console of {row.host} was not recorded during {row.id}"
        hint = "it was never powered on, or an older release deployed it"
    raise NotFoundError(sentence, hint=hint, code=138)


def _absent(host: str, bmc: Bmc) -> tuple[str, str]:
    """Sentence and hint where a host's console cannot be had."""
    driver = registry.find(bmc.driver, host)
    if not driver.has_bmc:
        return f"{host} has no BMC, so its console cannot be recorded", "look at its screen"
    if bmc.console == "none":
        return f"the inventory says that the console of {host} is not recorded", "bmc: {console: ipmi}"
    return (
        f"the BMC of {host} is driven by {driver.title}, which has no serial console",
        "where it speaks IPMI too, say so in the inventory: bmc: {console: ipmi}",
    )
