"""What can be told from the style sheets alone: whether what they draw can be seen, in both themes."""

import re

import pytest

from provisioner.web.pages import static_files

STYLE = (static_files.FOLDER / "style.css").read_text()
LABEL = re.search(r"^\.label \{([^}]*)\}", (static_files.FOLDER / "rack.css").read_text(), re.MULTILINE)
READ, SEEN = 4.5, 3.0  # WCAG 2.2: 1.4.3 of text, 1.4.11 of controls
TONES = ("ok", "busy", "wait", "warn", "bad", "off")
FIELD, BORDER = "pico-form-element-background-color", "pico-form-element-border-color"


def _theme(start: str) -> dict[str, str]:
    block = STYLE[STYLE.index(start) :].partition("{")[2].partition("}")[0]
    return dict(re.findall(r"--([\w-]+):\s*([^;]+);", block))


LIGHT = _theme(":root:not([data-theme=")
THEMES = {"light": LIGHT, "dark": LIGHT | _theme("  :root:not([data-theme]) {")}


def _shine(colour: str) -> float:
    """Relative luminance, as WCAG defines it."""
    digits = colour.lstrip("#")
    digits = digits if len(digits) == 6 else "".join(2 * each for each in digits)
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_shine(one), _shine(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _colour(theme: dict[str, str], name: str) -> str:
    value = theme[name].strip()
    return _colour(theme, value[6:-1]) if value.startswith("var(--") else value


def _is_apart(theme: str, one: str, other: str, least: float) -> bool:
    return _contrast(_colour(THEMES[theme], one), _colour(THEMES[theme], other)) >= least


def test_contrast_is_measured_as_wcag_does() -> None:
    assert _contrast("#000", "#ffffff") == pytest.approx(21) and _contrast("#777777", "#fff") < READ


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_read_stands_out(theme: str) -> None:
    grounds = [(each, f"{each}-ground") for each in TONES]
    grounds += [("ink", ground) for ground in ("surface", "pico-background-color", FIELD)]
    grounds += [("pico-muted-color", ground) for ground in ("surface", "pico-background-color", "off-ground")]
    grounds += [("pico-code-color", "pico-code-background-color"), ("pico-form-element-color", FIELD)]
    grounds += [("pico-form-element-placeholder-color", FIELD)]
    assert [pair for pair in grounds if not _is_apart(theme, *pair, READ)] == []


@pytest.mark.parametrize("theme", THEMES)
def test_where_a_field_or_a_bar_ends_is_seen(theme: str) -> None:
    grounds = (FIELD, "surface", "pico-background-color")
    borders = (BORDER, "pico-form-element-invalid-border-color", "pico-switch-background-color")
    pairs = [(border, ground) for border in borders for ground in grounds]
    fill = "pico-progress-color" if "pico-progress-color" in THEMES[theme] else "pico-primary-background"
    pairs += [(fill, "pico-progress-background-color"), (fill, "surface")]
    assert [pair for pair in pairs if not _is_apart(theme, *pair, SEEN)] == []
    assert _is_apart(theme, "pico-progress-background-color", "surface", 1.5)


def test_a_label_is_black_on_white_whatever_the_theme() -> None:
    assert LABEL and "color-scheme: light" in LABEL[1] and "background: #fff; color: #000" in LABEL[1]
