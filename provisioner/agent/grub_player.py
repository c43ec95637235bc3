"""Plays GRUB's statements as GRUB does, up to the kernel that it would load; what is in doubt is an error.

A value that only GRUB at its own start could know (a font, a graphics card) is unknown here: it may decide
nothing that reaches the kernel. GRUB manual, "The list of commands".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.agent.grub_condition import ReadFile, Value, test
from provisioner.agent.grub_script import Choice, Command, GrubError, Statement, Word
from provisioner.agent.grub_variables import Variables, assignment

PREFIX = "/boot/grub"
CALLS = 32  # functions within each other
# which touch nothing that the kernel is given
QUIET = frozenset(
    (
        *("insmod", "rmmod", "export", "echo", "true", "serial", "terminal_input", "terminal_output"),
        *("terminal", "background_color", "clear", "gettext", "loadkey", "keymap", "cpuid"),
    )
)
# whose result only GRUB knows
UNCERTAIN = frozenset(
    (
        *("loadfont", "sleep", "hwmatch", "fwsetup", "background_image", "keystatus", "play"),
        *("cmostest", "smbios", "videotest"),
    )
)
LOADERS = ("linux", "linuxefi", "linux16")
INITRDS = ("initrd", "initrdefi", "initrd16")


@dataclass(frozen=True)
class MenuItem:
    """A line of the menu; `is_certain`: it is there whatever only GRUB knows."""

    title: Value
    ident: Value
    body: tuple[Statement, ...]
    is_submenu: bool
    is_certain: bool
    arguments: tuple[Value, ...]


@dataclass(frozen=True)
class LoadedKernel:
    """Paths in the root file system, and the kernel's command line."""

    path: str
    command_line: str
    initrds: tuple[str, ...] = ()


class BootedError(Exception):
    """`boot` was met: what follows is never read."""


class Player:
    """Where GRUB is by now. `is_in_entry`: an entry was chosen, and is being played."""

    def __init__(self, read: ReadFile, variables: Variables) -> None:
        self._read, self.variables = read, variables
        self._functions: dict[str, tuple[Statement, ...]] = {}
        self._calls = 0
        self.items: list[MenuItem] = []
        self.loaded: LoadedKernel | None = None
        self.is_in_entry = False

    def play(self, statements: Sequence[Statement]) -> None:
        """One after the other. Raises GrubError, and BootedError where `boot` stands there."""
        for one in statements:
            if isinstance(one, Choice):
                self._choose(one)
            else:
                self._do(one)

    def call(self, body: Sequence[Statement], arguments: Sequence[Value]) -> None:
        """A block with its arguments as $1, $2 and so on. Raises as `play`."""
        self._calls += 1
        if self._calls > CALLS:
            raise GrubError("a function calls itself")
        given: dict[str, Value] = {str(number): value for number, value in enumerate(arguments, start=1)}
        kept = self.variables.swap_arguments({**given, "#": str(len(arguments))})
        self.play(body)
        self.variables.swap_arguments(kept)
        self._calls -= 1

    def _choose(self, choice: Choice) -> None:
        """Where a condition is unknown, every branch that may be taken is played, and leaves doubt behind."""
        was_certain = self.variables.is_certain
        for condition, block in choice.branches:
            self.play(condition)
            status = self.variables.status
            if status is False:
                continue
            if status is None:  # until `fi`: what follows is played only where this was not
                self.variables.is_certain = False
            self.play(block)
            if status:
                break
        else:
            self.play(choice.otherwise)
        self.variables.is_certain, self.variables.status = was_certain, True

    def _do(self, command: Command) -> None:
        if len(command.words) == 1 and (pair := assignment(command.words[0])):
            self.variables.set(pair[0], self.variables.joined(pair[1]))
            self.variables.status = True
            return
        values = [value for word in command.words for value in self.variables.expand(word)]
        self.variables.status = True
        name, *arguments = values or [""]
        if name is None:
            raise GrubError(f"line {command.line}: which command it is, only GRUB knows")
        if command.block is not None:
            self._declare(name, arguments, command.block, command.line)
        elif name in self._functions:
            self.call(self._functions[name], arguments)
        elif name == "set":
            self._set(command.words[1:], command.line)
        elif name:
            self._run(name, arguments, command.line)

    def _declare(self, kind: str, arguments: list[Value], block: tuple[Statement, ...], line: int) -> None:
        is_certain = self.variables.is_certain
        if kind == "function":
            name = arguments[0] if len(arguments) == 1 and is_certain else None
            if not name:
                raise GrubError(f"line {line}: a function that may or may not be there")
            self._functions[name] = block
            return
        title: Value = arguments[0] if arguments else ""
        ident = arguments[arguments.index("--id") + 1] if "--id" in arguments[:-1] else ""
        self.items.append(MenuItem(title, ident, block, kind == "submenu", is_certain, tuple(arguments)))

    def _set(self, words: Sequence[Word], line: int) -> None:
        for word in words:
            pair = assignment(word)
            if pair is None:
                raise GrubError(f"line {line}: what is set is not understood")
            self.variables.set(pair[0], self.variables.joined(pair[1]))

    def _run(self, name: str, arguments: list[Value], line: int) -> None:
        """One command of GRUB's own."""
        match name:
            case "[" | "test":
                words = arguments[:-1] if name == "[" else arguments
                self.variables.status = test(words, self._read)
            case "false":
                self.variables.status = False
            case "unset":
                for word in arguments:
                    self.variables.set(word or "", "")
            case "load_env":
                self._load_env(arguments)
            case "save_env":  # of an entry it says only that it was tried, which its system takes back
                if not self.is_in_entry:
                    raise GrubError(f"line {line}: GRUB would write to its environment")
            case "search":
                self._search(arguments)
            case "boot":
                self._boot(line)
            case _ if name in LOADERS or name in INITRDS:
                self._load(name, arguments, line)
            case _:
                self._look(name, line)

    def _look(self, name: str, line: int) -> None:
        if name in UNCERTAIN:
            self.variables.status = None
            if name == "hwmatch":
                self.variables.set("match", None)
        elif name not in QUIET:
            raise GrubError(f"line {line}: the command {name[:40]!a} is not understood")

    def _boot(self, line: int) -> None:
        if not self.variables.is_certain:
            raise GrubError(f"line {line}: whether it boots here, only GRUB knows")
        raise BootedError

    def _load_env(self, arguments: Sequence[Value]) -> None:
        """The block that grub-editenv keeps: a line of a name and its value each."""
        if arguments:
            raise GrubError("its environment is read from another file")
        for line in (self._read(f"{PREFIX}/grubenv") or "").splitlines():
            name, sign, value = line.partition("=")
            if sign and not line.startswith("#"):
                self.variables.set(name, value)

    def _search(self, arguments: Sequence[Value]) -> None:
        """Only by the file system's UUID is it known here what will be found."""
        words = [value or "" for value in arguments]
        names = [word[6:] for word in words if word.startswith("--set=")]
        if "--set" in words[:-1]:
            after = words[words.index("--set") + 1 :]
            names = after[:1] if len(after) > 1 and not after[0].startswith("-") else []
        last = words[-1] if words else ""
        is_known = ("--fs-uuid" in words or "-u" in words) and last and not last.startswith("-")
        self.variables.set(names[0] if names else "root", file_system(last) if is_known else None)

    def _load(self, name: str, arguments: Sequence[Value], line: int) -> None:
        """`linux` or `initrd`: exactly what GRUB would read, and hand over."""
        words = [value for value in arguments if value is not None]
        if len(words) < len(arguments) or not self.variables.is_certain:
            raise GrubError(f"line {line}: what {name} is given, only GRUB knows")
        paths = words if name in INITRDS else words[:1]
        if not paths or not all(path.startswith("/") for path in paths):
            raise GrubError(f"line {line}: {name} names no path on its root: {' '.join(paths)[:80]!a}")
        if name in LOADERS:
            line_of_it = command_line([f"BOOT_IMAGE={paths[0]}", *words[1:]])
            self.loaded = LoadedKernel(paths[0], line_of_it)
        elif self.loaded is None:
            raise GrubError(f"line {line}: {name} stands before its kernel")
        else:
            self.loaded = LoadedKernel(self.loaded.path, self.loaded.command_line, tuple(paths))


def file_system(uuid: str) -> str:
    """What `root` is where `search` has found the file system of this UUID."""
    return f"UUID={uuid.lower()}"


def command_line(words: Sequence[str]) -> str:
    """The words as GRUB joins them (grub-core/lib/cmdline.c): quoted where a space is in one."""
    lines = []
    for word in words:
        text = "".join(f"\\{sign}" if sign in "\\'\"" else sign for sign in word)
        lines.append(f'"{text}"' if " " in word else text)
    return " ".join(lines)
