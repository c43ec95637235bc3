"""How causes are shown: each line of evidence with its age, the actions in their order."""

from click.testing import CliRunner

from provisioner.api.deployments import DeploymentDetails
from provisioner.cli.diagnose import cause_lines, diagnose
from provisioner.deployment.order import arm
from provisioner.domain.cause import Cause, Sight
from provisioner.domain.progress import Progress
from provisioner.site.site import Site


def test_a_cause_is_shown_with_code_ages_and_numbered_actions(site: Site) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    sight = Sight(sentence="the BMC says power is on", time=site.clock() - 65)
    cause = Cause(code=210, sentence="it never asked", evidence=(sight,), actions=("check the cable", "wait"))
    shown = DeploymentDetails.model_validate(row)
    assert cause_lines(shown, site.clock()) == []
    lines = cause_lines(shown.model_copy(update={"causes": (cause,)}), site.clock())
    assert [line.plain for line in lines] == [
        "it never asked (PV-210)",
        "  · the BMC says power is on (1 m 05 s ago)",
        "  1. check the cable",
        "  2. wait",
    ]


def test_evidence_that_only_repeats_the_cause_says_how_long_ago(site: Site) -> None:
    row = arm(site, site.database.hosts.get("vc-1"), site.database.images.all()[0], by="ann")
    sight = Sight(sentence="no disk fits", time=site.clock() - 65)
    cause = Cause(code=312, sentence="no disk fits", evidence=(sight,), actions=("mend the hint",))
    shown = DeploymentDetails.model_validate(row).model_copy(update={"causes": (cause,)})
    lines = cause_lines(shown, site.clock())
    assert [line.plain for line in lines][:2] == ["no disk fits (PV-312)", "  · 1 m 05 s ago"]


def test_a_silent_agents_last_report_tells_no_speed_and_no_end() -> None:
    progress = Progress(phase="writing", done=50, total=100, rate=5.0, reported=1000.0)
    assert progress.describe(1029.0) == "writing 50 %, 50 B of 100 B, 5 B/s, 10 s left"
    assert progress.describe(1030.0) == "writing 50 %, 50 B of 100 B, silent for 30 s"
    assert progress.summary(1029.0) == "writing 50 %, 5 B/s, 10 s left"
    assert progress.summary(1250.0) == "writing 50 %, silent for 4 m 10 s"


def test_a_run_is_not_diagnosed_as_a_host() -> None:
    result = CliRunner().invoke(diagnose, ["r-DD4X404WXQ", "--server", "https://127.0.0.1:1"])
    assert result.exit_code == 2 and "is a run; name one of its hosts" in result.output
