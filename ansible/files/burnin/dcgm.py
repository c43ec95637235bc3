"""Runs `dcgmi diag` where it is installed, and reads its JSON, which no schema promises.

Two shapes are known: DCGM 3 ("DCGM GPU Diagnostic", a result for each list of GPUs) and DCGM 4 ("DCGM
Diagnostic", a result for each entity, warnings as objects, a summary for each test). Both are read by what
they share: objects with `name` and `results`. A word that is not known is an error, never a pass, and a test
that was skipped on one GPU is skipped.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

WORDS = {"pass": "pass", "warn": "warn", "fail": "fail", "skip": "skipped", "skipped": "skipped"}
WORST = ("error", "fail", "skipped", "warn", "pass")  # the first of these that any GPU has
FEW = re.compile(r"GeForce|RTX|TITAN|Quadro", re.IGNORECASE)  # level 1 only (DCGM's user guide, diagnostics)
UNSUPPORTED = re.compile(r"unsupported GPU|not supported|no supported", re.IGNORECASE)
MISSING: dict[str, Any] = {"state": "missing", "version": "", "tests": [], "reason": "dcgmi is not installed"}


def level_for(names: list[str], wanted: int) -> tuple[int, str]:
    """Which level these GPUs take, and why it is another than was wanted."""
    few = [name for name in names if FEW.search(name)]
    if few and wanted > 1:
        return 1, f"DCGM has only level 1 for {few[0]}, level {wanted} was wanted"
    return wanted, ""


def loaded(output: str) -> Any:
    """The JSON in the output: warnings may stand before it. None: there is none."""
    start, end = output.find("{"), output.rfind("}")
    try:
        return json.loads(output[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        return None


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in it, from the outside to the inside."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from objects(one)


def status(results: list[Any]) -> str:
    words = [str(one.get("status", "")).strip().lower() if isinstance(one, dict) else "" for one in results]
    found = {WORDS.get(word, "error") for word in words} or {"error"}
    return next(word for word in WORST if word in found)


def warnings(results: list[Any]) -> list[str]:
    """What DCGM says to each result, in either shape."""
    found = []
    for one in results:
        said = one.get("warnings") if isinstance(one, dict) else None
        for entry in said if isinstance(said, list) else [said] * bool(said):
            found.append(str(entry.get("warning", entry) if isinstance(entry, dict) else entry)[:500])
    return list(dict.fromkeys(found))


def tests(document: Any) -> list[dict[str, Any]]:
    found = []
    for one in objects(document):
        results = one.get("results")
        if isinstance(one.get("name"), str) and isinstance(results, list):
            summary = one.get("test_summary")
            every = results + [summary] * isinstance(summary, dict)
            entry = {"name": one["name"], "status": status(every), "warnings": warnings(results)}
            found.append(entry)
    return found


def version(document: Any) -> str:
    """DCGM's own; DCGM 3 has it beside the categories, DCGM 4 in `metadata`."""
    return next((str(one["version"]) for one in objects(document) if isinstance(one.get("version"), str)), "")


def read(output: str, why: str) -> dict[str, Any]:
    """`dcgm` of the report; `why` says that dcgmi was cut short. `raw` is its output as it came."""
    document = loaded(output)
    found = tests(document)
    faults = [str(one["runtime_error"]) for one in objects(document) if one.get("runtime_error")]
    state, reason = "ok", ""
    if faults or not found:
        lines = output.strip().splitlines()
        reason = (faults or [why or (lines[-1][:300] if lines else "dcgmi printed nothing")])[0]
        state = "unsupported" if UNSUPPORTED.search(f"{reason} {output[:2000]}") else "error"
    elif why:  # cut short: what had passed by then says nothing of the rest
        state, reason = "error", why
    return {"state": state, "version": version(document), "tests": found, "reason": reason, "raw": output}
