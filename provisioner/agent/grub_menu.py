"""What GRUB would start by itself from the menu of a root file system; any doubt is an error.

GRUB manual, "default", "menuentry", "submenu"; how an entry is found: grub-core/normal/menu.c.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from provisioner.agent.grub_condition import ReadFile
from provisioner.agent.grub_player import PREFIX, BootedError, MenuItem, Player, file_system
from provisioner.agent.grub_script import GrubError, parse
from provisioner.agent.grub_variables import Variables

Platform = Literal["efi", "pc"]
MENU = f"{PREFIX}/grub.cfg"
FEATURES = (
    *("chainloader_bpb", "ntldr", "platform_search_hint", "default_font_path", "all_video_module"),
    *("menuentry_id", "menuentry_options", "200_final", "nativedisk_cmd", "timeout_style"),
)  # grub-core/normal/main.c


@dataclass(frozen=True)
class BootEntry:
    """What GRUB would start: paths in the root file system, the command line, the title, if it has one."""

    title: str
    kernel: str
    initrds: tuple[str, ...]
    command_line: str


def default_entry(read: ReadFile, uuid: str, platform: Platform) -> BootEntry:
    """What the menu starts by itself. `uuid` is the root file system's, as GRUB's `search` names it.

    `read` gives a file of the root file system as text, None where there is none. Raises GrubError, which
    says what is not clear.
    """
    text = read(MENU)
    if text is None:
        raise GrubError(f"there is no {MENU}")
    known = {
        **{f"feature_{name}": "y" for name in FEATURES},
        **{"prefix": PREFIX, "config_directory": PREFIX, "config_file": MENU, "root": file_system(uuid)},
        **{"grub_platform": platform, "grub_cpu": "x86_64" if platform == "efi" else "i386"},
    }
    player = Player(read, Variables(known))
    try:
        player.play(parse(text))
    except BootedError:
        return _entry(player, "", uuid)
    _check_timeout(player.variables)
    wanted = player.variables.get("default")
    if wanted is None:
        raise GrubError("which entry is the default, only GRUB knows")
    return _chosen(player, wanted, uuid)


def _check_timeout(variables: Variables) -> None:
    timeout = variables.get("timeout")
    if timeout and timeout.strip().startswith("-"):
        raise GrubError("the menu waits for somebody to choose")


def _chosen(player: Player, wanted: str, uuid: str) -> BootEntry:
    """The entry of that path: numbers, titles or ids, with `>` between a submenu and what is in it."""
    first, _, rest = _path(player.items, wanted)
    item = _find(player.items, first)
    player.variables.set("chosen", wanted)
    if item.is_submenu:
        if not rest:
            raise GrubError(f"its default is a submenu, {item.title!a}")
        player.items = []
        player.call(item.body, item.arguments)
        return _chosen(player, rest, uuid)
    player.is_in_entry = True
    with suppress(BootedError):
        player.call(item.body, item.arguments)
    return _entry(player, item.title or "", uuid)


def _path(items: list[MenuItem], wanted: str) -> tuple[str, str, str]:
    """A title may have `>` in it."""
    if any(wanted in (item.title, item.ident) for item in items):
        return wanted, "", ""
    return wanted.partition(">")


def _find(items: list[MenuItem], wanted: str) -> MenuItem:
    """By number, title or id; the first one where none fits."""
    if not items:
        raise GrubError("its menu is empty, and starts nothing")
    if wanted.isascii() and wanted.isdecimal():
        place, doubtful = (int(wanted) if int(wanted) < len(items) else 0), items[:0]
    else:
        fitting = [number for number, item in enumerate(items) if wanted in (item.title, item.ident)]
        place, doubtful = (fitting[0], items[:0]) if fitting and wanted else (0, items)
    # an entry that may be missing moves those behind it; one whose name is unknown may be the one
    is_certain = all(item.is_certain for item in items[: place + 1])
    if not is_certain or None in [name for item in doubtful for name in (item.title, item.ident)]:
        raise GrubError("which entry is the default depends on what only GRUB knows")
    return items[place]


def _entry(player: Player, title: str, uuid: str) -> BootEntry:
    if player.loaded is None:
        raise GrubError(f"the entry {title[:80]!a} starts no Linux kernel")
    root = player.variables.get("root")
    if root != file_system(uuid):
        raise GrubError(f"its kernel lies on {root or 'a disk that only GRUB knows'}, not on the root")
    return BootEntry(title, player.loaded.path, player.loaded.initrds, player.loaded.command_line)
