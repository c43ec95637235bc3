"""Draw the pages into a folder: `python -m tests.wire.web.pages.programs.screenshots docs/pages`."""

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir

from playwright.sync_api import Browser, Page

from provisioner import run
from provisioner.domain.stage import Stage
from provisioner.site.site import Site
from provisioner.state import alive
from provisioner.web.pages import live
from tests import pagelab, walked
from tests.wire.web.pages import browserlab, every_page
from tests.wire.web.pages.browserlab import DESK, PHONE, Theme

STATE = Path(gettempdir(), "provisioner-pages")  # pages name it: it is called the same each time
PAST, WRITING = ("vc-0119", "vc-0120", "vc-0014"), "vc-0014"  # deployed before; under way now
CHOSEN = ("vc-0005", "vc-0010", "vc-0011", "vc-0013")
PAGES = {
    "login": "/login",
    "now": "/",
    "hosts": "/hosts",
    "host": f"/hosts/{WRITING}",
    "host-deploy": "/hosts/vc-0013/deploy",
    "host-edit": "/hosts/vc-0013/edit",
    "host-import": "/hosts/import",
    "preflight": "/hosts",
    "deployment": f"/deployments/{WRITING}",
    "deployment-cancel": f"/deployments/{WRITING}/cancel",
    "runs": "/runs",
    "run": f"/runs/{every_page.RUN}#hosts",
    "network": "/network",
    "network-machine": f"/network/machines/{every_page.STRANGER}",
    "images": "/images",
    "image": every_page.EXAMPLES["/images/<name>"],
    "image-diff": "/images/diff",
    "reports": "/reports",
    "report": f"/reports/{every_page.REPORT}",
    "racks": "/reports/racks",
    "twins": "/reports/twins",
    "rehearsals": "/rehearsals",
    "rehearsal": f"/rehearsals/{every_page.REHEARSAL}",
    "admin": "/admin",
    "admin-users": "/admin/users",
    "user": "/admin/users/ann",
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


class _Clock:
    """It stands still but where whoever tells what happened moves it on."""

    def __init__(self, now: float) -> None:
        self._now = now

    def __call__(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """So many seconds later."""
        self._now += seconds


def deploy(site: Site) -> None:
    """Three hosts, some days ago, so that it is known how long stages take; and one that is written now."""
    now = site.clock
    site.clock = past = _Clock(now() - 2 * pagelab.DAY)
    for name in PAST:
        walked.walk(site, name, past.advance)
    site.clock = past = _Clock(now() - 370)  # what follows takes a second or two less
    row = walked.walk(site, WRITING, past.advance, Stage.WRITING)
    walked.write(site, row, past.advance)
    site.clock = now


def hold(site: Site) -> None:
    """Let it be now for as long as it takes to draw: nobody falls silent, nothing takes too long."""
    site.clock = site.real_time = _Clock(site.clock())
    alive.mark_alive(site.settings.state, site.clock())


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
        if name == "preflight":
            _choose(made.page)
        made.page.wait_for_timeout(200)  # for what is drawn by a script
        made.page.screenshot(path=folder / f"{name}-{where}-{theme}.png")


def _choose(page: Page) -> None:
    """Some of the hosts that are listed, to see what would be done with them."""
    for name in CHOSEN:
        page.check(f"#c-{name}")
    with page.expect_navigation():
        page.click("[name=scope][value=chosen]")


@contextmanager
def made_folder(folder: Path) -> Iterator[Path]:
    """A new one, which goes once nobody reads it: a stream ends at the next word that nobody takes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    before = set(threading.enumerate())
    try:
        yield folder
        until = time.monotonic() + 2 * live.HEARTBEAT + live.STALE
        for thread in set(threading.enumerate()) - before:
            thread.join(max(0.0, until - time.monotonic()))
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Into the folder that is named."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with browserlab.started() as browser, made_folder(STATE) as around:
        site = pagelab.made_site(around / "state")
        every_page.fill(site)
        hold(site)
        deploy(site)
        with pagelab.served(site) as url:
            draw(browser, url, site, folder)
    drawn = sorted(folder.glob("*.png"))
    run.run(
        ["pngquant", "--force", "--ext", ".png", "--speed", "1", "--strip", "64", *drawn], timeout=600
    )  # colours


if __name__ == "__main__":
    main()
