"""What the finished system must be; runs in the guest as root, and a finding ends the build.

Only the standard library: the guest has nothing else. Each check returns what it found wrong, or nothing.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(os.environ.get("GATE_ROOT", "/"))  # for tests
SSH = 22
# who may listen: SSH, and what only answers this machine
RESOLVERS = ("127.", "[::1]", "::1")
# what the build machine itself needs to have an address; chrony's command port is bound to this machine
CLIENTS = {"68", "546"}
BY_ROLE = {"docker": "docker.service", "nvidia-persistenced": "nvidia-persistenced.service"}


os.environ["PATH"] += ":/usr/sbin:/sbin"


def said(*argv: str) -> tuple[int, str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def release() -> dict[str, str]:
    lines = (ROOT / "etc/os-release").read_text().splitlines()
    return {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}


def sshd_is_valid() -> str:
    """With a key of the moment: the host's own are gone already, or will be."""
    with tempfile.TemporaryDirectory() as folder:
        key = f"{folder}/key"
        said("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        code, text = said(
            shutil.which("sshd") or "/usr/sbin/sshd", "-t", "-h", key
        )  # it wants its whole path
    return f"sshd -t: {text}" if code else ""


def nobody_else_listens() -> str:
    code, text = said("ss", "-H", "-lntup")
    if code:
        return f"ss: {text}"
    others = []
    for line in text.splitlines():
        words = line.split()
        address, _, port = words[4].rpartition(":")
        if address.startswith(RESOLVERS) or port == str(SSH) or port in CLIENTS or "%lo" in address:
            continue
        others.append(f"{words[0]} {words[4]} {words[-1] if len(words) > 6 else ''}".strip())
    return f"something besides SSH listens: {'; '.join(others)}" if others else ""


def image_is_named() -> str:
    found = release()
    wanted = {key: os.environ[key] for key in ("IMAGE_ID", "IMAGE_VERSION")}
    wrong = [
        f"{key}={found.get(key)!r}, not {value!r}" for key, value in wanted.items() if found.get(key) != value
    ]
    return f"os-release: {'; '.join(wrong)}" if wrong else ""


def cloud_init_reads_the_seed() -> str:
    lines = []
    for path in [ROOT / "etc/cloud/cloud.cfg", *sorted((ROOT / "etc/cloud/cloud.cfg.d").glob("*.cfg"))]:
        if path.is_file():
            lines += [
                line for line in path.read_text().splitlines() if line.strip().startswith("datasource_list:")
            ]
    last = lines[-1] if lines else "no datasource_list"
    return "" if "NoCloud" in last else f"cloud-init would not read CIDATA: {last.strip()}"


def services_of_roles_are_enabled() -> str:
    off = [
        f"{unit} is {text.splitlines()[-1] if text else 'unknown'}"
        for program, unit in BY_ROLE.items()
        if any((ROOT / folder / program).exists() for folder in ("usr/bin", "usr/sbin"))
        for code, text in [said("systemctl", "is-enabled", unit)]
        if code
    ]
    return "; ".join(off)


def nothing_failed() -> str:
    _, text = said("systemctl", "--failed", "--no-legend", "--plain")
    names = [line.split()[0] for line in text.splitlines() if line.strip()]
    return f"units failed: {', '.join(names)}" if names else ""


def packages_are_whole() -> str:
    _, text = said("dpkg", "--audit")
    return f"dpkg --audit: {text.splitlines()[0]}" if text else ""


def nobody_has_a_password() -> str:
    lines = [line.split(":") for line in (ROOT / "etc/shadow").read_text().splitlines()]
    open_ones = [fields[0] for fields in lines if len(fields) > 1 and not fields[1].startswith(("!", "*"))]
    return f"accounts with a password, or none to give: {', '.join(open_ones)}" if open_ones else ""


CHECKS = (
    sshd_is_valid,
    nobody_else_listens,
    image_is_named,
    cloud_init_reads_the_seed,
    services_of_roles_are_enabled,
    nothing_failed,
    packages_are_whole,
    nobody_has_a_password,
)


def main() -> int:
    findings = {check.__name__: check() for check in CHECKS}
    for name, text in findings.items():
        print(f"gate: {'FAILED' if text else 'ok':<6} {name.replace('_', ' ')}{': ' + text if text else ''}")
    print(json.dumps({"gate": {name: text or "ok" for name, text in findings.items()}}))
    return 1 if any(findings.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
