"""Lineage as a picture: causes on the left, results on the right; every node and tie as text below."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.report import svg
from nbmlops.report.text import count
from nbmlops.widgets.html import card, fold, image, lines, table

__all__ = ["html", "text"]

WIDE, HIGH, ACROSS, DOWN, TOP = 168, 34, 212, 46, 44
REACH, MOST, SAID = 4, 48, 40  # steps each way and nodes in the picture; lines of text
COLOURS = {"model": svg.BLUE, "run": svg.INK, "feedback": svg.ORANGE, "predictions": svg.ORANGE}
PLURAL = {"dataset": "data sets", "data": "data", "predictions": "predictions", "feedback": "feedback"}


def html(data: Mapping[str, Any]) -> str:
    """Return the picture, what it leaves out, and a table of all."""
    shown = [n for n in data["nodes"] if abs(n["distance"]) <= REACH][:MOST]
    words = text(data).partition("\n")[0]
    width, picture = _drawn(shown, data["edges"], data["subject"], words)
    names = {n["id"]: n["label"] for n in data["nodes"]}
    ties = [[names[e["from"]], e["what"], names[e["to"]]] for e in data["edges"]]
    hidden = len(data["nodes"]) - len(shown)
    hint = f"the picture shows the nearest {len(shown)} of {len(data['nodes'])}" if hidden else ""
    body = f'<div style="overflow-x:auto">{image(picture, words, width)}</div>' + fold(
        "All ties", table(["from", "", "to"], ties)
    )
    return card(f"Lineage of {_name(data['subject'])}", "", body, "; ".join(t for t in (hint, _left_out(data)) if t))


def text(data: Mapping[str, Any]) -> str:
    """Return every tie as a line, causes first."""
    nodes = {n["id"]: n for n in data["nodes"]}
    causes = sum(n["distance"] < 0 for n in data["nodes"])
    results = len(data["nodes"]) - 1 - causes
    head = f"Lineage of {_name(data['subject'])}: {count(causes, 'cause')}, {count(results, 'result')}"
    ordered = sorted(data["edges"], key=lambda e: (nodes[e["from"]]["distance"], nodes[e["to"]]["distance"]))
    rows = [[nodes[e["from"]]["label"], e["what"], nodes[e["to"]]["label"]] for e in ordered]
    more = [f"  and {len(rows) - SAID} more ties"] if len(rows) > SAID else []
    said = [f"  {line}" for line in lines(["from", "", "to"], rows[:SAID]).splitlines()] if rows else []
    return "\n".join([head, *said, *more, *([f"  {left}"] if (left := _left_out(data)) else [])])


def _left_out(data: Mapping[str, Any]) -> str:
    left = data["left_out"]
    return "not followed: " + ", ".join(f"{n} {PLURAL.get(k, k + 's')}" for k, n in left.items()) if left else ""


def _name(node: str) -> str:
    kind, _, key = node.partition(":")
    return f"run {key[-6:]}" if kind == "run" else key


def _drawn(
    nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, str]], subject: str, words: str
) -> tuple[int, str]:
    """Return width and SVG: a column for each step from the subject."""
    columns: defaultdict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for node in sorted(nodes, key=lambda n: (n["distance"], n["kind"], str(n["at"] or ""), n["id"])):
        columns[node["distance"]].append(node)
    tallest = max(map(len, columns.values()))
    places = {
        node["id"]: (16 + ACROSS * at, TOP + DOWN * (row + (tallest - len(columns[step])) / 2))
        for at, step in enumerate(sorted(columns))
        for row, node in enumerate(columns[step])
    }
    ties = [(places[e["from"]], places[e["to"]]) for e in edges if e["from"] in places and e["to"] in places]
    body = "".join(_tie(*tie) for tie in ties) + "".join(_node(n, *places[n["id"]], n["id"] == subject) for n in nodes)
    width, height = 32 + ACROSS * (len(columns) - 1) + WIDE, TOP + DOWN * tallest + 4
    return width, svg.picture(width, height, f"Lineage of {_name(subject)}", words, body)


def _node(node: Mapping[str, Any], x: float, y: float, subject: bool) -> str:
    """Return a node: its kind as a word and a stripe, what it is as text; the subject on a darker edge."""
    colour = COLOURS.get(node["kind"], svg.GREY)
    edge = svg.INK if subject else svg.EDGE
    ground = svg.box(x - 1, y - 1, WIDE + 2, HIGH + 2, edge) + svg.box(x, y, WIDE, HIGH, svg.CARD)
    label = svg.lettering(x + 10, y + 27, svg.cut(node["label"], 24), colour=svg.INK, weight=600 if subject else 0)
    return ground + svg.box(x, y, 4, HIGH, colour) + svg.lettering(x + 10, y + 13, node["kind"], size=9) + label


def _tie(start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return a line from a node's right edge to another's left, with a dot where it arrives."""
    (x1, y1), (x2, y2) = start, end
    x1, y1, y2 = x1 + WIDE, y1 + HIGH / 2, y2 + HIGH / 2
    return svg.rule(x1, y1, x2, y2, svg.GREY) + svg.box(x2 - 4, y2 - 2, 4, 4, svg.GREY)
