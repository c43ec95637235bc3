"""Stands in for Ubuntu's installer in a system that has cloud-init.

Takes its answers from the seed, reports by the webhook that they name, and asks which disk is its own.
"""

import json
import subprocess
from pathlib import Path

import yaml
from cloudinit import stages
from cloudinit.reporting import events, handlers


def say(what: str) -> None:
    Path("/dev/console").write_text(f"\nstand-in: {what}\n")


try:
    subprocess.run(["cloud-init", "status", "--wait"], check=False)
    init = stages.Init()
    init.read_cfg()
    init.fetch(existing="trust")
    cloud = init.cloudify()
    say(f"instance {cloud.get_instance_id()} named {cloud.get_hostname().hostname} from {cloud.datasource}")
    answers = cloud.cfg["autoinstall"]
    Path("/autoinstall.yaml").write_text(yaml.safe_dump(answers))
    hook = {key: value for key, value in answers["reporting"]["provisioner"].items() if key == "endpoint"}
    handler = handlers.WebHookHandler(**hook)
    handler.publish_event(events.ReportingEvent("start", "subiquity/Early/run", "", origin="curtin"))
    handler.flush()
    for command in answers["early-commands"]:
        subprocess.run(command, check=True)
    match = yaml.safe_load(Path("/autoinstall.yaml").read_text())["storage"]["layout"]["match"]
    say(f"match {json.dumps(match)}")
    done = events.FinishReportingEvent("subiquity/Late/run", "", result="SUCCESS")
    handler.publish_event(done)
    handler.flush()
    say("done")
except BaseException as fault:
    say(f"failed: {fault!r}")
    raise
