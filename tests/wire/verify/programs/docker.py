#!/usr/bin/python3
"""Stands in for docker, and as `systemctl` and `sudo` for these, in the calls that containers.py makes.

STAND_IN names a folder: scenario.json says what goes wrong, `containers` has a file for each container,
`calls` a line for each call, `pids` its process id. Words and exit codes are those of docker 28, the NVIDIA
container toolkit and nvidia-smi 580, as their sources and reports of users have them.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

FOLDER = Path(os.environ["STAND_IN"])
SCENARIO: dict[str, Any] = json.loads((FOLDER / "scenario.json").read_text())
SOCKET = "unix:///var/run/docker.sock"
CONTAINERS = FOLDER / "containers"
RUN_OPTIONS = ("--detach", "--rm", "--pull", "--network", "--name", "--gpus", "--env", "--entrypoint")


def fail(code: int, words: str) -> NoReturn:
    print(words, file=sys.stderr)
    sys.exit(code)


def main() -> None:
    name, *arguments = Path(sys.argv[0]).name, *sys.argv[1:]
    with (FOLDER / "calls").open("a") as calls:
        calls.write(" ".join([name, *arguments]) + "\n")
    with (FOLDER / "pids").open("a") as pids:
        pids.write(f"{os.getpid()}\n")
    if name == "sudo":
        while arguments[0].startswith("-"):
            del arguments[0 : 2 if arguments[0] == "-u" else 1]
        os.execvp(arguments[0], arguments)
    command = " ".join(arguments[:1])
    if SCENARIO.get("hangs") == command:
        signal.pause()
    if SCENARIO.get("kills") == command:
        os.kill(os.getppid(), signal.SIGTERM)
        signal.pause()
    if name == "systemctl":
        (FOLDER / "reloaded").touch()
        return
    if not SCENARIO.get("daemon", True):
        fail(1, f"Cannot connect to the Docker daemon at {SOCKET}. Is the docker daemon running?")
    COMMANDS[command](arguments[1:])


def image(arguments: list[str]) -> None:
    if arguments != ["ls", "--quiet", "--no-trunc"]:
        fail(125, f"unknown flag: {arguments}")
    print("\n".join(SCENARIO["images"]))


def run(arguments: list[str]) -> None:
    options = {}
    while arguments[0].startswith("--"):
        key, _, value = arguments.pop(0).partition("=")
        if key not in RUN_OPTIONS:
            fail(125, f"unknown flag: {key}")
        options[key] = value
    ident, *command = arguments
    if SCENARIO.get("warns"):
        print("WARNING: Your kernel does not support swap limit capabilities.", file=sys.stderr)
    if ident not in SCENARIO["images"] or SCENARIO["images"][ident].get("removed"):
        if options.get("--pull") != "never":
            (FOLDER / "pulled").touch()
        fail(125, f"docker: Error response from daemon: No such image: {ident}")
    if not SCENARIO.get("runtime", True):
        fail(
            125,
            "docker: Error response from daemon: could not select device driver "
            "\"\" with capabilities: [[gpu]]\n\nRun 'docker run --help' for more information",
        )
    if "--rm" not in options or not command[0].isdigit() or options["--entrypoint"] != "sleep":
        fail(125, "a container that would stay")
    if SCENARIO["images"][ident].get("no sleep"):
        fail(
            127,
            "docker: Error response from daemon: failed to create task for container: exec: "
            '"sleep": executable file not found in $PATH: unknown',
        )
    (CONTAINERS / options["--name"]).write_text(ident)
    print("5d1e" * 16)


def execute(arguments: list[str]) -> None:
    name, *command = arguments
    if not (CONTAINERS / name).exists():
        fail(1, f"Error response from daemon: No such container: {name}")
    if command != ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]:
        fail(126, f"OCI runtime exec failed: {command}")
    seen = SCENARIO["images"][(CONTAINERS / name).read_text()]
    shown = seen.get("after", seen["before"]) if (FOLDER / "reloaded").exists() else seen["before"]
    if isinstance(shown, str):  # nvidia-smi complains on its standard output
        print(shown)
        sys.exit(255)
    print("\n".join(shown))


def remove(arguments: list[str]) -> None:
    *options, name = arguments
    if options != ["--force", "--volumes"]:
        fail(125, f"unknown flag: {options}")
    if words := SCENARIO.get("removal"):
        fail(1, words)
    if not (CONTAINERS / name).exists():
        fail(1, f"Error response from daemon: No such container: {name}")
    (CONTAINERS / name).unlink()
    print(name)


COMMANDS = {"image": image, "run": run, "exec": execute, "rm": remove}

if __name__ == "__main__":
    main()
