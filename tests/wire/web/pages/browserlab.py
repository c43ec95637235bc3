"""Debian's Chromium, driven by Playwright, and what must hold of whatever page it shows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright

from provisioner.domain.person import Role
from provisioner.site.site import Site
from provisioner.web import session
from tests.access import token_of

# without the windows of its own that Chromium draws though nobody sees them, a third less of a processor
CHROMIUM = shutil.which("chromium-headless-shell") or "/usr/bin/chromium-headless-shell"
AXE = Path(__file__).with_name("vendored") / "axe.min.js"
DESK, PHONE = ViewportSize(width=1280, height=800), ViewportSize(width=360, height=740)
PATIENCE = 30_000.0  # milliseconds, on a machine that does other things
expect.set_options(timeout=PATIENCE)
Theme = Literal["light", "dark"]


@contextmanager
def started(program: str | Path = CHROMIUM) -> Iterator[Browser]:
    """The browser itself; its profile is forgotten afterwards."""
    with sync_playwright() as playwright:
        # root has no sandbox of its own; nothing but our own pages is read
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Window:
    """One person's window: what it said on its console, and which answers were no answers."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)

    @property
    def page(self) -> Page:
        """The one tab."""
        return self.context.pages[0]

    def open(self, path: str, until: Literal["load", "commit"] = "load") -> Page:
        """Read a page to its end, or only until the service has answered."""
        reply = self.page.goto(self.url + path, wait_until=until)
        assert reply is not None and reply.status == 200, f"{path}: {reply and reply.status}"
        return self.page

    def violations(self, theme: Theme) -> list[str]:
        """What axe-core finds on the page, in this theme."""
        self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(f"() => {{ {AXE.read_text()} }}")  # not as a script: the policy forbids it
        found = self.page.evaluate("() => axe.run({resultTypes: ['violations']})")
        return [
            f"{self.page.url} {theme}: {one['id']}: {node['html'][:120]} {node['failureSummary'][:200]}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def is_within_its_width(self) -> bool:
        """Whether nobody has to scroll sideways."""
        wide: int = self.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        return wide <= 0

    def shift(self) -> float:
        """How far the layout has shifted by itself since the page was opened (CLS)."""
        script = """() => new Promise(done => {
            let sum = 0;
            const seen = new PerformanceObserver(list => {});
            seen.observe({type: 'layout-shift', buffered: true});
            setTimeout(() => {
              for (const one of seen.takeRecords()) if (!one.hadRecentInput) sum += one.value;
              done(sum);
            }, 50);
        })"""
        moved: float = self.page.evaluate(script)
        return moved


@contextmanager
def window(
    browser: Browser,
    url: str,
    site: Site | None = None,
    *,
    role: Role = Role.ADMIN,
    phone: bool = False,
    script: bool = True,
) -> Iterator[Window]:
    """A window of somebody with this role; of somebody unknown where no site is given."""
    context = browser.new_context(
        ignore_https_errors=True,
        viewport=PHONE if phone else DESK,
        has_touch=phone,
        java_script_enabled=script,
    )
    context.set_default_timeout(PATIENCE)
    if site is not None:
        cookie = {"name": session.COOKIE, "value": token_of(site, role), "url": url}
        context.add_cookies([{**cookie, "secure": True, "httpOnly": True, "sameSite": "Strict"}])  # type: ignore[typeddict-item]
    made = Window(context, url)
    page = context.new_page()
    page.on(
        "console",
        lambda said: made.complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda fault: made.complaints.append(str(fault)))
    try:
        yield made
    finally:
        context.close()
