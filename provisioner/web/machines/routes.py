"""The table of what hosts fetch and report; the live installer has its own, `installer.py`."""

from flask import Blueprint

from provisioner.agent.protocol import PREFIX
from provisioner.deployment.boot import FILES
from provisioner.web.machines import agent, boot, examination, images, phone_home

routes = Blueprint("machines", __name__)
ROUTES = (
    ("GET", "/boot/<mac>/boot.ipxe", boot.boot_script),
    ("GET", f"{FILES}/<name>", boot.boot_file),
    ("POST", f"{PREFIX}/hello", agent.hello),
    ("POST", f"{PREFIX}/inventory", agent.inventory),
    ("POST", f"{PREFIX}/examination", examination.examination),
    ("POST", f"{PREFIX}/progress", agent.progress),
    ("POST", f"{PREFIX}/log", agent.agent_log),
    ("POST", f"{PREFIX}/written", agent.written),
    ("POST", f"{PREFIX}/failed", agent.failed),
    ("GET", "/images/<ident>/<part>", images.image_part),
    ("POST", "/phone-home/v1", phone_home.phone_home),
)
for _method, _path, _view in ROUTES:
    routes.add_url_rule(_path, view_func=_view, methods=[_method])
