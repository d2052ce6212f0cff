"""The page about definitions says what is so."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from indelible import ActorSystem
from indelible.actors.effects.retry_policy import RetryPolicy
from indelible.actors.step_types.data_processing.arithmetic import MAX_DIGITS, MEAN_DIGITS
from indelible.actors.step_types.data_processing.grouping import AGGREGATES
from indelible.actors.step_types.data_processing.output import FORMATS
from indelible.actors.step_types.data_processing.predicates import OPS
from indelible.actors.step_types.data_processing.step import DataProcessing
from indelible.actors.step_types.database_query.checks import KEYS
from indelible.actors.workflow.definition import plan
from indelible.actors.workflow.definition.compile import compile_definition
from indelible.actors.workflow.definition.size_limits import MAX_BLOCKS, MAX_NODES
from indelible.actors.workflow.definition.vocabulary import (
    BLOCK_KEYS,
    CHECKPOINT_KEYS,
    MAX_ATTEMPTS,
    PATTERNS,
    RETRY_KEYS,
    ROOT_KEYS,
    STEP_KEYS,
)
from indelible.actors.workflow.patterns.parallel import DEFAULT_WIDTH, MAX_WIDTH
from indelible.errors import DefinitionError
from pages import Page, output_of, printed_by

PAGE = Page("docs/definitions.md")
ORDERS: list[dict[str, Any]] = [
    {"id": 1, "customer": 7, "amount": 3, "paid": False, "state": "open"},
    {"id": 2, "customer": 8, "amount": 5, "paid": False, "state": None},
    {"id": 3, "customer": 7, "amount": 9, "paid": True, "state": "late"},
]
CUSTOMERS: list[dict[str, Any]] = [{"id": 7, "name": "ada"}, {"id": 8, "name": "bob"}]


def table_of(heading: str) -> str:
    """The first table behind a heading."""
    return PAGE.text.split(f"{heading}\n\n", 1)[1].split("\n\n", 1)[0]


def rows_of(head: str) -> dict[str, list[str]]:
    """The cells of a table by what stands in its first column in backquotes."""
    table = PAGE.text.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    found: dict[str, list[str]] = {}
    for line in table.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        for name in re.findall(r"`(\w+)`", cells[0]):
            found[name] = cells[1:]
    return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ActorSystem]:
    """A system with the tables that the page speaks of."""
    database = sqlite3.connect(tmp_path / "shop.db")
    database.executescript(
        """CREATE TABLE orders (id INTEGER, customer INTEGER, amount INTEGER, paid, state TEXT);
        CREATE TABLE archive AS SELECT * FROM orders;
        CREATE TABLE customers (id INTEGER, name TEXT); CREATE TABLE journal (at, what)"""
    )
    database.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?)", [(*o.values(),) for o in ORDERS]
    )
    database.executemany("INSERT INTO customers VALUES (?, ?)", [(*c.values(),) for c in CUSTOMERS])
    database.commit()
    database.close()
    with ActorSystem(
        f"sqlite:///{tmp_path}/agents.db",
        connections={"default": f"sqlite:///{tmp_path}/shop.db"},
        functions={"with_tax": lambda row: row | {"net": row["amount"] * 10}},
    ) as system:
        yield system


def done(system: ActorSystem, definition: str, **given: Any) -> Any:
    outcome = system.workflow_agent("a").execute_workflow(definition, input=given, timeout=30)
    assert outcome["status"] == "success", outcome
    return outcome["result"]


def test_the_programs_print_what_they_say(tmp_path: Path) -> None:
    for number, code in enumerate(PAGE.blocks("python")):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert output_of(code, folder) == printed_by(code)


def test_the_definitions_run(shop: ActorSystem, tmp_path: Path) -> None:
    first, archive, every = PAGE.blocks("yaml")
    [one] = PAGE.blocks("json")
    largest = done(shop, first, count=1)["largest"]["data"]
    assert [(row["id"], row["name"]) for row in largest] == [(2, "bob")]
    assert done(shop, one, id=3)["keep"]["data"] == []

    orders = [order | {"channel": "web"} for order in ORDERS]
    found = done(
        shop, every, orders=[*orders, orders[0] | {"channel": "test-1"}], customers=CUSTOMERS
    )
    assert found["all"]["data"] == (
        "name,least,mean,most,orders,total,with_net\nada,3,6.0,9,2,12,2\nbob,5,5.0,5,1,5,1\n"
    )
    assert found["total"]["data"] == [{"amount": 20}]

    moved = done(shop, archive, ids=[1, 3], at=datetime(2024, 1, 2, tzinfo=UTC))["move"]
    assert [one["rows_affected"] for one in moved["statements"]] == [2, 2, 1]
    database = sqlite3.connect(tmp_path / "shop.db")
    written = database.execute("SELECT * FROM journal").fetchall()
    database.close()
    assert written == [("2024-01-02 00:00:00", "moved, not deleted: see \\:archive")]


def test_the_keys_of_definitions_blocks_and_steps_are_those_of_the_page() -> None:
    root = table_of("## The definition")
    assert set(re.findall(r"^\| `(\w+)`", root, re.MULTILINE)) == set(ROOT_KEYS)
    [block] = re.findall(r"it has the keys (.*?), and no others", PAGE.text)
    assert set(re.findall(r"`(\w+)`", block)) == set(BLOCK_KEYS)
    steps = table_of("## A step")
    assert set(re.findall(r"^\| `(\w+)`", steps, re.MULTILINE)) == set(STEP_KEYS)
    for name in (*CHECKPOINT_KEYS, *PATTERNS):
        assert f"`{name}`" in root


def refused(definition: dict[str, Any]) -> bool:
    try:
        compile_definition(definition, None)
    except DefinitionError:
        return True
    return False


def test_nothing_stands_for_not_given_in_the_keys_that_the_page_names_alone() -> None:
    [of_steps, of_root] = re.findall(
        r'stands for "not given" in (.*?) of a step, and in (.*?):', PAGE.text
    )[0]
    step: dict[str, Any] = {"name": "a", "type": "f"}
    for key in STEP_KEYS:
        given = {"name": "w", "steps": [step | {key: None}]}
        assert refused(given) != (f"`{key}`" in of_steps), key
    root = {"name": "w", "pattern": "parallel", "steps": [step]}
    for key in ROOT_KEYS:
        assert refused(root | {key: None}) != (f"`{key}`" in of_root), key
    for key in RETRY_KEYS:
        retried = step | {"retry": {"attempts": 2} | {key: None}}
        assert refused({"name": "w", "steps": [retried]}), key
    for key in CHECKPOINT_KEYS:
        assert refused(root | {"checkpoint": {key: None}}), key
    assert not refused({"name": "w", "steps": [step | {"params": {"limit": None}}]})


def test_the_defaults_and_limits_are_those_of_the_page() -> None:
    retry = rows_of("`retry.`")
    assert retry.keys() == set(RetryPolicy.__struct_fields__)
    for name, cells in retry.items():
        assert cells[1] == str(getattr(RetryPolicy(), name)), name
    assert f"1 to {MAX_ATTEMPTS:,}" in retry["attempts"][2]
    root = table_of("## The definition")
    assert f"| {DEFAULT_WIDTH} | 1 to {MAX_WIDTH:,} |" in root
    both = f"| {plan.DEFAULT_CHECKPOINT_STEPS} and {plan.DEFAULT_CHECKPOINT_SECONDS} |"
    assert both in root
    assert f"at most {MAX_NODES:,} steps and blocks, and {MAX_BLOCKS} blocks" in PAGE.text
    assert f"up to {MAX_DIGITS:,} digits" in PAGE.text
    assert f"a Decimal of {MEAN_DIGITS} digits" in PAGE.text


def test_the_parameters_of_the_step_types_are_those_of_the_page() -> None:
    query, processing = PAGE.text.split("## `database_query`")[1].split("## `data_processing`")
    names = [
        set(
            re.findall(
                r"^\| `(\w+)` \|", text.split("| parameter |")[1].split("\n\n")[0], re.MULTILINE
            )
        )
        for text in (query, processing)
    ]
    assert names[0] == set(KEYS)
    common = {"input", "operation", "operations", "output_format", "input_size"}
    assert names[1] == common
    for form in FORMATS:
        assert f"`{form}`" in processing


def test_the_operations_are_those_of_the_page() -> None:
    listed = {
        name: set(re.findall(r"`(\w+)`", cells[0])) for name, cells in rows_of("operation").items()
    }
    for name, fields in listed.items():
        params = {"input": [], "operation": name, **{key: {"ref": "input.x"} for key in fields}}
        problems = list(DataProcessing({}).validate(params))
        assert problems == [], name
        for field in fields | {"strange"}:
            [wrong, *_] = DataProcessing({}).validate(
                {"input": [], "operation": name, f"{field}x": 1}
            )
            assert wrong.path in fields | {f"{field}x"}
    [unknown] = DataProcessing({}).validate({"input": [], "operation": "?"})
    assert set(re.findall(r"\w+", unknown.fix.removeprefix("known are"))) == listed.keys()
    assert rows_of("`op`").keys() == set(OPS)
    assert set(re.findall(r"\{op: (\w+)[,}]", PAGE.blocks("yaml")[2])) == set(AGGREGATES)
