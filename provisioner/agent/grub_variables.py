"""GRUB's variables, of which some only GRUB could know, and what words become with them."""

from collections.abc import Sequence

from provisioner.agent.grub_condition import Truth, Value
from provisioner.agent.grub_script import Part, Word


class Variables:
    """By name; those that were never set are empty. `is_certain`: what is set now is set for GRUB, too."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values: dict[str, Value] = {**values}
        self.is_certain = True
        self.status: Truth = True  # of the last command

    def get(self, name: str) -> Value:
        """The value; None where nobody but GRUB knows it."""
        if name == "?":
            return None if self.status is None else str(int(not self.status))
        return self._values.get(name, "")

    def set(self, name: str, value: Value) -> None:
        """Where it is not certain that this is read at all, nobody knows the value any more."""
        self._values[name] = value if self.is_certain else None

    def swap_arguments(self, arguments: dict[str, Value]) -> dict[str, Value]:
        """Put $1, $2, … and $# in the place of those that are there, which are returned."""
        old = {name: value for name, value in self._values.items() if name.isdecimal() or name == "#"}
        others = {name: value for name, value in self._values.items() if name not in old}
        self._values = {**others, **arguments}
        return old

    def joined(self, parts: Sequence[Part]) -> Value:
        """One value, with whatever spaces are in it."""
        values = [self._value(part) for part in parts]
        known = [value for value in values if value is not None]
        return "".join(known) if len(known) == len(values) else None

    def expand(self, word: Word) -> list[Value]:
        """The arguments that a word becomes: unquoted variables are split, and may be none."""
        fields: list[Value] = []
        goes_on = False  # whether the next piece belongs to the last field
        for part in word:
            value = self._value(part)
            is_split = part.is_variable and not part.is_quoted and value is not None
            pieces: list[Value] = [*str(value).split()] if is_split else [value]
            if pieces and goes_on and not (is_split and str(value)[0].isspace()):
                first, last = pieces.pop(0), fields.pop()
                fields.append(None if first is None or last is None else last + first)
            elif not pieces:
                goes_on = goes_on and not value  # spaces alone end a field, nothing at all does not
                continue
            fields += pieces
            goes_on = not (is_split and str(value)[-1].isspace())
        return fields

    def _value(self, part: Part) -> Value:
        return self.get(part.text) if part.is_variable else part.text


def assignment(word: Word) -> tuple[str, Sequence[Part]] | None:
    """Name and value of `name=value`, the value as its parts; None where the word is no such thing."""
    name = ""
    for number, part in enumerate(word):
        if part.is_variable or part.is_quoted:
            return None
        if part.text == "=":
            is_name = bool(name) and not name[0].isdigit() and name.replace("_", "a").isalnum()
            return (name, word[number + 1 :]) if is_name else None
        name += part.text
    return None
