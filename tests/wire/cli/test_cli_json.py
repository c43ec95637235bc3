"""What commands print with `-o json` is what docs/api.md and its OpenAPI document describe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.cli.output import TIMES
from tests.unit.cli.test_documents import forms, leaves
from tests.wire.conftest import make_pack

if TYPE_CHECKING:
    from tests.wire.conftest import Puppet, World

ROOT = Path(__file__).parents[3]
OPENAPI = ROOT / "tests" / "golden" / "openapi.json"
MANY = ("--yes", "--expect-count", "2", "--max-parallel", "1", "--no-wait")
# words (HOST stands for a host's name) → the document's key, the schema of it or of each of its items
LISTS = {
    ("status",): ("deployments", "DeploymentStatus"),
    ("status", "--select", "name=vc-*", "--since", "1d", "--limit", "3"): ("deployments", "DeploymentStatus"),
    ("host", "list"): ("hosts", "HostStatus"),
    ("profile", "list"): ("profiles", "ProfileStatus"),
    ("image", "list"): ("images", "CatalogueImage"),
    ("net", "watch", "--once"): ("machines", "UnknownMachine"),
    ("net", "leases"): ("leases", "AddressLease"),
    ("check",): ("checks", "CheckLine"),
    ("image", "gc", "--yes"): ("removed", "StrayFile"),
    ("bmc", "secret", "list"): ("secrets", "LoginUse"),
    ("host", "history", "HOST"): ("history", "HistoryEntry"),
}
RECORDS = {
    ("status", "HOST"): ("deployment", "DeploymentDetails"),
    ("host", "show", "HOST"): ("host", "HostStatus"),
    ("profile", "show", "cube"): ("profile", "ProfileStatus"),
    ("profile", "render", "HOST"): ("rendering", "HostRendering"),
    ("deploy", "HOST", "--dry-run"): ("plan", "Plan"),
    ("image", "verify", "vault-os@1"): ("verified", "ImageVerified"),
    ("net", "print", "--for", "kea"): ("configuration", "ServerConfiguration"),
    ("net", "check"): ("net", "NetworkStatus"),
    ("diagnose", "HOST"): ("deployment", "DeploymentDetails"),
}
# of a host behind a BMC
BMC = {
    ("bmc", "test", "HOST"): "BmcTest",
    ("bmc", "power", "HOST", "state"): "BmcPower",
    ("bmc", "boot", "HOST"): "BmcBoot",
    ("bmc", "identify", "HOST"): "BmcIdentified",
}
SENSORS = ("bmc", "sensors", "HOST")
CHANGE = {"kind", "name", "change", "fields"}  # of an inventory; no schema of the API
# what hosts, a profile and an image of its own live through: words, the document's key, its schema
LIFE = (
    (("image", "add", "PACK"), "image", "CatalogueImage"),
    (("image", "remove", "json-os", "--yes"), "removed", "ImageRemoved"),
    (("profile", "remove", "json-p", "--yes"), "profile", "ProfileStatus"),
    (("host", "add", "json-1", "--mac", "52:54:00:99:00:01", "--profile", "cube"), "host", "HostStatus"),
    (("host", "import", "TABLE"), "changes", ""),
    (("host", "apply", "FOLDER", "--dry-run"), "changes", ""),
    (("host", "edit", "json-1", "--rack", "Z9"), "changes", ""),
    (("host", "lock", "json-1"), "host", "HostStatus"),
    (("host", "unlock", "json-1"), "host", "HostStatus"),
    (("host", "rename", "json-1", "json-3"), "host", "HostStatus"),
    (("deploy", "json-3", "--yes", "--no-wait"), "deployment", "DeploymentStatus"),
    (("cancel", "json-3"), "deployments", "DeploymentStatus"),
    (("retry", "json-3", "--yes", "--no-wait"), "deployment", "DeploymentStatus"),
    (("cancel", "json-3"), "deployments", "DeploymentStatus"),
    (("deploy", "--select", "name=json-*", *MANY), "run", "Run"),
    (("pause", "RUN"), "deployments", "DeploymentStatus"),
    (("resume", "RUN"), "deployments", "DeploymentStatus"),
    (("report", "RUN"), "hosts", "HostResult"),
    (("cancel", "RUN", "--yes"), "deployments", "DeploymentStatus"),
    (("host", "move", "json-2", "json-3", "--yes"), "host", "HostStatus"),
    (("host", "remove", "json-3", "--yes"), "host", "HostStatus"),
)
ELSEWHERE = {  # what answers as data → which tests read it
    "certificate key": "tests/wire/cli/test_cli_certificate.py",
    "certificate list": "tests/wire/cli/test_cli_verify.py",
    "certificate verify": "tests/wire/cli/test_cli_certificate.py",
    "verify": "tests/wire/cli/test_cli_verify.py",
    "explain": "tests/unit/cli/test_documents.py",
    "support-dump": "tests/wire/cli/test_cli_support_dump.py",
    "profile learn": "tests/wire/discovery/test_discovery.py",
    "image builds": "tests/wire/cli/test_streams.py",
    "image diff": "tests/wire/golden/test_golden.py",
    "mirror verify": "tests/wire/mirror/test_mirror.py",
    "image trust": "tests/wire/cli/test_cli_removal.py",
    "image untrust": "tests/wire/cli/test_cli_removal.py",
    "bmc secret put": "tests/wire/cli/test_cli_removal.py",
    "bmc secret remove": "tests/wire/cli/test_cli_removal.py",
    "bmc rotate": "tests/wire/cli/test_cli_bmc.py",
    "host prove-boot": "tests/wire/worker/test_boot_proof.py",
    "audit list": "tests/wire/cli/test_cli_audit.py",
    "audit verify": "tests/wire/cli/test_cli_audit.py",
    "audit key": "tests/wire/cli/test_cli_audit.py",
    "login": "tests/wire/cli/test_cli_people.py",
    "logout": "tests/wire/cli/test_cli_people.py",
    "whoami": "tests/wire/cli/test_cli_people.py",
    "user add": "tests/wire/cli/test_cli_people.py",
    "user list": "tests/wire/cli/test_cli_people.py",
    "user role": "tests/wire/cli/test_cli_people.py",
    "user password": "tests/wire/cli/test_cli_people.py",
    "user remove": "tests/wire/cli/test_cli_people.py",
    "token create": "tests/wire/cli/test_cli_people.py",
    "token list": "tests/wire/cli/test_cli_people.py",
    "token revoke": "tests/wire/cli/test_cli_people.py",
    "backup": "tests/wire/cli/test_cli_backup.py",
    "restore": "tests/wire/cli/test_cli_backup.py",
    "bundle make": "tests/wire/bundle/test_bundle.py",
    "bundle verify": "tests/wire/bundle/test_bundle.py",
    "bundle install": "tests/wire/bundle/test_bundle.py",
}


def numbers(value: Any, key: str = "") -> Any:
    """The document with its times as the API has them."""
    if isinstance(value, dict):
        return {name: numbers(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return 0 if key in TIMES and (value is None or isinstance(value, str)) else value


def validate(body: Any, name: str) -> None:
    """It has what is described, each key of its kind, and nothing else."""
    import jsonschema  # compiles grammars for seconds

    components = json.loads(OPENAPI.read_text())["components"]
    assert name in components["schemas"], name
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    faults = [fault.message for fault in jsonschema.Draft202012Validator(schema).iter_errors(numbers(body))]
    assert faults == []
    assert set(body) & set(components["schemas"][name]["properties"]), "none of its keys is described"


def document(world: World, words: tuple[str, ...], host: str) -> Any:
    named = [host if word == "HOST" else word for word in words]
    said = world.provision(*named, "-o", "json")
    assert said.out, said.err
    parsed = json.loads(said.out)
    assert parsed["schema_version"] == 1
    return parsed


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_list_is_as_described(world: World, puppet: Puppet, words: tuple[str, ...]) -> None:
    puppet.arm()
    key, schema = LISTS[words]
    for item in document(world, words, puppet.name)[key]:
        validate(item, schema)


@pytest.mark.parametrize("words", RECORDS, ids=" ".join)
def test_a_record_is_as_described(world: World, puppet: Puppet, words: tuple[str, ...]) -> None:
    if words[0] in ("status", "diagnose"):
        puppet.arm()
    key, schema = RECORDS[words]
    validate(document(world, words, puppet.name)[key], schema)


def test_a_host_is_shown_as_the_api_answers(world: World, puppet: Puppet) -> None:
    puppet.arm()
    assert puppet.hello().status == 200
    shown = document(world, ("host", "show", "HOST"), puppet.name)
    validate(shown, "HostDetails")
    assert shown["facts"]["disks"] and shown["seen"] is not None and "facts" not in shown["host"]


@pytest.fixture
def cabled(world: World, bmc_host: Puppet) -> Puppet:
    """A host whose BMC has its login."""
    world.client.put_secret("lab", "provision", "lab-secret")
    return bmc_host


@pytest.mark.parametrize("words", BMC, ids=" ".join)
def test_a_bmc_s_answer_is_as_described(world: World, cabled: Puppet, words: tuple[str, ...]) -> None:
    validate(document(world, words, cabled.name)["bmc"], BMC[words])


def test_each_sensor_is_as_described(world: World, cabled: Puppet) -> None:
    for sensor in document(world, SENSORS, cabled.name)["sensors"]:
        validate(sensor, "BmcSensorStatus")


def test_what_is_changed_is_as_described(world: World, tmp_path: Path) -> None:
    """The names are such as no other test's hosts have."""
    world.apply([], [{"name": "json-p", "image": "vault-os"}])
    (tmp_path / "hosts.csv").write_text("name,mac,profile\njson-2,52:54:00:99:00:02,cube\n")
    hosts = 'all: {hosts: {json-2: {macs: ["52:54:00:99:00:02"], profile: cube, rack: Z1}}}\n'
    (tmp_path / "hosts.yml").write_text(hosts)
    (tmp_path / "profiles.yml").write_text("cube: {image: vault-os}\n")
    pack = make_pack(world.folder, name="json-os", version="1")
    names = {"PACK": str(pack), "TABLE": str(tmp_path / "hosts.csv"), "FOLDER": str(tmp_path)}
    for words, key, schema in LIFE:
        said = world.provision(*(names.get(word, word) for word in words), "-o", "json")
        assert said.code == 0, (words, said)
        found = said.json[key]
        for item in found if isinstance(found, list) else [found]:
            if schema:
                validate(item, schema)
            else:
                assert set(item) == CHANGE, words
        assert found, words
        names |= {"RUN": found["id"]} if key == "run" else {}
    assert not [host for host in world.client.hosts() if host.name.startswith("json-")]


def test_no_command_s_data_is_forgotten() -> None:
    seen = {
        path
        for path in leaves()
        for words in (*LISTS, *RECORDS, *BMC, SENSORS, *(words for words, _, _ in LIFE))
        if words[: len(path.split())] == tuple(path.split())
    }
    answering = {path for path, command in leaves().items() if "json" in forms(command)}
    assert answering - seen == set(ELSEWHERE)
    assert all((ROOT / place).is_file() for place in ELSEWHERE.values())


@pytest.mark.parametrize("form", ["jsonl", "yaml", "name"])
def test_each_form_holds_the_same_names(world: World, puppet: Puppet, form: str) -> None:
    out = world.provision("host", "list", "-o", form).out
    assert puppet.name in out
    if form == "jsonl":
        assert {json.loads(line)["schema_version"] for line in out.splitlines()} == {1}


@pytest.mark.parametrize(
    ("words", "code", "number"),
    [
        (("status", "nobody"), 2, 121),
        (("host", "show", "zz:zz:zz:zz:zz:zz"), 2, 101),
        (("profile", "show", "nothing"), 2, 122),
        (("profile", "render", "nobody"), 2, 121),
        (("image", "verify", "nothing@1"), 2, 125),
        (("status", "--select", "nonsense"), 2, 103),
        (("bmc", "sensors", "nobody"), 2, 121),
        (("deploy", "nobody", "--dry-run"), 2, 121),
        (("net", "leases", "--state", "/nowhere"), 5, 620),
        (("explain", "PV-999"), 2, 100),
        (("support-dump", "--state", "/nowhere"), 2, 100),
        (("host", "list", "--nonsense"), 2, 105),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_errors_are_data_with_the_documented_codes(
    world: World, words: tuple[str, ...], code: int, number: int
) -> None:
    said = world.provision(*words, "-o", "json")
    error = json.loads(said.err.splitlines()[-1])["error"]
    assert (said.code, error["code"], error["exit"], said.out) == (code, number, code, "")
