"""What was read of a host's GPUs before the burn-in and after it, as one piece of evidence. No I/O."""

from provisioner.verify.burnin import BurnInOutcome
from provisioner.verify.evidence import GpuEvidence, GpuReport, KernelLog, NvmlGpu
from provisioner.verify.evidence_burnin import BurninReport, read_burnin

AT_REST = ("throttle", "power", "temperature", "generation")  # of a GPU that idles; after a load it is warm
MOST_LINES = 2000  # as KernelLog has them
RESTARTED = "the host has restarted under load: look at its power supplies, and into the BMC's event log"


def burnin_report(outcome: BurnInOutcome) -> BurninReport:
    """The report of a burn-in; of one that failed, whatever its report says, an error with its sentence."""
    told = read_burnin(outcome.report)
    if outcome.result == "ended":
        return told or BurninReport(state="error", reason="its report cannot be read")
    failed = BurninReport(state="error", reason=outcome.sentence)
    return told.model_copy(update={"state": "error", "reason": failed.reason}) if told else failed


def merge(before: GpuEvidence, after: GpuEvidence) -> GpuEvidence:
    """All that is known: who the GPUs are and what was counted as it is now, what an idle GPU shows as it
    was. What was not read again (firmware, containers) stays.
    """
    again = {name: value for name in type(after).model_fields if (value := getattr(after, name)) is not None}
    if before.nvml and after.nvml:
        again["nvml"] = _idle(before.nvml, after.nvml)
    if before.kernel_log and after.kernel_log:
        again["kernel_log"] = _log(before.kernel_log, after.kernel_log)
    return before.model_copy(update=again)


def _idle(before: GpuReport, after: GpuReport) -> GpuReport:
    known = {(gpu.bus, gpu.uuid): gpu for gpu in before.gpus}
    gpus = [_at_rest(gpu, known.get((gpu.bus, gpu.uuid), gpu)) for gpu in after.gpus]
    return after.model_copy(update={"gpus": tuple(gpus)})


def _at_rest(gpu: NvmlGpu, before: NvmlGpu) -> NvmlGpu:
    errors = {name: why for name, why in gpu.errors.items() if name not in AT_REST}
    errors |= {name: why for name, why in before.errors.items() if name in AT_REST}
    return gpu.model_copy(update={"errors": errors, **{name: getattr(before, name) for name in AT_REST}})


def _log(before: KernelLog, after: KernelLog) -> KernelLog:
    """The later one, and what it has lost of the earlier one since."""
    lines = tuple(dict.fromkeys((*before.xids, *after.xids)))
    return after.model_copy(update={"xids": lines[:MOST_LINES]})


def has_restarted(boot: str, evidence: GpuEvidence) -> bool:
    """Whether the host was started since that boot, as far as both are known."""
    now = evidence.kernel_log.boot if evidence.kernel_log else ""
    return bool(boot and now and boot != now)
