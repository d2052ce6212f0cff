"""What a program does with results; type checkers must refuse just the lines that end in "error".

The checkers of the whole tree leave this file out; ``test_typed_use.py`` has them check it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, assert_type

import msgspec
import sqlalchemy as sa
from msgspec import field

from indelible import (
    ActorHandle,
    ActorSystem,
    Context,
    Decider,
    Decision,
    Event,
    MessageContext,
    Outcome,
    Projection,
    RunError,
    RunHandle,
    RunRow,
    RunStatus,
    StepStatus,
    SystemHealth,
)
from indelible.projections.views.view import Pair
from indelible.results import FailedStep, OutcomeWord, RunWord, StepError, StepWord, ViewHealth


class Deposited(Event):
    wire_name: ClassVar[str] = "account.deposited"

    amount: int
    by: list[str] = field(default_factory=list)


class Counted(Event, frozen=True, gc=False):
    wire_name: ClassVar[str] = "account.counted"

    coins: int


class Account(Decider[int, str]):
    category = "account"
    event_types = (Deposited, Counted)

    def initial_state(self) -> int:
        return 0

    def decide(self, balance: int, amount: int) -> Decision:
        return Decision([Deposited(amount)], f"{balance + amount} now")

    def evolve(self, balance: int, deposited: Deposited) -> int:
        return balance + deposited.amount

    def unfinished(self, balance: int) -> tuple[str, int]:
        return "owing" if balance < 0 else "", 0

    def at_rest(self, balance: int) -> bool:
        return balance == 0

    def snapshot(self, balance: int) -> int:
        return balance

    def restore(self, kept: int) -> int:
        return kept


class Sales(Projection):
    def apply(self, rows: sa.Connection, pairs: Sequence[Pair]) -> None:
        self.erase(rows, pairs[0][0].stream)

    def erase(self, rows: sa.Connection, name: str) -> bool:
        return True


class Seeing(Decider[int, str]):
    def decide(self, state: int, message: Any, context: MessageContext) -> Decision:
        assert_type(context.now, int)
        assert_type(context.principal, str)
        context.pricipal  # error
        return Decision(reply=context.tenant)


class Silent(Decider[bytes]):
    def decide(self, state: bytes, message: Any) -> Iterable[Event]:
        return ()


class Wrong(Decider[int]):
    def initial_state(self) -> str:  # error
        return ""


def look_at_events() -> None:
    deposited = Deposited(5, by=["Ada"])
    assert_type(deposited.amount, int)
    assert_type(Counted(coins=3).coins, int)
    struct: msgspec.Struct = deposited
    deposited.amount = 6  # error
    Counted(3).coins = 4  # error
    deposited.amuont  # error
    Deposited("5")  # error
    Deposited()  # error


def look_at_an_outcome(run: RunHandle) -> None:
    outcome = run.result()
    assert_type(outcome, Outcome)
    assert_type(outcome["status"], OutcomeWord)
    assert_type(outcome["run_id"], str)
    assert_type(outcome["result"], dict[str, Any])
    assert_type(outcome["steps_failed"], int)
    assert_type(outcome["execution_time_ms"], float)
    assert_type(dict(outcome), dict[str, object])
    plain: Mapping[str, object] = outcome
    outcome["error"]["type"]  # error
    error = outcome["error"]
    if error is not None:
        assert_type(error, RunError)
        assert_type(error["message"], str)
        assert_type(error["steps"], list[FailedStep])
        error["cause"]  # error
    outcome["steps_total"] + outcome["run_id"]  # error
    word: Literal["done"] = outcome["status"]  # error
    outcome["status"] = "success"  # error
    outcome["statuss"]  # error
    del outcome["error"]  # error


async def resolve_a_step(run: RunHandle) -> None:
    run.resolve_step("pay", "complete", by="Ada", result={"paid": 5})
    run.resolve_step("pay", "retri", by="Ada")  # error
    await run.resolve_step_async("pay", "retri", by="Ada")  # error


async def look_at_a_status(run: RunHandle) -> None:
    status = run.status()
    assert_type(status, RunStatus)
    assert_type(await run.status_async(), RunStatus)
    assert_type((await run.result_async())["status"], OutcomeWord)
    assert_type(status["state"], RunWord)
    assert_type(status["outcome"], OutcomeWord | None)
    assert_type(status["error"], RunError | None)
    assert_type(status["steps"], list[StepStatus])
    [step] = status["steps"]
    assert_type(step["state"], StepWord)
    assert_type(step["error"], StepError | None)
    plain: Mapping[str, object] = status
    status["stat"]  # error
    step["started"]  # error
    step["error"]["traceback"]  # error
    late: str = status["finished_at"]  # error


async def look_at_a_system(system: ActorSystem) -> None:
    health = system.health()
    assert_type(health, SystemHealth)
    assert_type(await system.health_async(), SystemHealth)
    assert_type(health["ready"], bool)
    assert_type(health["shards"]["held"], int)
    assert_type(health["views"], dict[str, ViewHealth] | None)
    health["shards"]["hold"]  # error
    health["views"]["metrics"]  # error
    health["redy"]  # error


def look_at_runs(system: ActorSystem) -> None:
    runs = system.views.runs()
    assert_type(runs, list[RunRow])
    assert_type(runs[0].outcome, str | None)
    assert_type(system.views.summary().active, int)
    system.views.runs(50, "running")
    system.views.runs(state="bad")  # error
    system.views.parked(state="bad")  # error
    runs[0]["run_id"]  # error
    runs[0].ended_at  # error


async def speak_to_actors(system: ActorSystem, given: Silent) -> None:
    account = system.actor(Account, "42")
    assert_type(account, ActorHandle[int, str])
    assert_type(account.state(), int)
    assert_type(await account.state_async(), int)
    assert_type(account.ask(5), str)
    assert_type(await account.ask_async(5), str)
    assert_type(system.actor(given, "1").state(), bytes)
    assert_type(system.actor(given, "1").ask(5), Any)
    assert_type(system.actor("account", "42"), ActorHandle[Any, Any])
    plain: ActorHandle = account
    assert_type(system.actor(Seeing, "1").ask(5, by="ada", why="rent"), str)
    with system.context(by="ada", tenant="acme") as context:
        assert_type(context, Context)
    assert_type(account.events()[0].context, Context)
    account.ask(5, by=7)  # error
    system.context(who="ada")  # error
    account.state().upper()  # error
    account.ask(5) + 1  # error
    (await account.ask_async(5)) + 1  # error
    other: ActorHandle[str, str] = account  # error
    system.actor(Account, 42)  # error
    system.actor(int, "42")  # error
