"""Pages of acceptance reports, of racks and twins, and of rehearsals that are kept."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from provisioner.certificate import canonical
from provisioner.cli import rehearse
from provisioner.domain.host import Bmc, Host
from provisioner.domain.person import Role
from provisioner.domain.rehearsal import SCENARIOS
from provisioner.lab import fleet, reimaging, scenarios
from provisioner.site.site import Site
from provisioner.state.acceptance_reports import StoredReport
from provisioner.state.notify import Listener
from provisioner.state.users import UserRow
from provisioner.web.application import create_app
from provisioner.web.session import COOKIE
from tests import certificates, kept_rehearsals, signed_reports
from tests.access import token_of

SCRIPT = "<script>alert(1)</script>"
Ask = Callable[[str], TestResponse]


@pytest.fixture
def client(site: Site) -> Iterator[FlaskClient]:
    with site.database.writing():
        for role in Role:
            site.database.users.put(UserRow(name=f"a-{role}", role=role))
    with Listener(site.settings.state, "api") as listener:
        yield create_app(site, listener, "api").test_client()


@pytest.fixture
def ask(site: Site, client: FlaskClient) -> Ask:
    """A page as a viewer sees it."""
    token = token_of(site, user="a-viewer")

    def asked(path: str) -> TestResponse:
        client.set_cookie(COOKIE, token, domain="localhost", secure=True)
        return client.get(path, base_url="https://localhost")

    return asked


def put_hosts(site: Site) -> None:
    hosts = [
        Host(
            name=f"vc-{number:04}",
            macs=(f"ac:1f:6b:0a:42:{number:02x}",),
            profile="cube",
            rack=f"B{number // 3}/U{number}",
            bmc=Bmc(driver="manual"),
        )
        for number in range(1, 6)
    ]
    site.database.put_inventory(hosts, [], site.settings.hosts_range)


def put_reports(site: Site) -> dict[str, StoredReport]:
    """Two hosts in two racks, the second of which was rejected last."""
    put_hosts(site)
    now = site.clock()
    return {
        "good": signed_reports.put(
            site, certificates.healthy(), "vc-0001", "a-20261129-0001", created=now - 60
        ),
        "bad": signed_reports.put(
            site, certificates.rejected(), "vc-0004", "a-20261129-0004", created=now - 30
        ),
        "old": signed_reports.put(
            site, certificates.healthy(), "vc-0004", "a-20260901-0004", created=now - 9e6
        ),
    }


def test_before_the_first_report_it_is_said_how_one_comes_about(ask: Ask) -> None:
    page = ask("/reports").text
    assert "provision verify HOST" in page and 'class="filters"' not in page, "nothing is there to filter"
    assert 'class="filters"' in ask("/reports?host=vc-9").text
    assert "No host of this profile has been verified" in ask("/reports/twins").text
    assert "vc-1" in ask("/reports/racks").text and "never deployed" in ask("/reports/racks").text


def test_reports_are_listed_newest_first_and_filtered_by_the_address(site: Site, ask: Ask) -> None:
    put_reports(site)
    page = ask("/reports").text
    assert page.index("a-20261129-0004") < page.index("a-20261129-0001") < page.index("a-20260901-0004")
    assert "1 outlier, 1 worse than before" in page and "like 7 twins" in page
    for query, seen, others in (
        ("verdict=rejected", "a-20261129-0004", "a-20261129-0001"),
        ("rack=B0", "a-20261129-0001", "a-20261129-0004"),
        ("host=0004&verdict=accepted", "a-20260901-0004", "a-20261129-0004"),
    ):
        page = ask(f"/reports?{query}").text
        assert seen in page and others not in page, query
    assert "No report is like that" in ask("/reports?rack=B9").text
    assert "No report is like that" in ask("/reports?page=2").text
    assert "a-20261129-0001" in ask("/reports?page=x&verdict=none-such").text


def test_one_report_tells_verdict_measurements_and_signature(site: Site, ask: Ask) -> None:
    put_reports(site)
    page = ask("/reports/a-20261129-0004").text
    assert "This unit must not be delivered as it is." in page
    assert page.index("Needs attention") < page.index("Checks")
    assert "reseat the GPU in slot 3" in page and "8 lanes" in page and "≥ 16 lanes" in page
    assert "GPU 6: 84 °C, the median of 63 others is 78 °C" in page
    assert "Signing key" in page and "provision certificate verify" in page
    for state in ("failed", "left out", "warning", "passed"):
        assert state in page
    assert ask("/reports/a-none-such").status_code == 404


def test_files_are_saved_under_names_that_say_what_they_are(site: Site, ask: Ask) -> None:
    stored = put_reports(site)["good"]
    wanted = {
        "pdf": (b"%PDF-", "application/pdf"),
        "html": (b"<!DOCTYPE html>", "text/html; charset=utf-8"),
        "json": (stored.body.encode()[:40], "application/json"),
        "json.minisig": (b"untrusted comment:", "text/plain; charset=utf-8"),
    }
    for suffix, (begins, media_type) in wanted.items():
        reply = ask(f"/reports/{stored.id}.{suffix}")
        assert reply.status_code == 200 and reply.data.startswith(begins)
        assert reply.headers["Content-Type"] == media_type
        name = f"vc-0001-{stored.id}.{suffix}"
        assert reply.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert "script-src" not in reply.headers["Content-Security-Policy"]
        assert ask(f"/reports/a-none-such.{suffix}").status_code == 404
    reply = ask(f"/reports/{stored.id}.html")
    assert "style-src 'unsafe-inline'; img-src data:" in reply.headers["Content-Security-Policy"]
    assert ask(f"/reports/{stored.id}.json").data == stored.body.encode()
    assert ask(f"/reports/{stored.id}.json.minisig").text == stored.signature
    assert canonical.read(ask(f"/reports/{stored.id}.json").data).report_id == stored.id


def test_a_damaged_signature_is_a_page_that_says_so(site: Site, ask: Ask) -> None:
    put_reports(site)
    with site.database.writing() as db:
        db.execute("UPDATE acceptance_reports SET signature = 'gone'")
    for suffix in ("", ".pdf", ".html"):
        reply = ask(f"/reports/a-20261129-0001{suffix}")
        assert reply.status_code >= 400 and "signature" in reply.text and "PV-561" in reply.text


def test_what_a_machine_says_of_itself_is_never_markup(site: Site, ask: Ask) -> None:
    put_hosts(site)
    hostile = certificates.healthy(
        operator=SCRIPT,
        subject=certificates.subject(serial='"><img src=x onerror=alert(1)>', product=SCRIPT),
        gpus=tuple(certificates.gpu(n, name=SCRIPT, vbios=SCRIPT) for n in range(8)),
    )
    signed_reports.put(site, hostile, "vc-0001", "a-20261129-0001", created=site.clock())
    for path in ("/reports", "/reports/a-20261129-0001", "/reports/racks", "/reports/twins"):
        page = ask(path).text
        assert SCRIPT not in page and "<img" not in page, path
    assert "&lt;script&gt;" in ask("/reports/a-20261129-0001").text
    assert SCRIPT not in ask(f"/reports?host={SCRIPT}&rack={SCRIPT}&verdict={SCRIPT}").text


def test_racks_show_each_host_with_its_newest_verdict(site: Site, ask: Ask) -> None:
    put_reports(site)
    page = ask("/reports/racks").text
    assert page.index("B0") < page.index("B1") < page.index("Without a rack")
    rack = page[page.index(">B1<") : page.index("Without a rack")]
    assert "0 of 3 accepted" in rack and "/reports/a-20261129-0004" in rack and "U4" in rack
    assert "a-20260901-0004" not in page


def test_the_sheet_of_a_rack_is_a_pdf(site: Site, ask: Ask) -> None:
    put_reports(site)
    one = ask("/reports/racks.pdf?rack=B1")
    assert one.data.startswith(b"%PDF-") and one.headers["Content-Type"] == "application/pdf"
    assert 'filename="rack-B1-2027-01-15.pdf"' in one.headers["Content-Disposition"]
    assert ask("/reports/racks.pdf?rack=").headers["Content-Disposition"].count("rack-without-rack")
    every = ask("/reports/racks.pdf")
    assert every.data.startswith(b"%PDF-") and every.data.count(b"/Type /Page\n") == 4
    assert ask("/reports/racks.pdf?rack=B9").status_code == 404


def test_a_twin_that_is_slower_stands_out(site: Site, ask: Ask) -> None:
    put_hosts(site)
    for number in range(1, 6):
        gpus = list(certificates.healthy().gpus)
        if number == 3:
            slow = gpus[2].measured[0].model_copy(update={"value": 31.5})
            gpus[2] = gpus[2].model_copy(update={"measured": (slow, *gpus[2].measured[1:])})
        report = certificates.healthy(gpus=tuple(gpus))
        signed_reports.put(site, report, f"vc-{number:04}", f"a-20261129-{number:04}", created=site.clock())
    page = ask("/reports/twins?profile=cube").text
    strange = page[page.index("Stands out") : page.index('id="all"')]
    assert "vc-0003" in strange and "31.5" in strange and "vc-0002" not in strange
    assert page.count("stands out: ") == 1


def keep(site: Site, name: str = "one", **other: object) -> Path:
    folder = site.settings.state / "rehearsals"
    found = kept_rehearsals.report(**other)  # type: ignore[arg-type]
    return kept_rehearsals.keep(folder, name, found, ended=site.clock() - 60)


def test_without_rehearsals_it_is_said_how_one_is_kept(site: Site, ask: Ask) -> None:
    assert f"provision rehearse --archive {site.settings.state}/rehearsals" in ask("/rehearsals").text


def test_rehearsals_are_listed_and_each_has_a_page(site: Site, ask: Ask) -> None:
    keep(site)
    keep(site, "two", scenario="power-cut", is_good=False)
    page = ask("/rehearsals").text
    assert "power-cut" in page and "not as it must be" in page and "9 m 21 s" in page
    assert "writing 1 m 17 s" in page, "stages are told in words, too"
    page = ask("/rehearsals/two").text
    assert "the stranger&#39;s disk: as seen" in page and "all is well" in page and "vault login:" in page
    assert "\x1b" not in page and 'src="/rehearsals/two/screens/vault-1.png"' in page
    assert ask("/rehearsals/three").status_code == 404


def test_only_who_may_order_is_shown_how_to_rehearse(site: Site, client: FlaskClient, ask: Ask) -> None:
    keep(site)
    assert "copy a command" not in ask("/rehearsals").text
    client.set_cookie(COOKIE, token_of(site, user="a-operator"), domain="localhost", secure=True)
    page = client.get("/rehearsals", base_url="https://localhost").text
    assert "which this service is not allowed to do" in page
    assert all(
        f"provision rehearse {one.arguments} --archive".replace("  ", " ") in page for one in SCENARIOS
    )


def test_a_screen_is_a_png_of_that_folder_and_nothing_else(site: Site, ask: Ask) -> None:
    kept = keep(site)
    secret = site.settings.state / "secret.png"
    secret.write_bytes(kept_rehearsals.png())
    (kept / "link.png").symlink_to(secret)
    (kept / "away").symlink_to(site.settings.state)
    (kept / "script.png").write_text(SCRIPT)
    (kept / "notes.txt").write_text("notes")
    os.mkfifo(kept / "pipe.png")
    with (kept / "huge.png").open("wb") as huge:
        huge.write(kept_rehearsals.png())
        huge.truncate(9 << 20)
    reply = ask("/rehearsals/one/screens/vault-1.png")
    assert reply.headers["Content-Type"] == "image/png" and reply.data == kept_rehearsals.png()
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    for path in (
        *(
            "link.png",
            "away/secret.png",
            "../../secret.png",
            "..%2f..%2fsecret.png",
            "script.png",
            "pipe.png",
        ),
        *("huge.png", "notes.txt", "report.json", "service.log", "none.png", ".png", "a/b/c.png", "%00.png"),
    ):
        assert ask(f"/rehearsals/one/screens/{path}").status_code == 404, path
    assert ask("/rehearsals/../secret.png").status_code == 404
    page = ask("/rehearsals/one").text
    assert "link.png" not in page and "secret" not in page


def test_what_is_no_report_is_told_and_hides_no_other(site: Site, ask: Ask) -> None:
    keep(site)
    folder = site.settings.state / "rehearsals"
    for name, text in (("broken", "{"), ("other", "[]"), ("early", "")):
        (folder / name).mkdir()
        if text:
            (folder / name / "report.json").write_text(text)
    (folder / "linked").symlink_to(folder / "one")
    (folder / "file").write_text("")
    page = ask("/rehearsals").text
    assert page.count("unreadable") == 3 and "it has no report.json yet" in page and "linked" not in page
    assert all(ask(f"/rehearsals/{name}").status_code == 200 for name in ("broken", "other", "early"))


def test_what_a_rehearsal_says_is_never_markup(site: Site, ask: Ask) -> None:
    kept = keep(site, scenario=SCRIPT, label=SCRIPT, result='"><img src=x onerror=alert(1)>')
    (kept / "service.log").write_text(f"{SCRIPT}\x1b]0;title\x07\n")
    for path in ("/rehearsals", "/rehearsals/one"):
        page = ask(path).text
        assert SCRIPT not in page and "<img src=x" not in page and "\x1b" not in page


def test_every_scenario_of_the_lab_has_its_command() -> None:
    known = {
        **scenarios.SCENARIOS,
        **reimaging.SCENARIOS,
        **{one.name: one for one in fleet.SCENARIOS.values()},
    }
    assert {one.name for one in SCENARIOS} == set(known)
    for one in SCENARIOS:
        assert one.sentence == (known[one.name].__doc__ or "").strip()
        fault = one.arguments.partition("--fault ")[2]
        assert not fault or fault in (*rehearse.FAULTS, *rehearse.FLEET_FAULTS)
