"""What a process says while it works, in the form that the settings want: its last words, too."""

import logging
import sys
from collections.abc import Callable

from provisioner.errors import Exit, ProvisionError
from provisioner.settings import Settings
from provisioner.system import json_lines
from provisioner.system.json_lines import JsonLines

log = logging.getLogger(__name__)


def spoken(settings: Settings, process: str, work: Callable[[], int]) -> int:
    """Do it; the exit code. As JSON, even an error is a line: the command line would tell it to people."""
    if settings.logs.format != "json":
        return work()
    json_lines.speak_json(process)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(process))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    try:
        return work()
    except ProvisionError as fault:
        return told(fault)
    except Exception:
        log.exception("this is a fault of the program itself (PV-600)")
        return int(Exit.INTERNAL)


def told(fault: ProvisionError) -> int:
    """Its exit code, after it was said."""
    sentence = f"{fault} (PV-{fault.code})"
    json_lines.say(f"{sentence}\n  → {fault.hint}" if fault.hint else sentence)
    return int(fault.exit)
