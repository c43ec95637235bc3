"""A deployment's recorded serial console, for the command line: below /api/v1 like all that operators ask."""

import base64
import re

from flask import Response, request

from provisioner.domain.deployment import Deployment
from provisioner.domain.host import Bmc
from provisioner.domain.stage import ACTIVE, RESTING, Stage
from provisioner.errors import NotFoundError, PowerError
from provisioner.power import registry
from provisioner.state.recording import LIMIT, Recording
from provisioner.web.operators import api
from provisioner.web.request import answer, await_news, routes_for_operators, the_site

routes = routes_for_operators("consoles")
MOST = 256 << 10  # bytes in one answer


@routes.get("/deployments/<path:ident>/console")
def console(ident: str) -> Response:
    """Bytes from `offset`, or the last `lines`; at once or as soon as there are some within `wait` seconds.

    `live` says whether more may come; what a full recording kept of its newest bytes is `newest`.
    """
    row = api.find_deployment(ident)
    recording = Recording(the_site().settings.state, row.id)
    lines, offset = _number("lines"), _number("offset")
    start = recording.line_start(lines) if lines else offset

    def look() -> tuple[bytes, bool]:
        live = _is_live(row.id, recording)  # asked first: what comes later is seen by the next look
        return recording.read(start, MOST), live

    data, live = await_news(look, lambda seen: bool(seen[0]) or not seen[1])
    if not data and not live and not offset:
        _explain(row, recording)
    end = start + len(data)
    return answer(
        deployment=api.public(row),
        data=_text(data),
        offset=end,
        live=live,
        newest=_text(recording.newest() if end >= LIMIT else b""),
        marks=[mark.as_line() for mark in recording.marks()],
    )


def _number(name: str) -> int:
    text = request.args.get(name, "")
    return int(text) if re.fullmatch(r"\d{1,12}", text) else 0


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _is_live(ident: str, recording: Recording) -> bool:
    """Whether it is recorded now, or will be."""
    row = the_site().database.deployments.get(ident)
    bmc = the_site().database.hosts.get(row.host).bmc
    is_wanted = row.stage not in RESTING and registry.console_driver(bmc) is not None
    return is_wanted or recording.is_running()


def _explain(row: Deployment, recording: Recording) -> None:
    """Why there is nothing to show. Raises NotFoundError (PV-138), or PowerError with the BMC's words."""
    bmc = the_site().database.hosts.get(row.host).bmc
    marks = recording.marks()
    if marks and marks[-1].mark == "lost":
        raise PowerError(marks[-1].sentence, hint=marks[-1].hint, code=marks[-1].code)
    if marks:
        sentence = f"the console of {row.host} said nothing during {row.id}"
        hint = "switch console redirection to the serial port on in the firmware, at the BMC's speed"
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
