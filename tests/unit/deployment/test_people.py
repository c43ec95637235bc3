"""People, their tokens and passwords: who is believed, what it is worth, and who is told to ask whom."""

import pwd

import pytest

from provisioner.deployment import people
from provisioner.domain.person import ROOT, Caller, Role
from provisioner.errors import InputError, NotFoundError, RefusedError
from provisioner.site.site import Site
from provisioner.state import former_token
from provisioner.state.secrets import operator_token_file
from provisioner.state.users import UserRow
from provisioner.system import passwords
from provisioner.system.checksum import sha256_text
from tests.access import token_of

PASSWORD = "correct horse battery"
ADMIN = Caller(name=ROOT, role=Role.ADMIN, way="socket")
NOBODY = 65534


def add(site: Site, name: str, role: Role) -> UserRow:
    return people.put_user(site, ADMIN, name, role, is_new=True)


def refusal(fault: pytest.ExceptionInfo[RefusedError]) -> tuple[int, str]:
    return fault.value.code, fault.value.hint


def linux(monkeypatch: pytest.MonkeyPatch, **names: int) -> None:
    known = {number: name for name, number in names.items()}

    class Entry:
        def __init__(self, uid: int) -> None:
            self.pw_name = known[uid]

    monkeypatch.setattr(pwd, "getpwuid", Entry)


def written(site: Site) -> bytes:
    """Every byte of the database, its log included."""
    return b"".join(path.read_bytes() for path in site.settings.state.glob("provisioner.db*"))


# the Unix socket


def test_root_and_the_services_own_user_are_admins(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    linux(monkeypatch, root=0, provisioner=990)
    assert people.by_peer(site, 0, 990) == ADMIN
    assert people.by_peer(site, 990, 990) == Caller(name="provisioner", role=Role.ADMIN, way="socket")


def test_a_linux_user_has_the_role_of_his_name(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    linux(monkeypatch, ann=1000)
    add(site, "ann", Role.TECHNICIAN)
    assert people.by_peer(site, 1000, 0).role is Role.TECHNICIAN


def test_others_are_told_whom_to_ask(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    linux(monkeypatch, bob=1001)
    add(site, "ann", Role.ADMIN)
    for uid in (1001, 4711):
        with pytest.raises(RefusedError) as caught:
            people.by_peer(site, uid, 0)
        code, hint = refusal(caught)
        assert code == 700 and hint.startswith("ask ann or root for: provision user add")


def test_who_has_no_number_here_is_nobody_whatever_the_table_says(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel shows every user of another namespace as the same number."""
    linux(monkeypatch, nobody=NOBODY)
    with pytest.raises(InputError, match="nobody cannot be given a role"):
        add(site, "nobody", Role.ADMIN)
    with site.database.writing():
        site.database.users.put(UserRow(name="nobody", role=Role.ADMIN))
    with pytest.raises(RefusedError, match="does not know the Linux user"):
        people.by_peer(site, NOBODY, 0)


# tokens


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("own", Role)
def test_a_token_is_worth_the_lower_of_its_role_and_its_users(site: Site, role: Role, own: Role) -> None:
    add(site, "ann", own)
    found = people.by_token(site, token_of(site, role, user="ann"))
    assert (found.name, found.role) == ("ann", min(role, own, key=lambda each: each.rank))


def test_a_token_falls_with_its_user(site: Site) -> None:
    add(site, "ann", Role.ADMIN)
    token = token_of(site, user="ann")
    people.put_user(site, ADMIN, "ann", Role.VIEWER, is_new=False)
    assert people.by_token(site, token).role is Role.VIEWER
    people.remove_user(site, ADMIN, "ann")
    add(site, "ann", Role.ADMIN)
    with pytest.raises(RefusedError) as caught:
        people.by_token(site, token)
    assert caught.value.code == 601, "nor does it rise with the next one of that name"


def test_one_that_has_expired_is_told_from_one_that_never_was(site: Site) -> None:
    token = token_of(site, seconds=10)
    site.clock.now += 9.9  # type: ignore[attr-defined]
    assert people.by_token(site, token).name == ROOT
    site.clock.now += 0.1  # type: ignore[attr-defined]
    for text, code in ((token, 708), ("", 601), (token + "x", 601), (sha256_text(token), 601)):
        with pytest.raises(RefusedError) as caught:
            people.by_token(site, text)
        assert refusal(caught) == (
            code,
            "provision login https://10.77.0.1; for programs: provision token create",
        )


def test_only_the_hash_of_a_token_is_kept(site: Site) -> None:
    token = token_of(site)
    assert len(token) >= 43  # 256 bit in base64
    assert token.encode() not in written(site) and sha256_text(token).encode() in written(site)


def create(site: Site, caller: Caller, **other: object) -> Caller:
    order = {"user": "", "role": None, "days": 1.0, "note": "", **other}
    return people.by_token(site, people.create_token(site, caller, **order)[1])  # type: ignore[arg-type]


def test_nobody_makes_a_token_for_more_than_he_may(site: Site) -> None:
    add(site, "ann", Role.TECHNICIAN)
    ann = people.by_token(site, token_of(site, user="ann"))
    assert create(site, ann).role is Role.TECHNICIAN
    assert create(site, ann, role=Role.VIEWER).role is Role.VIEWER
    for other in ({"role": Role.OPERATOR}, {"user": "root"}, {"user": "root", "role": Role.VIEWER}):
        with pytest.raises(RefusedError) as caught:
            create(site, ann, **other)
        assert caught.value.code == 701
    assert create(site, ADMIN, user="ann", role=Role.VIEWER).name == "ann"
    with pytest.raises(NotFoundError):
        create(site, ADMIN, user="gone")


def test_a_token_makes_none_that_outlives_it(site: Site) -> None:
    stolen = people.by_token(site, token_of(site, seconds=100))
    assert create(site, stolen, days=300).expires == stolen.expires


def test_a_user_revokes_his_own_and_an_admin_everybodys(site: Site) -> None:
    add(site, "ann", Role.OPERATOR)
    ann = Caller(name="ann", role=Role.OPERATOR, way="socket")
    own, other = token_of(site, user="ann"), token_of(site)
    with pytest.raises(RefusedError):
        people.revoke_token(site, ann, people.by_token(site, other).token)
    with pytest.raises(RefusedError):
        people.tokens_of(site, ann, everybodys=True)
    people.revoke_token(site, ann, people.by_token(site, own).token)
    with pytest.raises(RefusedError):
        people.by_token(site, own)
    assert people.by_token(site, other)


# passwords


def test_a_password_opens_and_nothing_else_does(site: Site) -> None:
    add(site, "ann", Role.OPERATOR)
    add(site, "bob", Role.OPERATOR)
    people.set_password(site, ADMIN, "ann", PASSWORD, "")
    token, text = people.log_in(site, "ann", PASSWORD)
    assert people.by_token(site, text).role is Role.OPERATOR
    assert token.expires - site.clock() == people.LOGIN_SECONDS
    said = set()
    for name, word in (
        ("ann", "x"),
        ("ann", ""),
        ("bob", ""),
        ("bob", PASSWORD),
        ("gone", PASSWORD),
        ("root", ""),
    ):
        with pytest.raises(RefusedError) as caught:
            people.log_in(site, name, word)
        said.add((str(caught.value), *refusal(caught)))
    assert len(said) == 1, "no answer tells whether there is such a user"


def test_a_password_is_kept_as_its_hash(site: Site) -> None:
    add(site, "ann", Role.OPERATOR)
    people.set_password(site, ADMIN, "ann", PASSWORD, "")
    assert PASSWORD.encode() not in written(site) and b"$argon2id$" in written(site)
    assert "argon2" not in repr(site.database.users.get("ann"))
    for known in ("", PASSWORD, "$argon2id$broken"):
        assert not passwords.fits(PASSWORD, known) and not passwords.fits("", known)


def test_a_stolen_token_becomes_no_password(site: Site) -> None:
    add(site, "ann", Role.OPERATOR)
    people.set_password(site, ADMIN, "ann", PASSWORD, "")
    thief = people.by_token(site, people.log_in(site, "ann", PASSWORD)[1])
    with pytest.raises(RefusedError, match="the current password is wrong"):
        people.set_password(site, thief, "ann", "another one of his", "guessed")
    for other in ("bob", "root"):
        with pytest.raises((RefusedError, NotFoundError)):
            people.set_password(site, thief, other, "another one of his", "")
    people.set_password(site, ADMIN, "ann", "a new one of mine", "")
    with pytest.raises(RefusedError):
        people.by_token(site, "whatever he had")
    assert not [one for one in site.database.access_tokens.all("ann") if one.kind == "login"]


@pytest.mark.parametrize("word", ["", "short", "a" * 11, "a" * 1001])
def test_a_password_that_is_too_short_or_endless_is_refused(site: Site, word: str) -> None:
    add(site, "ann", Role.OPERATOR)
    with pytest.raises(InputError, match="12 characters at least"):
        people.set_password(site, ADMIN, "ann", word, "")


def test_whoever_may_not_is_told_who_may(site: Site) -> None:
    add(site, "ann", Role.ADMIN)
    add(site, "olga", Role.OPERATOR)
    add(site, "tim", Role.TECHNICIAN)
    tim = Caller(name="tim", role=Role.TECHNICIAN, way="socket")
    with pytest.raises(
        RefusedError, match="unlocking needs the role operator, and tim is technician"
    ) as caught:
        people.require(site, tim, Role.OPERATOR, "unlocking")
    assert refusal(caught) == (701, "ask ann or olga or root")


# the token of earlier releases


def test_the_former_token_is_roots_for_a_while_and_its_file_is_gone(site: Site) -> None:
    said: list[str] = []
    path = operator_token_file(site.settings.state)
    path.parent.mkdir(exist_ok=True)
    path.write_text("the-former-one\n")
    former_token.take_over(site.database, site.clock(), said.append)
    found = people.by_token(site, "the-former-one")
    assert (found.name, found.role, found.token) == (ROOT, Role.ADMIN, former_token.NAME)
    assert found.expires - site.clock() == 90 * 86400
    [sentence] = said
    assert "provision token create" in sentence and "the-former-one" not in sentence
    assert not path.exists()
    former_token.take_over(site.database, site.clock(), said.append)
    assert len(said) == 1
    people.revoke_token(site, ADMIN, former_token.NAME)
    with pytest.raises(RefusedError):
        people.by_token(site, "the-former-one")


@pytest.mark.parametrize("text", ["", "\n", "  \n"])
def test_an_empty_former_token_is_nobodys(site: Site, text: str) -> None:
    path = operator_token_file(site.settings.state)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    former_token.take_over(site.database, site.clock(), lambda _: None)
    assert not site.database.access_tokens.all() and not path.exists()
