"""What came true against what was said, as a chart: a table of tinted cells with its numbers in them."""

from __future__ import annotations

from collections.abc import Sequence

from nbmlops.report.svg import BLUE, CARD, EDGE, INK, box, cut, lettering, picture
from nbmlops.report.text import as_float, count, finite, number, percent

__all__ = ["confusion"]

MOST_CLASSES = 10
LEFT, TOP, WIDTH = 120, 72, 480
LETTER = 6.6  # of 11 px, with some air
DARKEST = 0.55  # of blue: ink stays readable on it


def confusion(labels: Sequence[str], counts: Sequence[Sequence[float]], *, title: str) -> str:
    """Draw what came true (rows) against what was said (columns); what was right has a strong edge.

    Parameters
    ----------
    labels : sequence of str
        The classes.
    counts : sequence of sequence of float
        Rows of data: ``counts[i][j]`` were class ``i`` and called class ``j``.
    title : str

    Returns
    -------
    str
        An SVG, 480 wide; of more than ten classes the ten most frequent, the rest is counted in a note.

    Examples
    --------
    >>> "4 rows" in confusion(["late", "on time"], [[2, 0], [1, 1]], title="Right and wrong")
    True
    """
    cells = [[_counted(value) for value in row] for row in counts]
    total = sum(map(sum, cells))
    if not total:
        words = "No rows to count."
        return picture(WIDTH, 70, title, words, lettering(16, 50, words))
    names = [str(label) for label in labels]
    shown = sorted(sorted(range(len(names)), key=lambda i: -sum(cells[i]))[:MOST_CLASSES])
    wide, high = (464 - LEFT) / len(shown), 52 if len(shown) <= 4 else 34
    body = _heads([names[i] for i in shown], wide, high)
    kept = [[cells[i][j] for j in shown] for i in shown]
    # The edges of what was right come last: no neighbour may cover them.
    places = sorted(((i, j) for i in range(len(kept)) for j in range(len(kept))), key=lambda at: at[0] == at[1])
    body += "".join(_cell(kept[i], sum(cells[shown[i]]), (i, j), wide, high) for i, j in places)
    height = TOP + high * len(shown) + 16
    if left_out := len(names) - len(shown):
        height += 16
        body += lettering(16, height - 12, f"and {count(left_out, 'rarer class', 'rarer classes')}")
    return picture(WIDTH, height, title, _words(names, cells, total), body)


def _heads(names: Sequence[str], wide: float, high: int) -> str:
    """Return the names of both sides; names too long for a column have numbers there."""
    fit = max(map(len, names)) <= wide / LETTER
    body = lettering(LEFT, 46, "said") + lettering(LEFT - 8, 62, "came true", anchor="end")
    for place, name in enumerate(names):
        top = name if fit else str(place + 1)
        side = name if fit else f"{cut(name, 12)} ({place + 1})"
        body += lettering(LEFT + wide * (place + 0.5), 64, cut(top, wide / LETTER), anchor="middle", colour=INK)
        body += lettering(LEFT - 8, TOP + high * (place + 0.5) + 4, cut(side, 17), anchor="end", colour=INK)
    return body


def _counted(value: float) -> int:
    known = as_float(value)
    return round(known) if finite(known) else 0


def _cell(row: Sequence[int], of: int, at: tuple[int, int], wide: float, high: int) -> str:
    """Return a cell: darker the more of its row fell into it."""
    rows, right = row[at[1]], at[0] == at[1]
    share = rows / of if of else 0.0
    x, y = LEFT + wide * at[1], TOP + high * at[0]
    drawn = box(x + 1, y + 1, wide - 2, high - 2, _tint(share), edge=INK if right else EDGE, width=2 if right else 1)
    middle = x + wide / 2
    if wide < 60:  # a share has no room
        return drawn + lettering(middle, y + high / 2 + 4, _brief(rows), anchor="middle", colour=INK)
    drawn += lettering(middle, y + high / 2 - 2, number(rows), anchor="middle", colour=INK, weight=600)
    return drawn + lettering(middle, y + high / 2 + 13, percent(share), anchor="middle", colour=INK)


def _tint(share: float) -> str:
    part = DARKEST * share
    light, dark = ([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in (CARD, BLUE))
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in zip(light, dark, strict=True))


def _brief(rows: int) -> str:
    return number(rows) if rows < 10_000 else f"{rows / 1000:,.0f}k"


def _words(names: Sequence[str], cells: Sequence[Sequence[int]], total: int) -> str:
    right = sum(row[i] for i, row in enumerate(cells))
    said = f"{number(total)} rows, right in {number(right)} ({percent(right / total)})."
    wrong = [(rows, i, j) for i, row in enumerate(cells) for j, rows in enumerate(row) if i != j and rows]
    if not wrong:
        return f"{said} Nothing was mistaken."
    rows, i, j = max(wrong, key=lambda mistake: mistake[0])
    of = percent(rows / sum(cells[i]))
    return f"{said} Most frequent mistake: {names[i]} called {names[j]}, {count(rows, 'row')} ({of} of {names[i]})."
