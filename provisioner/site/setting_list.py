"""The settings as they are, each with what it means: for people who look, not for the service."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from provisioner.settings import FIXED, Settings

HIDDEN = "***"
SECRET_URLS = frozenset({("webhooks", "url")})  # a receiver's path may be what it is known by


@dataclass(frozen=True)
class SettingLine:
    """One setting by its name in the TOML file; `default` is empty where it has to be given."""

    name: str
    value: str
    default: str
    is_default: bool
    description: str


@dataclass(frozen=True)
class SettingGroup:
    """A section: its name in the TOML file, empty for what stands above all sections.

    `at_start`: a change holds from the next start on, not from the next reload.
    """

    name: str
    about: str
    lines: tuple[SettingLine, ...]
    at_start: bool


def groups(settings: Settings) -> tuple[SettingGroup, ...]:
    """All of them, in the order of the file; of a list of tables one group for each table."""
    return tuple(_groups(settings))


def _groups(settings: Settings) -> Iterator[SettingGroup]:
    fields = type(settings).model_fields
    tables = {name: getattr(settings, name) for name in fields if _is_table(getattr(settings, name), name)}
    plain = [_line("", settings, name, field) for name, field in fields.items() if name not in tables]
    yield SettingGroup("", "the service itself", tuple(plain), at_start=True)
    for name, value in tables.items():
        several = value if isinstance(value, tuple) else (value,)
        for section in several:
            yield _group(name, section, is_list=isinstance(value, tuple))


def _is_table(value: object, name: str) -> bool:
    return isinstance(value, BaseModel) or name in ("networks", "webhooks")


def _group(name: str, section: BaseModel, *, is_list: bool) -> SettingGroup:
    about = (type(section).__doc__ or "").partition("\n")[0].rstrip(".")
    lines = tuple(_line(name, section, key, field) for key, field in type(section).model_fields.items())
    return SettingGroup(f"[{name}]" if is_list else name, about, lines, name in FIXED)


def _line(section: str, of: BaseModel, name: str, field: FieldInfo) -> SettingLine:
    value, default = getattr(of, name), field.get_default(call_default_factory=True, validated_data={})
    is_given = default is PydanticUndefined
    shown = _shown_url(str(value)) if (section, name) in SECRET_URLS else words(value)
    return SettingLine(
        name=name,
        value=shown,
        default="" if is_given else words(default),
        is_default=not is_given and value == default,
        description=field.description or "",
    )


def _shown_url(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}/{HIDDEN}"


def words(value: object) -> str:
    """A value as the TOML file has it, nearly; `none` for nothing."""
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, BaseModel):
        return words(dict(value))
    if isinstance(value, Mapping):
        return ", ".join(f"{key} = {words(item)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(words, value))
    return str(value)
