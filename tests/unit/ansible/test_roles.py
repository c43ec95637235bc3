"""The golden image's Ansible stays small, documented and tested; its figures are counted here."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ANSIBLE, TESTS = ROOT / "ansible", ROOT / "tests"
ROLES = sorted(path for path in (ANSIBLE / "roles").iterdir() if path.is_dir())
ORDER = [
    *("base", "hardening", "docker", "python_env", "verification", "nvidia_driver"),
    *("nvidia_container_toolkit", "ml_frameworks", "cleanup"),
]
# playbook -> who runs it in a test, and by what call
PLAYBOOKS = {
    "burnin.yml": ("wire/verify/test_burnin_ssh.py", "burnin.burn_in("),
    "site_check.yml": ("wire/verify/test_deployed_acceptance.py", "verify.run("),
    "site.yml": ("roles/conftest.py", "site.yml"),
    "seal.yml": ("wire/verify/test_verify.py", "verify.seal("),
    "verify.yml": ("wire/verify/test_verify.py", "verify.run("),
}
LARGEST = 2000  # lines of YAML


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def lines() -> int:
    return sum(len(path.read_text().splitlines()) for path in ANSIBLE.rglob("*.yml"))


def documented() -> list[str]:
    """Roles whose README.md names every setting of their defaults, and whose argument_specs know it."""
    return [role.name for role in ROLES if not undocumented(role)]


def undocumented(role: Path) -> list[str]:
    readme, specs = (
        role / "README.md",
        load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"],
    )
    text = readme.read_text() if readme.exists() else ""
    settings = load(role / "defaults/main.yml")
    return [name for name in settings if f"`{name}`" not in text or name not in specs]


def proven() -> list[str]:
    """Roles and playbooks that an automated test runs."""
    roles = [role.name for role in ROLES if list((TESTS / "roles").glob(f"test_*{role.name}.py"))]
    books = [name for name, (place, call) in PLAYBOOKS.items() if call in (TESTS / place).read_text()]
    return [*roles, *books]


def tasks(role: Path) -> Iterator[str]:
    """Tasks and handlers by the names that Ansible prints, up to what it fills in; none that only lead on."""
    for path in sorted([*role.glob("tasks/*.yml"), *role.glob("handlers/*.yml")]):
        for task in load(path):
            if any(re.search(r"\.(import_|include_|meta$)", key) for key in task):
                continue
            yield f"{role.name} : {task['name'].partition('{{')[0].strip()}"


def figures() -> Iterator[str]:
    """What the criteria of the golden image are measured by, in words."""
    things = len(ROLES) + len(list(ANSIBLE.glob("*.yml")))
    yield f"YAML of playbooks and roles: {lines()} lines, at most {LARGEST}"
    yield f"roles documented: {len(documented())} of {len(ROLES)}"
    yield f"roles and playbooks with automated tests: {len(proven())} of {things}"


def test_the_whole_is_small() -> None:
    assert lines() < LARGEST


def test_the_playbook_runs_the_roles_in_their_order() -> None:
    (play,) = load(ANSIBLE / "site.yml")
    assert (
        [entry["role"] for entry in play["roles"]] == ORDER == [entry["tags"][0] for entry in play["roles"]]
    )
    assert sorted(ORDER) == [role.name for role in ROLES]


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_role_documents_and_declares_its_settings(role: Path) -> None:
    assert undocumented(role) == []
    assert (role / "README.md").exists()


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_has_a_comment_that_says_what_it_is_for(role: Path) -> None:
    text = (role / "defaults/main.yml").read_text()
    paragraphs = [part for part in re.split(r"\n\n", text) if part.strip()]
    assert [part for part in paragraphs if not part.lstrip().startswith("#")] == []


def test_nearly_all_roles_and_playbooks_are_tested() -> None:
    things = [role.name for role in ROLES] + [path.name for path in ANSIBLE.glob("*.yml")]
    assert len(proven()) > 0.8 * len(things), sorted(set(things) - set(proven()))


def test_nothing_is_fetched_from_a_galaxy() -> None:
    modules = {
        key for path in ANSIBLE.rglob("tasks/*.yml") for task in load(path) for key in task if "." in key
    }
    assert {key for key in modules if not key.startswith("ansible.builtin.")} == set()


def test_no_source_is_trusted_and_no_version_is_whatever_comes() -> None:
    text = "".join(path.read_text() for path in ANSIBLE.rglob("*") if path.suffix in (".yml", ".j2"))
    assert not re.search(
        r"trusted\s*[=:]\s*yes|state: latest|allow_unauthenticated|ignore_errors", text, re.IGNORECASE
    )


def rules() -> list[dict[str, Any]]:
    return load(ANSIBLE / "roles/hardening/defaults/main.yml")["hardening_rules"]


def test_every_rule_of_the_hardening_has_an_id_of_its_own() -> None:
    names = [rule["id"] for rule in rules()]
    assert len(names) == len(set(names)) > 60
    assert [name for name in names if not re.fullmatch(r"site\.\d+|[1-7](\.\d+){2,4}", name)] == []


def test_what_breaks_docker_is_off() -> None:
    active = [rule for rule in rules() if "off" not in rule]
    assert not [
        rule for rule in active if "forward" in str(rule.get("sysctl", "")) or rule.get("module") == "overlay"
    ]


@pytest.mark.parametrize("path", sorted(ANSIBLE.rglob("files/*.txt")), ids=lambda path: path.name)
def test_every_wheel_is_pinned_by_hash(path: Path) -> None:
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).strip())
    assert [
        entry
        for entry in entries
        if not re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+ ", entry) or "--hash=sha256:" not in entry
    ] == []


def test_the_frameworks_of_the_drivers_cuda_are_the_same() -> None:
    pins = [
        dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE))
        for path in (ANSIBLE / f"roles/ml_frameworks/files/{name}.txt" for name in ("pytorch", "vllm"))
    ]
    assert (
        pins[0]["torch"] == pins[1]["torch"]
        and pins[0]["nvidia-cuda-runtime"] == pins[1]["nvidia-cuda-runtime"]
    )
