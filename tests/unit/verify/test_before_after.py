"""What a host shows before the burn-in and after it, as one piece of evidence."""

import pytest

from provisioner.verify import before_after
from provisioner.verify.burnin import BurnInOutcome
from provisioner.verify.evidence import GpuEvidence, KernelLog, XidLine
from provisioner.verify.judge import judge
from tests.healthy_gpus import QUICK, burnin, evidence, gpu, nvml

XID = XidLine(number=79, bus="0000:18:00", at=900, text="GPU has fallen off the bus.")


def merged(**after: object) -> GpuEvidence:
    before = evidence().gpu
    return before_after.merge(before, GpuEvidence.model_validate({"nvml": nvml(), **after}))


def test_an_xid_that_came_under_load_is_judged() -> None:
    seen = evidence(kernel_log=merged(kernel_log=KernelLog(state="ok", boot="b-1", xids=(XID,))).kernel_log)
    found = {check.id: check for check in judge(seen, QUICK) if check.is_blocking}
    assert "Xid 79" in found["kernel.xid"].reason


def test_what_the_log_has_lost_since_is_not_forgotten() -> None:
    before = evidence(kernel_log=KernelLog(state="ok", boot="b-1", xids=(XID,))).gpu
    after = GpuEvidence(
        kernel_log=KernelLog(state="cut", boot="b-1", xids=(XID.model_copy(update={"at": 950}),))
    )
    log = before_after.merge(before, after).kernel_log
    assert log and (log.state, [line.at for line in log.xids]) == ("cut", [900, 950])


def test_counters_are_those_of_after_and_an_idle_gpu_is_that_of_before() -> None:
    hot = gpu(0, temperature=81, throttle=0x20, power=400, generation=5, ecc_volatile_uncorrected=3)
    told = merged(nvml=nvml(hot, *map(gpu, range(1, 8)))).nvml
    assert told
    assert (told.gpus[0].ecc_volatile_uncorrected, told.gpus[0].throttle) == (3, 1)
    assert (told.gpus[0].temperature, told.gpus[0].generation) == (32, 1)


def test_a_gpu_that_was_lost_under_load_is_lost() -> None:
    left = merged(nvml=nvml(*map(gpu, range(7))))
    assert {check.id for check in judge(evidence(nvml=left.nvml), QUICK) if check.is_blocking} & {"gpu.bus"}


def test_what_was_not_read_again_stays() -> None:
    whole = merged()
    assert whole.container == evidence().gpu.container and whole.firmware == evidence().gpu.firmware


@pytest.mark.parametrize(("now", "is_another"), [("b-1", False), ("b-2", True), ("", False)])
def test_another_boot_is_a_restart(now: str, is_another: bool) -> None:
    seen = GpuEvidence(kernel_log=KernelLog(state="ok", boot=now))
    assert before_after.has_restarted("b-1", seen) is is_another
    assert not before_after.has_restarted("", seen)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (BurnInOutcome("ended", report='{"state": "great"}'), "its report cannot be read"),
        (BurnInOutcome("failed", "no room"), "no room"),
        (BurnInOutcome("failed", "it was late", burnin().model_dump_json(by_alias=True)), "it was late"),
    ],
)
def test_a_burn_in_that_failed_is_an_error_with_its_sentence(outcome: BurnInOutcome, reason: str) -> None:
    report = before_after.burnin_report(outcome)
    assert (report.state, report.reason) == ("error", reason)


def test_a_burn_in_that_ended_is_what_it_says() -> None:
    whole = burnin()
    outcome = BurnInOutcome("ended", report=whole.model_dump_json(by_alias=True))
    assert before_after.burnin_report(outcome) == whole
