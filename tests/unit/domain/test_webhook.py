"""What a receiver is told, and its signature: judged by the vector of Standard Webhooks' own libraries."""

import base64
import json

import pytest

from provisioner import settings as settings_module
from provisioner.domain import webhook
from provisioner.domain.event import Event
from provisioner.domain.events.agent import AgentFailed
from provisioner.domain.events.registry import KINDS
from provisioner.errors import SettingsError

STAGES = ("ready", "rejected", "failed", "cancelled")
HOSTILE = 'no disk\n{"type": "forged"}\r\x1b[2J\0\u2028'


def test_the_signature_is_the_one_of_the_specification() -> None:
    [secret] = webhook.read_secrets("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", "test")
    signed = webhook.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "secret",
        "whsec_",
        "whsec_!!!!",
        "whsec_" + base64.b64encode(b"x" * 23).decode(),
        "whsec_" + base64.b64encode(b"x" * 65).decode(),
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nand another",
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(SettingsError) as fault:
        webhook.read_secrets(text, "/etc/x.secret")
    assert fault.value.code == 610 and "/etc/x.secret" in str(fault.value)
    assert "MfKQ9r8" not in str(fault.value)


def test_each_end_of_a_deployment_is_told_and_nothing_on_the_way() -> None:
    told = {kind for kind in KINDS if webhook.is_wanted(kind, STAGES, ())}
    assert {"seal.done", "verify.rejected", "agent.failed", "deadline.passed", "order.cancelled"} <= told
    assert {webhook.stage_of(kind) for kind in told} == set(STAGES)
    assert not told & {"agent.hello", "power.on", "order.armed", "service.replaced"}
    assert {kind for kind in KINDS if webhook.is_wanted(kind, ("ready",), ())} == {
        kind for kind in told if webhook.stage_of(kind) == "ready"
    }


def test_kinds_are_patterns_and_neither_progress_nor_our_own_trouble_is_told() -> None:
    assert webhook.is_wanted("service.replaced", (), ("service.replaced",))
    assert webhook.is_wanted("verify.task", (), ("power.*", "verify.*"))
    assert not webhook.is_wanted("verify.task", (), ("verify", "erify.*"))
    all_of_them = {kind for kind in KINDS if webhook.is_wanted(kind, (), ("*",))}
    progress = {kind for kind, event in KINDS.items() if event.is_progress}
    assert all_of_them == set(KINDS) - progress - {"webhook.given_up"} and progress


def test_the_body_says_which_event_it_was_and_nothing_that_it_carries() -> None:
    data = AgentFailed(code=313, sentence=HOSTILE, hint="name one", console=("password: hunter2",))
    event = Event.of_host("vc-1", data, source="agent", now=1_800_000_000.25).model_copy(
        update={"id": 7, "deployment": "d-1", "attempt": 2}
    )
    body = webhook.body_of(event)
    assert body.isascii() and b"hunter2" not in body and not set(body) & set(range(32))
    assert json.loads(body) == {
        "type": "agent.failed",
        "timestamp": "2027-01-15T08:00:00.250Z",
        "data": {
            "id": 7,
            "host": "vc-1",
            "deployment": "d-1",
            "attempt": 2,
            "stage": "failed",
            "sentence": 'no disk {"type": "forged"} \\x1b[2J\\x00',
            "code": 313,
            "hint": "name one",
        },
    }
    assert webhook.message_id(event) == "evt_7_1800000000250"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"url": "ftp://a.example/"}, "address"),
        ({"url": "http://a.example/"}, "private network"),
        ({"url": "http://8.8.8.8/"}, "private network"),
        ({"url": "https://user:pw@a.example/"}, "no user"),
        ({"url": "https://a.example/#x"}, "no user"),
        ({"url": "https://a.example/\r\nHost: b"}, "address"),
        ({"url": "https://a.example/ä"}, "letter"),
        ({"url": "https://a.example:99999/"}, "Port"),
        ({"url": "https://"}, "address"),
        ({"secret_file": "x.secret"}, "begin with /"),
        ({"kinds": ["order.armed; rm"]}, "no kind"),
        ({"name": "Tickets"}, "name"),
        ({"stages": ["writing"]}, "stages"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        settings_module.check(body(change), source="test")


def body(*changes: dict[str, object]) -> dict[str, object]:
    least = {"name": "tickets", "url": "https://a.example/hook?x=1", "secret_file": "/etc/x.secret"}
    hooks = [{**least, **change} for change in changes]
    return {"state": "/s", "interface": "lan0", "address": "10.77.0.1/24", "webhooks": hooks}


def test_two_of_one_name_and_more_than_eight_are_refused() -> None:
    with pytest.raises(SettingsError, match="same name"):
        settings_module.check(body({}, {}), source="test")
    with pytest.raises(SettingsError, match="webhooks"):
        settings_module.check(body(*({"name": f"n{number}"} for number in range(9))), source="test")
    named = settings_module.check(body({}, {"name": "b", "url": "http://192.168.1.9:8080/"}), source="test")
    assert [each.name for each in named.webhooks] == ["tickets", "b"]
