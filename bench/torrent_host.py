"""One host of the swarm rows by BitTorrent: `PYTHON bench/torrent_host.py FOLDER NAME ADDRESS [SEED]`.

PYTHON has libtorrent (`pip install libtorrent`), which is no dependency of ours. Without SEED, the address of
who has the file, it is the seed itself: it makes FOLDER/NAME.torrent and prints `ready`. Else it waits for a
line, fetches the file into FOLDER, and prints when it was whole (seconds of the monotonic clock). Both go on
giving until their standard input closes.
"""

import os
import sys
import threading
import time
from pathlib import Path

import libtorrent  # type: ignore[import-not-found]  # no dependency of ours

PORT = 6881
PIECE = 1 << 20
SETTINGS = {
    "enable_dht": False,
    "enable_lsd": True,
    "enable_upnp": False,
    "enable_natpmp": False,
    "allow_multiple_connections_per_ip": False,
    "connections_limit": 100,
    "out_enc_policy": 2,
    "in_enc_policy": 2,
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
}


def main() -> None:
    """Never returns before its standard input closes."""
    folder, name, address = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    listed = folder / f"{name}.torrent"
    session = libtorrent.session({**SETTINGS, "listen_interfaces": f"{address}:{PORT}"})
    if len(sys.argv) == 4:
        files = libtorrent.file_storage()
        libtorrent.add_files(files, str(folder / name))
        made = libtorrent.create_torrent(files, PIECE)
        libtorrent.set_piece_hashes(made, str(folder))
        listed.write_bytes(libtorrent.bencode(made.generate()))
        add(session, listed, folder)
        print("ready", flush=True)
    else:
        print("ready", flush=True)
        sys.stdin.readline()
        where = folder / address
        where.mkdir()
        handle = add(session, listed, where)
        for peer in sys.argv[4:]:
            handle.connect_peer((peer, PORT))
        threading.Thread(target=await_whole, args=(handle,), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


def add(session: libtorrent.session, listed: Path, where: Path) -> libtorrent.torrent_handle:
    """The torrent in this session."""
    terms = libtorrent.add_torrent_params()
    terms.ti, terms.save_path = libtorrent.torrent_info(str(listed)), str(where)
    return session.add_torrent(terms)


def await_whole(handle: libtorrent.torrent_handle) -> None:
    """Say when."""
    while not handle.status().is_seeding:
        time.sleep(0.05)
    print(f"whole {time.monotonic()}", flush=True)


main()
