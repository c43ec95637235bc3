"""What is said after something was done: once, as long as it is so, and whatever the browser sends again."""

from collections.abc import Iterator

import pytest

from provisioner.domain.person import Role
from provisioner.site.site import Site
from tests import pagelab
from tests.unit.conftest import Clock
from tests.unit.web.hosts_lab import As, Browser, browsers, words

NAME = "vc-0013"
PASSWORD = "correct horse battery"


@pytest.fixture
def browser(site: Site) -> Iterator[As]:
    pagelab.fill(site)
    with browsers(site) as found:
        yield found


def led(browser: Browser, path: str, **form: object) -> str:
    """To where a form leads, which is a page that can be read anew."""
    reply = browser.post(path, **form)
    assert reply.status_code == 303, reply.text[-600:]
    return str(reply.headers["Location"])


def test_a_lock_is_told_while_it_is_locked(browser: As) -> None:
    operator = browser(Role.OPERATOR)
    there = led(operator, f"/hosts/{NAME}/lock")
    assert "It is locked: nobody can deploy" in operator.see(there)
    led(operator, f"/hosts/{NAME}/unlock")
    assert "It is locked: nobody can deploy" not in operator.see(there)


def test_news_is_none_after_a_minute(browser: As, clock: Clock) -> None:
    operator = browser(Role.OPERATOR)
    there = led(operator, f"/hosts/{NAME}/rename", name="vc-77")
    assert "It has its new name" in operator.see(there)
    clock.now += 61
    assert "It has its new name" not in operator.see_anew(there)
    for forged in ("told=moved", "told=moved&at=x", f"told=moved&at={'9' * 5000}", "told=moved&at=0"):
        assert "It is the other machine now" not in operator.see(f"/hosts/vc-77?{forged}")


def test_what_was_done_to_a_person_is_told(browser: As) -> None:
    admin = browser(Role.ADMIN)
    there = led(admin, "/admin/users", name="mia", role="technician")
    assert "mia was added with the role technician." in words(admin.see(there))
    there = led(admin, "/admin/users/mia/role", role="operator")
    assert "mia has the role operator now." in words(admin.see(there))
    there = led(admin, "/admin/users/mia/password", password=PASSWORD, again=PASSWORD)
    assert "The password of mia was set." in words(admin.see(there))
    there = led(admin, "/admin/users/mia/remove", confirmation="mia")
    assert "mia was removed" in words(admin.see(there))
    assert "a-viewer was removed" not in words(admin.see(there.replace("mia", "a-viewer")))


def test_what_was_done_with_a_bmc_login_is_told(browser: As) -> None:
    operator = browser(Role.OPERATOR)
    login = {"name": "rack", "user": "admin", "password": "S3cret-of-bmc"}
    for verb in ("kept", "replaced"):
        said = words(operator.see(led(operator, "/admin/logins", **login)))
        assert f"The login rack was {verb}. 0 hosts can use it." in said
    there = led(operator, "/admin/logins/remove", name="rack", confirmation="rack")
    assert "The login rack was removed." in words(operator.see(there))
