"""Open files that come by a Unix socket: what the sender could not read is not read for him."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from provisioner.errors import InputError, RefusedError
from provisioner.web.client_sockets import MOST_FILES, LocalSocket
from provisioner.web.operators import open_files

Pair = tuple[socket.socket, LocalSocket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    client, server = socket.socketpair(socket.AF_UNIX)
    with client, LocalSocket(server) as local:
        yield client, local


def send(pair: Pair, *files: int) -> None:
    client, local = pair
    socket.send_fds(client, [b"POST"], files)
    assert local.take() == b"POST"


def receive(sock: object, folder: Path, *names: str) -> list[bytes]:
    with (
        Flask("test").test_request_context(environ_overrides={"gunicorn.socket": sock}),
        open_files.received(names, folder) as made,
    ):
        return [(made / name).read_bytes() for name in names]


def open_now() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def test_what_was_opened_is_read_under_its_name(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"mine")
    with (tmp_path / "f").open("rb") as file:
        (tmp_path / "f").unlink()
        send(pair, file.fileno())
    assert receive(pair[1], tmp_path, "x.pack") == [b"mine"] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("flags", [os.O_PATH, os.O_WRONLY])
def test_a_file_that_he_could_not_read_is_not_read_with_our_rights(
    pair: Pair, tmp_path: Path, flags: int
) -> None:
    """O_PATH needs no right to read; opened again by its number it would be read with ours."""
    (tmp_path / "secret").write_bytes(b"secret")
    file = os.open(tmp_path / "secret", flags)
    send(pair, file)
    os.close(file)
    with pytest.raises(InputError, match=r"x\.pack is no file that is open for reading"):
        receive(pair[1], tmp_path, "x.pack")


def test_neither_folders_nor_endless_files_are_read(pair: Pair, tmp_path: Path) -> None:
    for path in (tmp_path, Path("/dev/zero")):
        file = os.open(path, os.O_RDONLY)
        send(pair, file)
        os.close(file)
        with pytest.raises(InputError, match="open for reading"):
            receive(pair[1], tmp_path, "x.pack")


@pytest.mark.parametrize("count", [0, 1, 3, 4])
def test_another_number_of_files_is_refused_and_none_stays_open(
    pair: Pair, tmp_path: Path, count: int
) -> None:
    before = open_now()
    with (tmp_path / "f").open("wb+") as file:
        send(pair, *[file.fileno()] * count)
    with pytest.raises(InputError, match=f"2 open files belong to this, {count} came"):
        receive(pair[1], tmp_path, "a", "b")
    assert open_now() == before


def test_files_that_nobody_takes_are_closed(tmp_path: Path) -> None:
    before = open_now()
    client, server = socket.socketpair(socket.AF_UNIX)
    with client, LocalSocket(server) as local, (tmp_path / "f").open("wb+") as file:
        for _ in range(3):
            send((client, local), *[file.fileno()] * MOST_FILES)
        assert len(open_now()) <= len(before) + 3 + MOST_FILES
    assert open_now() == before


def test_over_the_network_no_file_can_come(tmp_path: Path) -> None:
    client, server = socket.socketpair(socket.AF_UNIX)
    with client, server:
        for sock in (None, server):
            with pytest.raises(RefusedError, match="on the service's own machine alone"):
                receive(sock, tmp_path, "x.pack")
