"""What counts as a PCI device: agent and verification count the same."""

import importlib.util
from pathlib import Path

import pytest

from provisioner.agent import facts
from provisioner.system import shipped


@pytest.fixture
def bus(tmp_path: Path) -> Path:
    """A /sys with one GPU, two of its virtual functions (SR-IOV), and a card that has none."""
    functions = {
        "17:00.0": "10de:2330",
        "17:00.4": "10de:2330",
        "17:00.5": "10de:2330",
        "65:00.0": "15b3:1021",
    }
    for place, ident in functions.items():
        folder = tmp_path / f"bus/pci/devices/0000:{place}"
        folder.mkdir(parents=True)
        for name, value in zip(("vendor", "device"), ident.split(":"), strict=True):
            (folder / name).write_text(f"0x{value}\n")
        (folder / "class").write_text("0x030200\n")
        if place[-1] in "45":
            (folder / "physfn").symlink_to("../0000:17:00.0")
    return tmp_path


def test_the_virtual_functions_of_a_card_are_no_cards(bus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = shipped.file("ansible", "files/facts.py")
    specification = importlib.util.spec_from_file_location("facts", script)
    assert specification and specification.loader
    verification = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(verification)
    monkeypatch.setattr(verification, "SYS", bus)
    monkeypatch.setattr(facts, "SYS", bus)
    assert verification.pci() == ["10de:2330", "15b3:1021"]
    assert [device.id for device in facts.devices()] == ["10de:2330", "15b3:1021"]
