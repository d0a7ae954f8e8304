"""The name of a theme in; the style sheet of a picture, and of a page around it, out, in colours after Okabe and Ito (2008)."""
from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["DARK", "LIGHT", "Colours", "Theme", "colours_of", "page_colours", "style_sheet"]

Theme = Literal["light", "dark", "auto"]


class Colours(NamedTuple):
    """Paper, ink, shapes and other small print, arrows, derivatives, what is cached, frames; fill and border of each kind of box."""

    paper: str
    ink: str
    small: str
    line: str
    back: str
    kept: str
    frame: str
    boxes: tuple[tuple[str, str, str], ...]


LIGHT = Colours("#ffffff", "#16191d", "#5c6670", "#3f4a55", "#b04a00", "#0072b2", "#f2f4f6", (
    ("data", "#e6f5f0", "#00805f"), ("param", "#fdf3dd", "#b97f00"), ("const", "#f3f4f5", "#6b7680"), ("op", "#e9f2fa", "#0072b2"),
    ("output", "#f8ebf3", "#a8487f"), ("gradient", "#fdede3", "#b04a00"), ("fold", "#eef1f4", "#3f4a55")))
DARK = Colours("#14181d", "#e9ecef", "#a3aeb9", "#aab5c0", "#ff9a57", "#56b4e9", "#1b2128", (
    ("data", "#0f2b25", "#2fc79d"), ("param", "#33290f", "#e69f00"), ("const", "#22272d", "#8d99a5"), ("op", "#12283a", "#56b4e9"),
    ("output", "#36202f", "#e08fbb"), ("gradient", "#38230f", "#ff9a57"), ("fold", "#1f262e", "#aab5c0")))
_FORMS = (("op", "stroke-width:1.2"), ("data", "stroke-width:1.2"), ("param", "stroke-width:1.2"),
          ("const", "stroke-width:1.2;stroke-dasharray:1.5 2.5"), ("output", "stroke-width:2.2"),
          ("gradient", "stroke-width:1.3;stroke-dasharray:5 3"), ("fold", "stroke-width:1.2"))


def style_sheet(theme: Theme, scope: str) -> str:
    """CSS for the classes of a picture below an element of class `scope`; "auto" follows the reader's system."""
    forms = [f".{scope} .line{{fill:none;stroke-width:1.25}}", f".{scope} .backward .line{{stroke-dasharray:5 3}}",
             f".{scope} .reuse .line{{stroke-dasharray:1.5 2.5;stroke-width:1.6}}", f".{scope} .faded{{opacity:.28}}",
             f".{scope} .life .line{{stroke-width:1.6}}", f".{scope} .rule{{fill:none;stroke-width:.6}}", f".{scope} .full{{shape-rendering:crispEdges}}"]
    forms += [f".{scope} .{kind} .form{{{style}}}" for kind, style in _FORMS]
    sheet = "".join(forms) + _colours(DARK if theme == "dark" else LIGHT, scope)
    return sheet + (f"@media (prefers-color-scheme:dark){{{_colours(DARK, scope)}}}" if theme == "auto" else "")


def page_colours(theme: Theme) -> str:
    """CSS variables with the colours of a picture, --paper, --ink, the borders --op, --param and so on, for the page that it stands in."""
    def variables(colours: Colours) -> str:
        return f":root{{{';'.join(f'--{name}:{colour}' for name, colour in _named(colours).items())}}}"
    sheet = f":root{{color-scheme:{'light dark' if theme == 'auto' else theme}}}" + variables(DARK if theme == "dark" else LIGHT)
    return sheet + (f"@media (prefers-color-scheme:dark){{{variables(DARK)}}}" if theme == "auto" else "")


def colours_of(theme: Literal["light", "dark"]) -> dict[str, str]:
    """The same colours by name: paper, ink, the borders op, param and so on."""
    return _named(DARK if theme == "dark" else LIGHT)


def _named(colours: Colours) -> dict[str, str]:
    return {**{kind: border for kind, _, border in colours.boxes}, "paper": colours.paper, "ink": colours.ink, "small": colours.small,
            "line": colours.line, "back": colours.back, "kept": colours.kept, "frame": colours.frame}


def _colours(colours: Colours, scope: str) -> str:
    arrows = (("forward", colours.line), ("backward", colours.back), ("reuse", colours.kept),
              ("product", colours.ink), ("life", colours.line), ("kept", colours.kept))
    rules = [
        (".paper", f"fill:{colours.paper}"), (".halo", f"fill:{colours.paper};opacity:.8"),
        (".ink", f"fill:{colours.ink}"), (".small", f"fill:{colours.small}"),
        (".frame", f"fill:{colours.frame}"),
        *((f".{kind} .line", f"stroke:{colour}") for kind, colour in arrows),
        *((f".{kind} .{part}", f"fill:{colour}") for kind, colour in arrows for part in ("tip", "label", "held")),
        (".note", f"fill:{colours.small}"), (".mark", f"fill:{colours.kept};stroke:{colours.paper}"),
        (".zero", f"fill:{colours.paper}"), (".full", f"fill:{colours.kept}"), (".rule", f"stroke:{colours.small}"),
        *((f".{kind} .form", f"fill:{fill};stroke:{stroke}") for kind, fill, stroke in colours.boxes)]
    return "".join(f".{scope} {selector}{{{style}}}" for selector, style in rules)
