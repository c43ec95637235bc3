"""The table of what hosts fetch and report; the live installer has its own, `installer.py`."""

from collections.abc import Callable, Mapping

from flask import Blueprint, Response

from provisioner.agent.protocol import PREFIX
from provisioner.deployment.boot import FILES
from provisioner.web.audience import LAN, MACHINES, Audience
from provisioner.web.machines import agent, boot, examination, images, phone_home

routes = Blueprint("machines", __name__)
ROUTES: tuple[tuple[str, str, Callable[..., Response], Audience], ...] = (
    ("GET", "/boot/<mac>/boot.ipxe", boot.boot_script, MACHINES),
    ("GET", f"{FILES}/<name>", boot.boot_file, LAN),
    ("POST", f"{PREFIX}/hello", agent.hello, MACHINES),
    ("POST", f"{PREFIX}/inventory", agent.inventory, MACHINES),
    ("POST", f"{PREFIX}/examination", examination.examination, MACHINES),
    ("POST", f"{PREFIX}/progress", agent.progress, MACHINES),
    ("POST", f"{PREFIX}/log", agent.agent_log, MACHINES),
    ("POST", f"{PREFIX}/written", agent.written, MACHINES),
    ("POST", f"{PREFIX}/restarting", agent.restarting, MACHINES),
    ("POST", f"{PREFIX}/failed", agent.failed, MACHINES),
    ("GET", "/images/<ident>/<part>", images.image_part, MACHINES),
    ("POST", "/phone-home/v1", phone_home.phone_home, MACHINES),
)
for _method, _path, _view, _ in ROUTES:
    routes.add_url_rule(_path, view_func=_view, methods=[_method])
AUDIENCES: Mapping[str, Audience] = {f"machines.{view.__name__}": for_whom for *_, view, for_whom in ROUTES}
