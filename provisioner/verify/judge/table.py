"""The table of checks, in the order in which they are made: by stage, then by subject."""

from provisioner.domain.acceptance import CheckStage
from provisioner.verify.judge import (
    burnin,
    diagnostics,
    driver,
    equipment,
    health,
    host,
    inventory,
    kernel,
    modes,
    pcie,
    software,
    watch,
)
from provisioner.verify.judge.finding import Check

SUBJECTS = (
    *(host, driver, inventory, equipment, health, modes, pcie, kernel, software),
    *(burnin, watch, diagnostics),
)
STAGES = tuple(CheckStage)
CHECKS: tuple[Check, ...] = tuple(
    sorted(
        (check for subject in SUBJECTS for check in subject.CHECKS),
        key=lambda check: STAGES.index(check.stage),
    )
)
BY_ID = {check.id: check for check in CHECKS}
