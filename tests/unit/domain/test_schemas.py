"""The JSON Schemas of documents that others read: generated, valid, checked in.

UPDATE_GOLDEN=1 renews them.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from provisioner.domain.acceptance import (
    AcceptanceReport,
    FirmwareVersion,
    HostReport,
    ImageSubject,
    Level,
    Subject,
    reach_verdict,
)
from provisioner.domain.profile import Gpu, Profile
from provisioner.domain.requirements import Limits, Requirements, SiteCheck
from provisioner.verify.evidence_burnin import BurninReport, SiteCheckReport
from provisioner.verify.judge import judge
from provisioner.verify.subjects import subjects
from provisioner.verify.xids import summarise
from tests import healthy_gpus as healthy

FOLDER = Path(__file__).parents[3] / "docs" / "schemas"
SCHEMAS: dict[str, type[BaseModel]] = {
    "gpu-acceptance-1": AcceptanceReport,
    "profile-1": Profile,
    "burn-in-1": BurninReport,
    "site-check-1": SiteCheckReport,
}


def schema_of(name: str) -> dict[str, Any]:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"vaultcube.{name}"}
    return head | SCHEMAS[name].model_json_schema()


def report() -> AcceptanceReport:
    """One with something in every list."""
    seen = healthy.evidence()
    checks = judge(seen, healthy.FULL)
    log = seen.gpu.kernel_log
    assert log
    return AcceptanceReport(
        report_id="a-20260101-1",
        started_at=1,
        finished_at=2,
        tool="provision",
        level=Level.FULL,
        subject=Subject(name="vc-1", macs=("52:54:00:00:00:01",), image=ImageSubject(name="os", version="1")),
        host=HostReport(firmware=(FirmwareVersion(part="bios", version="2.1"),)),
        gpus=subjects(seen, healthy.FULL),
        checks=checks,
        xid=summarise(log),
        verdict=reach_verdict(checks),
    )


PROFILE = Profile(
    name="cube",
    gpu_driver="580",
    gpus=(Gpu(id="10de:2330", count=8, nvlinks=18, mig=False, vbios=("96.00",)),),
    acceptance=Requirements(
        level=Level.FULL,
        limits=Limits(matmul_tflops={"bf16": 500}),
        checks=(SiteCheck(name="nfs", program="nfs.py", sha256="a" * 64),),
    ),
)
DOCUMENTS: dict[str, BaseModel] = {
    "gpu-acceptance-1": report(),
    "profile-1": PROFILE,
    "burn-in-1": healthy.burnin(),
    "site-check-1": SiteCheckReport(name="nfs", status="fail", reason="no server", observed=3),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_that_of_its_model(name: str) -> None:
    text = json.dumps(schema_of(name), indent=1, ensure_ascii=False) + "\n"
    path = FOLDER / f"{name}.schema.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert path.read_text() == text, f"UPDATE_GOLDEN=1 renews {path.name}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one_and_takes_our_own_documents_and_not_others(name: str) -> None:
    import jsonschema  # compiles grammars for seconds

    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    document = json.loads(DOCUMENTS[name].model_dump_json())
    validator.validate(document)
    assert not validator.is_valid([]) and not validator.is_valid({})
    first = next(iter(schema["required"]))
    assert not validator.is_valid({key: value for key, value in document.items() if key != first})


def test_no_schema_lies_there_that_nobody_keeps() -> None:
    assert {path.name for path in FOLDER.iterdir()} == {f"{name}.schema.json" for name in SCHEMAS}
