"""A small SVG canvas: boxes, lines, arrows and text in colours that suit light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

__all__ = ["Canvas"]

#: class -> (light, dark)
COLOURS = {"ink": ("#1f2328", "#e6edf3"), "soft": ("#59636e", "#9198a1"),
           "page": ("#ffffff", "#0d1117"), "faint": ("#d8dee4", "#30363d"),
           "blue": ("#d6ecff", "#123a5e"),
           "yellow": ("#fff3c4", "#4a3a05"), "green": ("#d9f7df", "#14401f"),
           "purple": ("#f0e4ff", "#3a2560"), "grey": ("#eef1f4", "#232a33"),
           "strong": ("#0969da", "#58a6ff"), "second": ("#bf8700", "#d29922")}
STYLE = ("text{{font:13px sans-serif;fill:{ink}}}.small{{font-size:11px}}.big{{font-size:15px}}"
         ".bold{{font-weight:bold}}.mono{{font-family:monospace}}.dim{{fill:{soft}}}"
         ".line{{fill:none;stroke:{ink};stroke-width:1.3}}.thin{{fill:none;stroke:{faint}}}"
         ".dash{{stroke-dasharray:5 4}}.bus{{fill:none;stroke:{ink};stroke-width:3}}"
         ".wave{{fill:none;stroke:{strong};stroke-width:1.6}}.head{{fill:{ink}}}"
         ".bar1{{fill:{strong}}}.bar2{{fill:{second}}}.page{{fill:{page}}}"
         "{boxes}")


def _style(theme: int) -> str:
    colours = {name: pair[theme] for name, pair in COLOURS.items()}
    boxes = "".join(f".{name}{{fill:{colours[name]};stroke:{colours['soft']}}}"
                    for name in ("blue", "yellow", "green", "purple", "grey"))
    return STYLE.format(boxes=boxes, **colours)


class Canvas:
    """Shapes are added in order; :meth:`text` of the whole picture is what is written."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.width, self.height, self.title = width, height, title
        self.parts: list[str] = []

    def box(self, x: float, y: float, w: float, h: float, kind: str, *lines: str,
            style: str = "") -> None:
        """A rounded box with centred lines of text; the first is bold if there are more."""
        self.parts.append(f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{w:g}" '
                          f'height="{h:g}" rx="5"/>')
        top = y + h / 2 + 4.5 - 8 * (len(lines) - 1)
        for i, line in enumerate(lines):
            bold = " bold" if i == 0 and len(lines) > 1 else " small" if i else ""
            self.label(x + w / 2, top + 16 * i, line, style + bold, anchor="middle")

    def label(self, x: float, y: float, words: str, style: str = "", *,
              anchor: str = "start") -> None:
        kind = f' class="{style.strip()}"' if style.strip() else ""
        self.parts.append(f'<text{kind} x="{x:g}" y="{y:g}" text-anchor="{anchor}">'
                          f'{escape(words)}</text>')

    def line(self, points: Iterable[tuple[float, float]], style: str = "line") -> None:
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.parts.append(f'<polyline class="{style}" points="{path}"/>')

    def arrow(self, *points: tuple[float, float], style: str = "line") -> None:
        """A line along ``points`` (upright or level pieces) with a head at its end."""
        (x0, y0), (x, y) = points[-2], points[-1]
        dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
        self.line([*points[:-1], (x - 6 * dx, y - 6 * dy)], style)
        head = [(x, y), (x - 8 * dx - 4 * dy, y - 8 * dy - 4 * dx),
                (x - 8 * dx + 4 * dy, y - 8 * dy + 4 * dx)]
        self.parts.append('<polygon class="head" points="'
                          + " ".join(f"{a:g},{b:g}" for a, b in head) + '"/>')

    def wave(self, left: float, step: float, y: float, bits: Iterable[int]) -> None:
        """A digital signal, one level a cycle of ``step``."""
        points = []
        for i, bit in enumerate(bits):
            level = y + (2 if bit else 15)
            points += [(left + i * step, level), (left + (i + 1) * step, level)]
        self.line(points, "wave")

    def span(self, left: float, step: float, y: float, cycles: tuple[int, int], kind: str,
             words: str) -> None:
        """A small box over the cycles from the first to before the second, with its text."""
        first, end = cycles
        wide = (end - first) * step
        self.box(left + first * step + 1, y, wide - 2, 17, kind)
        self.label(left + first * step + wide / 2, y + 12.5, words, "small", anchor="middle")

    def bracket(self, x0: float, x1: float, y: float, words: str) -> None:
        """A bracket that opens upwards, with a text below it."""
        self.line([(x0, y - 6), (x0, y), (x1, y), (x1, y - 6)])
        self.label((x0 + x1) / 2, y + 17, words, "small", anchor="middle")

    def frame(self, x: float, y: float, w: float, h: float) -> None:
        """A dashed outline around what belongs together."""
        self.parts.append(f'<rect class="line dash" x="{x:g}" y="{y:g}" width="{w:g}" '
                          f'height="{h:g}" rx="9"/>')

    def dot(self, x: float, y: float) -> None:
        self.parts.append(f'<circle class="head" cx="{x:g}" cy="{y:g}" r="3"/>')

    def bar(self, x: float, y: float, w: float, h: float, kind: str) -> None:
        self.parts.append(f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{w:.1f}" '
                          f'height="{h:g}"/>')

    def text(self, theme: str = "both") -> str:
        """The SVG; ``theme`` light or dark fixes the colours (for previews)."""
        style = _style(theme == "dark")
        if theme == "both":
            style += "@media (prefers-color-scheme:dark){" + _style(1) + "}"
        body = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" '
                f'height="{self.height}" viewBox="0 0 {self.width} {self.height}" role="img">\n'
                f"<title>{escape(self.title)}</title>\n<style>{style}</style>\n"
                f'<rect class="page" width="{self.width}" height="{self.height}"/>\n'
                f"{body}\n</svg>\n")
