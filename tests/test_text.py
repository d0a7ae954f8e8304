"""Plain text of documents: shapes under factors, breaking, tables, nothing that a terminal would obey.

The golden file is rewritten by: SYMGRAD_GOLDEN=write pytest tests/test_text.py tests/test_html.py
"""
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from documents import every_block, say, worked_solution
from hypothesis import given
from hypothesis import strategies as st

from symgrad.explain.document import CodeBlock, Document, Equation, Factor, FactorRow, Line, Math, Paragraph, Strong, Table, Text
from symgrad.render.layout import arrange, breadth, break_formula, columns, pad, wrap
from symgrad.render.text import to_text

GOLDEN = Path(__file__).parent / "golden" / "every_block.txt"


def test_golden() -> None:
    shown = to_text(every_block(), width=60)
    if os.environ.get("SYMGRAD_GOLDEN") == "write":
        GOLDEN.write_text(shown, encoding="utf-8")
    assert shown == GOLDEN.read_text(encoding="utf-8")


def test_shapes_stand_under_their_factors() -> None:
    row = FactorRow((Factor(Math("W", "W2'"), Math("s", "K2 x K1"), say("kept")), Factor(Math("d", "diag(g'(z1))"), Math("s", "K1 x K1"))))
    text = to_text(Document("t", (Equation((Line((Math("=", "="), row), left=Math("D", "D")),)),)))
    assert text.splitlines()[3:] == [
        "    D =   W2'   * diag(g'(z1))",
        "        K2 x K1     K1 x K1",
        "         kept",
    ]


@pytest.mark.parametrize("width", [40, 60, 88])
def test_nothing_but_code_is_wider_than_asked(width: int) -> None:
    wide = [line for line in to_text(worked_solution(), width=width).splitlines() if len(line) > width]
    assert all("# (" in line for line in wide)


def test_colour_changes_nothing_but_colour() -> None:
    plain, colored = to_text(worked_solution()), to_text(worked_solution(), color=True)
    assert "\x1b" not in plain and "\x1b[1;34m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_a_terminal_is_never_given_orders() -> None:
    evil = "\x1b]0;owned\x07\x9b2J\r\x00"
    shown = to_text(Document(evil, (Paragraph(say(evil, Strong(say(evil)))), CodeBlock(evil, evil + "\tx\n"),
                                    Table((say(evil),), ((say(Math(evil, evil)),),), caption=say("two\nlines")))))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown) and "two lines" in shown


def test_formulas_break_at_the_outermost_sign() -> None:
    assert break_formula("= a * (b + c) + d * (e - f)", 20) == ["= a * (b + c)", "  + d * (e - f)"]
    assert break_formula("= aaaaaaaa = bbbbbbbb + cc", 24) == ["= aaaaaaaa", "  = bbbbbbbb + cc"]
    assert break_formula("f(aaaaaaaaaa + bbbbbbbbbb)", 20) == ["f(aaaaaaaaaa", "  + bbbbbbbbbb)"]
    assert break_formula("unbreakable(xxxxxxxxxxxxxxxxxxx)", 20) == ["unbreakable(xxxxxxxxxxxxxxxxxxx)"]
    assert break_formula("= a + b", 20) == ["= a + b"]


@given(st.lists(st.sampled_from(["a", "bb", "(c + d)", "f(x, y)", "W1' * x[n]"]), min_size=1, max_size=30), st.integers(20, 60))
def test_breaking_keeps_every_character(terms: list[str], width: int) -> None:
    formula = "= " + " + ".join(terms)
    lines = break_formula(formula, width)
    assert " ".join(line.strip() for line in lines) == formula
    assert all(len(line) <= width for line in lines)


@given(st.text(alphabet="ab ∂W⁽²⁾\u0302漢", max_size=80), st.integers(8, 40))
def test_wrapping_keeps_every_word(text: str, width: int) -> None:
    lines = wrap(text, width)
    assert " ".join(lines).split() == text.split()
    assert all(breadth(line) <= width or " " not in line for line in lines)


def test_tables_shrink_by_wrapping_and_keep_their_alignment() -> None:
    assert columns([["name", "n"], ["x", "12"], ["yy", "3"]], "lr", 40) == ["name   n", "----  --", "x     12", "yy     3"]
    narrow = columns([["a", "b"], ["word " * 9, "x"]], "ll", 24)
    assert max(map(len, narrow)) <= 24 and "".join(narrow).count("word") == 9


def test_widths_count_what_is_seen() -> None:
    assert [breadth(text) for text in ("abc", "y\u0302", "漢字", "\x1b[1mbold\x1b[0m")] == [3, 1, 4, 4]
    assert [pad("ab", 5, side) for side in "lcr"] == ["ab   ", " ab  ", "   ab"]
    assert arrange([("aa", "1"), ("bb",)], 4) == ["aa", "1", "  bb"]
    assert arrange([], 10) == []


def test_text_from_outside_is_kept_as_it_is() -> None:
    assert "<b>&amp; ]]>" in to_text(Document("t", (Paragraph((Text("<b>&amp; ]]>"),)),)))
