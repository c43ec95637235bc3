"""Draw the pages into a folder: `python -m tests.wire.web.pages.programs.screenshots docs/pages`."""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser

from provisioner import run
from provisioner.site.site import Site
from provisioner.state import alive
from tests import pagelab
from tests.wire.web.pages import browserlab, every_page
from tests.wire.web.pages.browserlab import DESK, PHONE, Theme

PAGES = {
    "login": "/login",
    "now": "/",
    "hosts": "/hosts",
    "host": "/hosts/vc-0004",
    "host-deploy": "/hosts/vc-0013/deploy",
    "host-import": "/hosts/import",
    "deployment": "/deployments/vc-0004",
    "runs": "/runs",
    "run": f"/runs/{every_page.RUN}",
    "network": "/network",
    "images": "/images",
    "reports": "/reports",
    "rehearsals": "/rehearsals",
    "admin": "/admin",
    "admin-users": "/admin/users",
    "admin-audit": "/admin/audit",
    "admin-settings": "/admin/settings",
    "account": "/account",
    "explain": "/explain/PV-342",
    "rack": "/t",
    "rack-host": "/t/host/vc-0013",
    "rack-deploy": "/t/host/vc-0013/deploy",
    "rack-steps": "/t/host/vc-0005/steps",
    "rack-label": "/t/host/vc-0008/label",
}


def draw(browser: Browser, url: str, site: Site, folder: Path) -> None:
    """Each page, at a desk and on a phone, light and dark."""
    for is_phone in (False, True):
        for theme in ("light", "dark"):
            with browserlab.window(browser, url, site, phone=is_phone) as made:
                _draw_all(made, theme, folder, "phone" if is_phone else "desk")


def _draw_all(made: browserlab.Window, theme: Theme, folder: Path, where: str) -> None:
    made.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    made.page.set_viewport_size(PHONE if where == "phone" else DESK)
    for name, path in PAGES.items():
        made.open(path)
        made.page.wait_for_timeout(200)  # for what is drawn by a script
        made.page.screenshot(path=folder / f"{name}-{where}-{theme}.png")


def main() -> None:
    """Into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as around, browserlab.started() as browser:
        site = pagelab.made_site(Path(around, "state"))
        every_page.fill(site)
        alive.mark_alive(site.settings.state, time.time())
        with pagelab.served(site) as url:
            draw(browser, url, site, folder)
    drawn = sorted(folder.glob("*.png"))
    run.run(["pngquant", "--force", "--ext", ".png", "--speed", "1", "--strip", "64", *drawn])  # colours


if __name__ == "__main__":
    main()
