"""Hand edits of every kind survive what scaffolding adds, to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saaf_autogen.project.scaffolding.edits import CannotEdit, Item, TextEdit
from saaf_autogen.project.scaffolding.text import flow, scalar
from saaf_autogen.settings import parse_document

FIELD = {"name": "new", "expr": "new", "data_type": "VARCHAR"}
NEW = Item(["- name: new", "  expr: new", "  data_type: VARCHAR"], FIELD)
TABLE = {"name": "t9", "base_table": {"schema": "main", "table": "t9"}}
NEW_TABLE = Item(["- name: t9", "  base_table: {schema: main, table: t9}"], TABLE)

words = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], include_characters="\n\t"))
scalars = st.one_of(
    words, st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False)
)


@pytest.mark.parametrize("mark", ["\u202e", "\u200b", "\u2066", "\ufeff"])
def test_marks_that_nobody_sees_are_written_as_escapes(mark: str) -> None:
    for text in (f"paid{mark}", f'a{mark}"b', f"größe\n{mark}"):
        assert mark not in scalar(text)
        assert parse_document(f"key: {scalar(text)}\n", Path()).data == {"key": text}


@given(scalars)
def test_a_scalar_is_read_back_as_it_was(value: Any) -> None:
    for text in (f"key: {scalar(value)}\n", f"key: {flow([value, value])}\n"):
        read = parse_document(text, Path()).data["key"]
        kept = read if isinstance(read, list) else [read]
        assert all(each == value and type(each) is type(value) for each in kept)


comments = st.sampled_from(["", "  # note", " # a: [b, {c", "   "])
between = st.lists(
    st.sampled_from(["", "# at the edge", "    # deeper - x: y", "      # - name: gone", "  "]),
    max_size=3,
)
descriptions = st.sampled_from(
    [
        None,
        "description: plain words",
        "description: 'it''s quoted'",
        'description: "two\\nlines"',
        "description: >-\n{i}  folded words\n{i}  go on",
        "description: |\n{i}  kept\n\n{i}    words\n",
        "description: words\n{i}  that wrap",
    ]
)


@st.composite
def fields(draw: st.DrawFn, name: str, indent: str) -> str:
    """A field as somebody may write it."""
    if draw(st.booleans()):
        return f"{indent}- {{name: {name}, expr: {name}, data_type: VARCHAR}}{draw(comments)}\n"
    gap = " " * draw(st.integers(1, 3))
    inner = indent + " " + gap
    lines = [f"name: {name}{draw(comments)}", f"expr: '{name}'", "data_type: VARCHAR"]
    described = draw(descriptions)
    if described:
        lines.insert(draw(st.integers(1, 3)), described.replace("{i}", inner))
    if draw(st.booleans()):
        lines.append(f"sample_values: [a,{gap}b]{draw(comments)}")
    if draw(st.booleans()):
        lines.append(f"synonyms:\n{inner}- one{draw(comments)}\n{inner}- two")
    body = f"\n{inner}".join(lines)
    return f"{indent}-{gap}{body}\n"


@st.composite
def files(draw: st.DrawFn) -> str:
    """A semantic file as somebody may write it."""
    indent = draw(st.sampled_from(["", "  ", "    "]))
    text = "".join(f"# {word}\n" for word in draw(st.lists(st.just("head"), max_size=2)))
    text += f"name: x{draw(comments)}\n\ntables:{draw(comments)}\n"
    for number in range(draw(st.integers(1, 3))):
        gap = " " * draw(st.integers(1, 3))
        inner = indent + " " + gap
        text += f"{indent}-{gap}name: t{number}{draw(comments)}\n"
        text += f"{inner}base_table: {{schema: main, table: t{number}}}\n"
        for section in draw(st.permutations(["dimensions", "facts"])):
            if draw(st.booleans()):
                continue
            text += f"{inner}{section}:{draw(comments)}\n"
            deeper = inner + draw(st.sampled_from(["", "  "]))
            for at in range(draw(st.integers(1, 2))):
                text += draw(fields(f"{section[0]}{at}", deeper))
                text += "".join(f"{line}\n" for line in draw(between))
    if draw(st.booleans()):
        text += f"verified_queries: []{draw(comments)}\n"
    text += "".join(f"{line}\n" for line in draw(between))
    if draw(st.booleans()):
        text = text.rstrip("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


@settings(max_examples=200, deadline=None)
@given(files(), st.booleans())
def test_hand_edits_survive_to_the_byte(text: str, tables_too: bool) -> None:
    document = parse_document(text, Path())
    assert document.findings == []
    edit = TextEdit(text)
    count = len(document.data["tables"])
    for index in range(count):
        edit.append(("tables", index, "dimensions"), NEW)
        edit.append(("tables", index, "facts"), NEW)
        edit.append(("tables", index, "time_dimensions"), NEW)
    if tables_too:
        edit.append(("tables",), NEW_TABLE)
        edit.append(("relationships",), Item(["- {name: r}"], {"name": "r"}))
    after = edit.result()
    data = parse_document(after, Path()).data
    for index in range(count):
        old = document.data["tables"][index]
        for section in ("dimensions", "facts", "time_dimensions"):
            assert data["tables"][index][section] == [*old.get(section, []), FIELD]
    assert (TABLE in data["tables"]) is tables_too
    assert is_within(text, after)
    again = TextEdit(after)
    assert again.result() == after


def is_within(old: str, new: str) -> bool:
    """Whether ``old`` is ``new`` with whole lines taken out (and perhaps its last line end)."""
    kept = iter(new.splitlines(keepends=True))
    lines = old.splitlines(keepends=True)
    return all(
        any(line == each or (last and each.rstrip("\r\n") == line) for each in kept)
        for line, last in zip(lines, [False] * (len(lines) - 1) + [True], strict=True)
    )


def test_an_addition_through_an_anchor_is_refused() -> None:
    edit = TextEdit(
        "tables:\n- name: a\n  dimensions: &d\n  - {name: x}\n- name: b\n  dimensions: *d\n"
    )
    edit.append(("tables", 0, "dimensions"), NEW)
    with pytest.raises(CannotEdit, match="anchors"):
        edit.result()
    other = TextEdit("tables:\n- name: a\n  dimensions: &d [{name: x}]\n  facts: *d\n")
    other.append(("tables", 0, "facts"), NEW)
    with pytest.raises(CannotEdit, match="alias"):
        other.result()


def test_lists_in_one_line_are_extended_in_their_line() -> None:
    edit = TextEdit("tables: [{name: a, facts: []}, {name: b}]  # mine\n")
    edit.append(("tables", 0, "facts"), NEW)
    edit.append(("tables", 1, "facts"), NEW)
    edit.append(("tables",), NEW_TABLE)
    item = '{"name": "new", "expr": "new", "data_type": "VARCHAR"}'
    assert edit.result() == (
        f'tables: [{{name: a, facts: [{item}]}}, {{name: b, "facts": [{item}]}}, '
        '{"name": "t9", "base_table": {"schema": "main", "table": "t9"}}]  # mine\n'
    )


def test_a_secret_is_added_as_a_comment_and_json_is_spared_it() -> None:
    secret = Item(["# - {name: password}"], None)
    edit = TextEdit("tables:\n- name: a\n  facts:\n  - {name: x}\n")
    edit.append(("tables", 0, "facts"), secret)
    assert edit.result() == "tables:\n- name: a\n  facts:\n  - {name: x}\n  # - {name: password}\n"
    plain = '{"tables": [{"name": "a", "facts": [{"name": "x"}]}]}'
    other = TextEdit(plain)
    other.append(("tables", 0, "facts"), secret)
    other.append(("tables", 0, "dimensions"), secret)
    assert other.result() == plain
