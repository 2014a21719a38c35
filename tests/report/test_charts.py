"""Charts: well-formed, without ids or scripts, true to the numbers, and never broken by them."""

import itertools
import math
import re
from xml.etree import ElementTree

import pytest

from nbmlops.report import charts, matrix

NAN = math.nan
HOSTILE = "<script>alert(1)</script>\"'&\x00\u202e"

DRAWN = {
    "line": lambda title: charts.line([(1, 0.68), (2, 0.61), (3, 0.64)], title=title, x_label="month", y_label="AUC"),
    "bars": lambda title: charts.bars([title, "hour"], [0.2, -0.1], title=title),
    "pair": lambda title: charts.pair([title, "DL"], [0.6, 0.4], [0.5, 0.5], title=title),
    "calibration": lambda title: charts.calibration([0.1, 0.4], [0.12, 0.5], [300, 100], title=title),
    "intervals": lambda title: charts.intervals([title], [0.69], [0.67], [0.7], title=title, target=0.65),
    "sparkline": lambda title: charts.sparkline([3, 1, 4]),
    "confusion": lambda title: matrix.confusion([title, "no"], [[30, 9], [4, 57]], title=title),
}
EMPTY = {
    "line": lambda values: charts.line([(v, v) for v in values], title="t"),
    "bars": lambda values: charts.bars(["a"] * len(values), values, title="t"),
    "pair": lambda values: charts.pair(["a"] * len(values), values, values, title="t"),
    "calibration": lambda values: charts.calibration(values, values, values, title="t"),
    "intervals": lambda values: charts.intervals(["a"] * len(values), values, values, values, title="t"),
    "sparkline": charts.sparkline,
}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_is_well_formed_escaped_and_without_anything_active(draw):
    root = ElementTree.fromstring(draw(HOSTILE))
    names = {e.tag.rpartition("}")[2] for e in root.iter()}
    attributes = {a for e in root.iter() for a in e.attrib}
    assert names <= {"svg", "title", "desc", "rect", "text", "line", "polyline", "circle", "path"}
    assert not {a for a in attributes if a.startswith("on") or a in ("id", "href", "style", "class")}


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_is_the_same_each_time_and_small(draw):
    assert draw("AUC") == draw("AUC")
    assert len(draw("AUC")) < 4000


@pytest.mark.parametrize("values", [[], [NAN], [None], ["NaN"], [math.inf]], ids=str)
@pytest.mark.parametrize("draw", EMPTY.values(), ids=EMPTY)
def test_nothing_to_draw_is_said(draw, values):
    svg = draw(values)
    ElementTree.fromstring(svg)
    assert "No numbers to draw." in charts.alt(svg)


def test_what_is_no_number_is_left_out_and_counted():
    svg = charts.line([(1, 0.5), (2, NAN), (3, 0.7)], title="AUC")
    assert "2 points" in charts.alt(svg)
    assert "1 without a number left out" in charts.alt(svg)
    assert "nan" not in svg.lower()


ALMOST_NOTHING = [[0.0, 5e-324], [1e-323, 5e-324, 0.0], [5e-324] * 2, [-5e-324, 5e-324]]


@pytest.mark.parametrize("draw", [v for k, v in EMPTY.items() if k != "calibration"])
@pytest.mark.parametrize("values", ALMOST_NOTHING, ids=str)
def test_numbers_that_are_almost_nothing_are_drawn(draw, values):
    assert "nan" not in ElementTree.tostring(ElementTree.fromstring(draw(values)), "unicode")


@pytest.mark.parametrize("values", [[5, 5, 5], [0, 0], [1e-12, 2e-12], [-1e30, 1e30], [1e99], *ALMOST_NOTHING], ids=str)
def test_flat_tiny_and_huge_numbers_stay_inside_the_card(values):
    root = ElementTree.fromstring(charts.line(list(enumerate(values)), title="t"))
    polyline = next(e for e in root.iter() if e.tag.endswith("polyline"))
    places = [float(v) for point in polyline.attrib["points"].split() for v in point.split(",")]
    assert all(0 <= v <= 480 for v in places)


def test_a_long_series_keeps_its_peak_and_stays_small():
    values = [0.0] * 100_000
    values[70_001] = 9.0
    svg = charts.line(list(enumerate(values)), title="t")
    points = next(e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("polyline")).attrib["points"].split()
    assert len(points) <= 260
    assert min(float(p.split(",")[1]) for p in points) < 60
    assert "highest 9 at 70,001" in charts.alt(svg)


def test_too_many_bars_and_bins_are_counted_not_dropped_in_silence():
    assert "and 76 more" in charts.bars([str(i) for i in range(100)], [1.0] * 100, title="t")
    assert "and 60 more bins" in charts.pair([str(i) for i in range(100)], [0.01] * 100, [0.01] * 100, title="t")


def test_the_largest_change_is_named_with_its_direction():
    svg = charts.pair(["UA", "DL", "AA"], [0.6, 0.3, 0.1], [0.4, 0.45, 0.15], title="carrier")
    assert (
        charts.alt(svg)
        == "carrier: 3 bins. Largest change: UA from 60.0 % in the reference to 40.0 % now (-20.0 points)."
    )


def test_calibration_says_both_means_and_the_largest_gap():
    said = charts.alt(charts.calibration([0.2, 0.6], [0.25, 0.9], [300, 100], title="c"))
    assert said == (
        "c: 400 rows: predicted 30.0 % on average, observed 41.2 %. Largest gap: predicted 60.0 %, observed 90.0 %"
        " (100 rows)."
    )


def test_intervals_without_bounds_keep_their_value():
    svg = charts.intervals(["AUC", "gap"], [0.69, 0.02], [0.67, NAN], [0.7, NAN], title="m", target=0.65)
    assert charts.alt(svg) == "m: AUC 0.69 [0.67, 0.7]; gap 0.02. Compared with target 0.65."


def test_calibration_draws_the_interval_of_each_bin_that_has_one_and_keeps_it_on_the_card():
    plain = charts.calibration([0.1, 0.4], [0.12, 0.5], [300, 100], title="c")
    drawn = charts.calibration([0.1, 0.4], [0.12, 0.5], [300, 100], title="c", bounds=[(0.1, 0.14), (None, NAN)])
    assert drawn.count("<line") == plain.count("<line") + 1
    wide = ElementTree.fromstring(charts.calibration([0.1], [0.12], [9], title="c", bounds=[(0.0, 0.9)]))
    assert all(float(e.attrib[k]) >= 50 for e in wide.iter() if "y1" in e.attrib for k in ("y1", "y2"))


def test_two_distributions_are_apart_without_colour():
    drawn = ElementTree.fromstring(DRAWN["pair"]("t"))
    looks = [e.attrib["fill"] for e in drawn.iter() if e.tag.endswith("path") and "fill" in e.attrib]
    assert len(looks) == 4  # both sides and both keys
    assert _contrast(looks[0], looks[1]) > 4.5
    assert looks[:2] == looks[2:]


def test_confusion_says_what_is_mistaken_for_what():
    svg = matrix.confusion(["late", "on time"], [[300, 900], [200, 4095]], title="late")
    assert charts.alt(svg) == (
        "late: 5,495 rows, right in 4,395 (80.0 %). Most frequent mistake: late called on time, 900 rows (75.0 % of"
        " late)."
    )
    assert "Nothing was mistaken." in charts.alt(matrix.confusion(["a", "b"], [[1, 0], [0, 1]], title="t"))
    assert "No rows to count." in charts.alt(matrix.confusion(["a", "b"], [[NAN, 0], [0, 0]], title="t"))


def test_what_was_right_has_an_edge_that_needs_no_colour():
    drawn = ElementTree.fromstring(matrix.confusion(["a", "b", "c"], [[5, 1, 0], [0, 5, 1], [1, 0, 5]], title="t"))
    strong = [e for e in drawn.iter() if e.attrib.get("stroke-width") == "2"]
    assert len(strong) == 3
    assert len({(e.attrib["x"], e.attrib["y"]) for e in strong}) == 3


def test_confusion_of_many_classes_shows_the_ten_most_frequent_and_counts_the_rest():
    counts = [[i + 1 if i == j else 0 for j in range(12)] for i in range(12)]
    svg = matrix.confusion([f"class {i}" for i in range(12)], counts, title="t")
    assert "and 2 rarer classes" in svg
    assert "78 rows" in charts.alt(svg)  # all of them
    assert ">class 11 (10)<" in svg  # its column is too narrow for the name
    assert ">10<" in svg
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for part in (e for e in root.iter() if e.tag.endswith("rect")):
        assert float(part.attrib["x"]) + float(part.attrib["width"]) <= width
        assert float(part.attrib["y"]) + float(part.attrib["height"]) <= height
    assert len(svg) < 25_000


def test_ink_is_readable_on_the_darkest_cell():
    from nbmlops.report import svg

    assert _contrast(svg.INK, matrix._tint(1.0)) >= 4.5


def test_colours_are_readable_on_the_card():
    from nbmlops.report import svg

    for colour in (svg.INK, svg.QUIET, svg.ORANGE, svg.BLUE):
        assert _contrast(colour, svg.CARD) >= 4.5
    assert _contrast(svg.GREY, svg.CARD) >= 3


def test_a_sparkline_says_how_many_values_there_were_and_which_were_no_numbers():
    said = charts.alt(charts.sparkline([1, 9, NAN], 10_000, 2))
    assert said == "Trend: 10,000 values, lowest 1, highest 9, last not a finite number. 2 without a number left out."
    assert "<circle" not in charts.sparkline([1, NAN])
    assert "1 without a number left out" in charts.alt(charts.sparkline([1, math.inf, 2]))


def _contrast(one: str, two: str) -> float:
    first, second = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (first + 0.05) / (second + 0.05)


def _luminance(colour: str) -> float:
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_labels_of_an_axis_leave_room_between_them():
    drawn = charts.intervals(["challenger - champion"], [0.0105], [0.0008], [0.0203], title="Gain", target=0.0)
    found = re.findall(r'<text x="([\d.]+)" y="82"[^>]*>([\d.]+)</text>', drawn)
    assert len(found) >= 2
    places = [(float(x), 6 * len(label)) for x, label in found]
    assert all(b - a >= wide for (a, wide), (b, _) in itertools.pairwise(places))
