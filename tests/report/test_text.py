"""Words and numbers for people."""

import doctest

import pytest

from nbmlops.report import text


def test_the_examples_hold():
    assert doctest.testmod(text).failed == 0
    assert doctest.testmod(text).attempted > 10


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;http://x\x07link\x1b]8;;\x07", "link"),
        ("abc\u202edcba", "abc\N{REPLACEMENT CHARACTER}dcba"),
        ("a\u200bb\u2066c\ufeff", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ud800", "\N{REPLACEMENT CHARACTER}"),
        ("tab\tline\nend\r\nnext", "tab\tline\nend\nnext"),
        ("Grüße 東京 🙂", "Grüße 東京 🙂"),
        ("a" + "\u0301" * 7 + "b", "a" + "\u0301" * 4 + "\N{REPLACEMENT CHARACTER}" * 3 + "b"),
        ("e\u0302\u0301 \u0e19\u0e49\u0e33", "e\u0302\u0301 \u0e19\u0e49\u0e33"),
    ],
)
def test_nothing_hides(given, seen):
    assert text.visible(given) == seen


@pytest.mark.parametrize("value", [None, "NaN", "x", float("nan"), float("inf"), True])
def test_what_is_no_number_is_a_dash(value):
    assert text.number(value) == "-"


def test_digits_follow_the_width_of_the_interval():
    assert text.measured(5.43217, 5.1, 5.9) == ("5.43", "[5.10,\xa05.90]")
    assert text.measured(0.02, None, None) == ("0.02", "-")
    assert text.measured(0.0212, 0.011, 0.031, sign=True) == ("+0.021", "[+0.011,\xa0+0.031]")


@pytest.mark.parametrize("value", [1e300, -1e300, 10**40, 2.0**60, -1.7e308])
def test_a_number_no_one_would_read_in_full_is_short(value):
    sign = "-" if value < 0 else ""
    assert len(text.number(value)) < 12
    assert text.number(value).startswith(sign)
    assert len(text.signed(value)) < 12
    assert max(map(len, text.measured(value, value * 0.9, value * 1.1))) < 28
    assert max(len(text.percent(value)), len(text.duration(abs(value))), len(text.size(abs(value)))) < 20
    assert text.as_float(text.number(value)) == pytest.approx(value, rel=1e-3)


def test_bounds_that_almost_touch_or_lie_far_out_stay_short():
    assert text.measured(0.5, 0.5, 0.5 + 1e-16) == ("0.5", "[0.5, 0.5]")
    assert text.measured(1e-300, 0, 2e-300) == ("1e-300", "[0, 2e-300]")
    assert text.number(10**400) == text.percent(float("inf")) == "-"
    assert text.number(123456789012.5) == "123,456,789,012"
    assert text.number(336776) == "336,776"


def test_a_terminal_code_takes_no_more_than_itself():
    assert text.visible("a\x1b]b\nc\x07d") == "ab\nc\N{REPLACEMENT CHARACTER}d"


def test_finished_markup_is_marked_and_keeps_its_length():
    markup = '<img alt="a\x1b]" src="data:,"> \x07" onload="x()">'
    assert len(text.marked(markup)) == len(markup)
    assert text.marked(markup).replace("\N{REPLACEMENT CHARACTER}", "") == markup.replace("\x1b", "").replace(
        "\x07", ""
    )
