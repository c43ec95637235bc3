"""What a technician hands over with a unit: its certificate as a file, and that anybody can verify it."""

import json
import sys
from pathlib import Path
from typing import Protocol

from provisioner import run
from provisioner.api.deployments import DeploymentDetails
from provisioner.domain.stage import Stage
from provisioner.errors import ProgramError

CHECK = "the certificate"
ACCEPTED, NOT_ACCEPTED = ("accepted", "accepted_with_warnings"), ("rejected", "incomplete")


class Lab(Protocol):
    """What is used of a rehearsal."""

    folder: Path

    @property
    def deployment(self) -> DeploymentDetails:
        """The deployment that was followed last."""

    def provision(self, *words: str) -> str:
        """What a command line of the product prints."""

    def check(self, name: str, ok: bool, seen: object) -> bool:
        """Note one thing that had to hold."""


def check(lab: Lab, host: str) -> None:
    """The certificate of the deployment that was followed last, where it has one."""
    if report := lab.deployment.verdict.report:
        check_report(lab, host, report, is_accepted=lab.deployment.stage == Stage.READY)


def check_report(lab: Lab, host: str, report: str, *, is_accepted: bool, name: str = CHECK) -> None:
    """Take the PDF from the service, and verify it without service and state, by the site's public key."""
    paper, key = lab.folder / f"{host}.pdf", lab.folder / "site.pub"
    try:
        lab.provision("certificate", host, "--report", report, "--to", str(paper))
        key.write_text(lab.provision("certificate", "key"))
        argv: list[str | Path] = [sys.executable, "-m", "provisioner", "certificate", "verify", paper]
        done = run.run([*argv, "--key", key, "-o", "json"], check=False)
        found = json.loads(done.stdout)["certificate"]
    except (ProgramError, ValueError, KeyError) as fault:
        lab.check(name, False, fault)
        return
    code, verdict = (0, ACCEPTED) if is_accepted else (8, NOT_ACCEPTED)
    right = done.returncode == code and found["report_id"] == report and found["verdict"] in verdict
    lab.check(name, right, f"{found['verdict']}, {found['report_id']}, signed by {found['signed_by']}")
