"""Why a model said what it said: each row in words and as bars, or the model as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbmlops.widgets.html import card, esc, fold, image, lines, number, percent, table

__all__ = ["html", "text"]

Json = Mapping[str, Any]
NOT_CAUSES = "What moves an answer is a property of the model, not a cause of the outcome."
MOST_BARS, MOST_SENTENCES = 10, 12
WIDE, LEFT, RIGHT = 560, 190, 462  # of the picture, in pixels


def html(data: Json) -> str:
    """Return a card: each row with its picture, or the model as a whole."""
    body = [f"<div>{esc(note)}</div>" for note in data["notes"]]
    body += [_row(row, data) for row in data["rows"]] if data["rows"] else _model(data)
    return card(_title(data), "", "".join(body), NOT_CAUSES)


def text(data: Json) -> str:
    """Return the same in words alone."""
    told = [line for row in data["rows"] for line in _row_lines(row, data)] if data["rows"] else _model_lines(data)
    notes = [f"  note: {note}" for note in data["notes"]]
    return "\n".join([_title(data), *(f"  {line}" for line in told), *notes, f"  {NOT_CAUSES}"])


def _title(data: Json) -> str:
    if not data["rows"]:
        return f"How {data['model']} answers"
    count = len(data["rows"])
    return f"Why {data['model']} answers so" + (f", {count} rows" if count > 1 else "")


def _head(row: Json, data: Json) -> str:
    """Return what was said of a row, and what is usual."""
    name = f"prediction {row['prediction_id']}" if row["prediction_id"] else f"row {row['row']}"
    said = f"{name}: {row['prediction']}"
    if "answer" not in row:
        return said + (f", probability {percent(row['probability'])}" if row["probability"] is not None else "")
    usual = f"usual for {number(data['background']['rows'])} rows of the background: {_amount(row['usual'], data)}"
    return f"{said}; {row['explains']} is {_amount(row['answer'], data)}, {usual}"


def _amount(value: float, data: Json) -> str:
    return number(value) if data["unit"] == "value" else percent(value)


def _row(row: Json, data: Json) -> str:
    parts = [f'<div style="margin-top:8px"><strong>{esc(_head(row, data))}</strong></div>']
    parts += [f"<div>{esc(note)}</div>" for note in row["notes"]]
    if rule := row.get("rule"):
        parts.append(f"<div>Rule {rule['number']} fired: {esc(rule['text'])}</div>")
    if row.get("contributions"):
        said = f"Bars of what raises and lowers {row['explains']}, as told below"  # never twice where none is shown
        parts.append(image(_picture(row, data), said, WIDE))
        parts += [f"<div>{esc(words)}</div>" for words in [*row["words"], *_chance(row, data)]]
        parts.append(fold(f"All {len(row['contributions'])} columns", _columns(row, data)))
    if near := row.get("nearest"):
        parts.append(fold(f"The {len(near)} most similar rows of the background", _nearest(row, near)))
    return "".join(parts)


def _row_lines(row: Json, data: Json) -> list[str]:
    rule = row.get("rule")
    told = [f"rule {rule['number']} fired: {rule['text']}"] if rule else []
    near = row.get("nearest") or []
    like = [f"the {len(near)} most similar rows are answered {', '.join(_said(n) for n in near)}"] if near else []
    return [
        _head(row, data),
        *(f"  {line}" for line in [*told, *row.get("words", ()), *_chance(row, data), *row["notes"], *like]),
    ]


def _said(row: Json) -> str:
    chance = f" ({percent(row['probability'])})" if row["probability"] is not None else ""
    return f"{row['prediction']}{chance}"


def _value(value: Any) -> str:
    if value is None:
        return "missing"
    return str(value) if isinstance(value, int) else number(value)  # a number that names something has no thousands


def _chance(row: Json, data: Json) -> list[str]:
    """Return how far chance may have moved the contributions, where something was drawn."""
    errors = [c["standard_error"] for c in row.get("contributions", ())]
    if not any(errors):
        return []
    what = "rows of the background" if row["exact"] else "rows of the background and orders of the columns"
    return [f"drawn by chance: {what}; standard error of a step at most {_signed(max(errors), data).lstrip('+')}"]


def _columns(row: Json, data: Json) -> str:
    sampled = any(c["standard_error"] for c in row["contributions"])
    rows = [
        [c["column"], _value(row["inputs"][c["column"]]), _signed(c["contribution"], data)]
        + ([_signed(c["standard_error"], data).lstrip("+")] if sampled else [])
        for c in row["contributions"]
    ]
    return table(["column", "value", "contribution", *(["standard error"] if sampled else [])], rows)


def _signed(value: float, data: Json) -> str:
    return f"{value:+.4g}" if data["unit"] == "value" else f"{100 * value:+.1f} points"


def _nearest(row: Json, near: Sequence[Json]) -> str:
    names = list(row["inputs"])
    rows = [[number(n["distance"]), _said(n), *(_value(n["inputs"][name]) for name in names)] for n in near]
    own = ["this row", _said(row), *(_value(row["inputs"][name]) for name in names)]
    return table(["distance", "answer", *names], [own, *rows])


def _picture(row: Json, data: Json) -> str:
    """Draw a bar for each column, from the answer before it to the one after; colour, word and sign say which way."""
    from nbmlops.report.svg import BLUE, GREY, INK, ORANGE, Scale, box, cut, lettering, picture, place, rule

    told = row["contributions"][:MOST_BARS]
    if rest := row["contributions"][MOST_BARS:]:
        told = [*told, {"column": f"{len(rest)} more", "before": rest[0]["before"], "after": rest[-1]["after"]}]
    ends = [row["usual"], row["answer"], *(v for c in told for v in (c["before"], c["after"]))]
    across = Scale(ends, LEFT, RIGHT, nice=False)
    height = 74 + 20 * len(told)
    body = rule(across(row["usual"]), 52, across(row["usual"]), height - 20, GREY, dash="3 3")
    body += lettering(across(row["usual"]), 46, f"usual {_amount(row['usual'], data)}", anchor="middle")
    for i, step in enumerate(told):
        y, up = 56 + 20 * i, step["after"] > step["before"]
        start, end = sorted((across(step["before"]), across(step["after"])))
        label = step["column"] + (f" = {_value(row['inputs'][step['column']])}" if "value" in step else "")
        body += lettering(LEFT - 12, y + 11, cut(label, 27), anchor="end", colour=INK)
        body += box(start, y, max(end - start, 1), 14, ORANGE if up else BLUE)
        body += lettering(end + 6, y + 11, f"{'▲' if up else '▼'} {_signed(step['after'] - step['before'], data)}")
    body += lettering(across(row["answer"]), height - 6, f"answer {_amount(row['answer'], data)}", anchor="middle")
    title = f"What raises (▲, orange) and lowers (▼, blue) {row['explains']}"
    return picture(WIDE, int(float(place(height))), title, " ".join(f"{w}." for w in row["words"]), body)


def _model(data: Json) -> list[str]:
    from nbmlops.report import charts

    parts = []
    if data["importance"]:
        shown = dict(list(data["importance"].items())[:15])
        drawn = charts.bars(list(shown), list(shown.values()), title="Share of importance", shares=True)
        parts += [f"<div>Importance: {esc(data['measured_by'])}</div>", image(drawn, charts.alt(drawn), 420)]
    if data["dependence"]:
        parts.append(f"<div>{esc(_dependence_words(data))}</div>")
        parts += [_curve(curve, data) for curve in data["dependence"]]
    if data["sentences"]:
        said = "".join(f"<li>{esc(s)}</li>" for s in data["sentences"])
        parts.append(f'<div style="margin-top:6px">Step by step:</div><ol style="margin:2px 0">{said}</ol>')
    return parts


def _dependence_words(data: Json) -> str:
    rows = data["dependence"][0]["rows"]
    said = str(data["explains"])
    return f"{said[:1].upper()}{said[1:]}, mean of {number(rows)} rows of the background, one column set to each value:"


def _curve(curve: Json, data: Json) -> str:
    """Draw how the mean answer goes with one column."""
    from nbmlops.report import charts

    values, means = ([p[k] for p in curve["points"]] for k in ("value", "mean"))
    if curve["kind"] == "number":
        points = [(v, m if data["unit"] == "value" else 100 * m) for v, m in zip(values, means, strict=True)]
        unit = "" if data["unit"] == "value" else "%"
        drawn = charts.line(points, title=curve["column"], x_label=curve["column"], y_label=unit)
    else:
        names = [str(v) for v in values]
        drawn = charts.bars(names, means, title=curve["column"], shares=data["unit"] != "value")
    return image(drawn, charts.alt(drawn), 280)


def _model_lines(data: Json) -> list[str]:
    told = []
    if data["importance"]:
        first = list(data["importance"].items())[:8]
        told += [f"importance ({data['measured_by']}):"]
        told += [f"  {line}" for line in lines(["column", "share"], [[n, percent(s)] for n, s in first]).splitlines()]
    for curve in data["dependence"]:
        low, high = (f(curve["points"], key=lambda p: p["mean"]) for f in (min, max))
        told.append(
            f"{curve['column']}: {data['explains']} is lowest at {_value(low['value'])} ({_amount(low['mean'], data)}),"
            f" highest at {_value(high['value'])} ({_amount(high['mean'], data)})"
        )
    return [*told, *(f"{n}. {s}" for n, s in enumerate(data["sentences"][:MOST_SENTENCES], 1))]
