"""A key that is given once goes from process to process in memory: ssh reads it, and no file has it."""

import os
from pathlib import Path

import pytest

from provisioner import run
from provisioner.errors import InputError, WorkerError
from provisioner.state import ssh_keys
from provisioner.state.ssh_keys import KeyBox, MemoryFile
from provisioner.verify import ssh


@pytest.fixture
def key(tmp_path: Path) -> str:
    run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"])
    text = (tmp_path / "key").read_text()
    (tmp_path / "key").unlink()
    return text


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  iterdir would hold one itself


def test_a_key_that_is_handed_over_is_read_by_ssh_and_is_in_no_file(tmp_path: Path, key: str) -> None:
    before = descriptors()
    with KeyBox(tmp_path) as box:
        with MemoryFile(key) as given:
            ssh.require_usable(given.path)
            ssh_keys.hand_over(tmp_path, "v-1", given.descriptor)
        taken = box.take("v-1")
        assert taken is not None
        assert not os.get_inheritable(taken), "no other program that we start has it"
        public = run.text(["ssh-keygen", "-y", "-f", ssh_keys.path_of(taken)])
        assert public.startswith("ssh-ed25519 ")
        assert box.take("v-1") is None, "it is taken once"
        written = [path for path in tmp_path.rglob("*") if path.is_file() and key in path.read_text()]
        assert written == []
        os.close(taken)
    assert descriptors() == before and not (tmp_path / ssh_keys.PLACE).exists()


def test_keys_do_not_get_mixed_up_and_none_is_replaced(tmp_path: Path, key: str) -> None:
    with KeyBox(tmp_path) as box:
        for name, text in (("v-1", key), ("v-2", "other"), ("v-1", "forged")):
            with MemoryFile(text) as given:
                ssh_keys.hand_over(tmp_path, name, given.descriptor)
        first, second = box.take("v-1"), box.take("v-2")
        assert first is not None and second is not None
        assert os.pread(first, 1 << 16, 0).decode() == key and os.pread(second, 100, 0) == b"other"
        os.close(first)
        os.close(second)


def test_a_key_that_nobody_claims_is_dropped(
    tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the row never came into the database."""
    before = descriptors()
    with KeyBox(tmp_path) as box:
        with MemoryFile(key) as given:
            ssh_keys.hand_over(tmp_path, "v-1", given.descriptor)
        box.collect()
        monkeypatch.setattr(ssh_keys, "UNCLAIMED", -1.0)
        assert box.take("v-1") is None
    assert descriptors() == before


def test_a_worker_that_is_not_there_takes_no_key(tmp_path: Path, key: str) -> None:
    with MemoryFile(key) as given:
        with pytest.raises(WorkerError) as raised:
            ssh_keys.hand_over(tmp_path, "v-1", given.descriptor)
        assert raised.value.code == 674
        KeyBox(tmp_path)._socket.close()  # one that was killed leaves its socket
        with pytest.raises(WorkerError, match="takes no key"):
            ssh_keys.hand_over(tmp_path, "v-1", given.descriptor)


def test_what_is_no_private_key_or_has_a_passphrase_is_refused(tmp_path: Path, key: str) -> None:
    run.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", tmp_path / "locked"])
    wrong = {
        (tmp_path / "locked").read_text(): "has a passphrase",
        (tmp_path / "locked.pub").read_text(): "no private SSH key",
        key[: len(key) // 2]: "no private SSH key",
        "\n": "no private SSH key",
        "x" * (1 << 20): "no private SSH key",
        "\x00" * 100: "no private SSH key",
    }
    for text, words in wrong.items():
        with MemoryFile(text) as given, pytest.raises(InputError, match=words) as raised:
            ssh.require_usable(given.path)
        assert raised.value.code == 571 and "/proc/" not in str(raised.value)
