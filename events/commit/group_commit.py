"""Group commit, leader and followers: whoever finds the writer idle commits for all who wait.

Keeps invariant 1 (told only after the commit) and 5 (a failed append never counts): a group is
durable as a whole or fails as a whole, and every one of its appends is told exactly once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from indelible.clock import Clock
from indelible.errors import StaleEpochError, StoreUnavailableError, SystemClosedError
from indelible.events.commit.append_outcomes import fail, tell
from indelible.events.commit.backend import Backend
from indelible.events.commit.database_probe import DatabaseProbe
from indelible.events.commit.group_plan import GroupPlan, part
from indelible.events.commit.group_size import collect
from indelible.events.commit.publisher import Publisher
from indelible.events.commit.shard_plan import Closed, Shard
from indelible.events.commit.stream_heads import StreamHeads
from indelible.events.commit.unknown_outcome import landed
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.concurrency.lock_request import LockRequest
from indelible.events.concurrency.task_thread import TaskThread
from indelible.events.lease.owned_shards import OwnedShards
from indelible.events.store import Append, Listener
from indelible.failpoints import Failpoints
from indelible.threads import wanted

SLOW = 2_000_000_000
"""Nanoseconds after which a commit under way counts as trouble: healthy disks take a hundredth."""

GROUP_TIME = 10_000_000
"""Nanoseconds to prepare a group: what the first in it waits for the last."""

_INTERRUPTED = StoreUnavailableError("the thread that was committing was interrupted")

_log = logging.getLogger(__name__)


class GroupCommit:
    """The writing half of a store; every method may be called from any thread unless it says."""

    def __init__(
        self, backend: Backend, clock: Clock, failpoints: Failpoints, turns: FairLock, name: str
    ) -> None:
        """Refuse everything until :meth:`begin`.

        ``turns`` guards the backend, which others use too; ``name`` is for the store's own threads.
        """
        self._backend = backend
        self._turns = turns
        self._clock = clock
        self._failpoints = failpoints
        self._queue: deque[Append] = deque()
        self._leading = threading.Lock()  # held by the leader, who steps aside for who asks
        self._lock_request = LockRequest(self._leading)
        self._heads = StreamHeads()
        self._publisher = Publisher()
        self._owned_shards = OwnedShards()
        self.closed: Mapping[int, Closed] = {}
        """The shards in which no stream can begin, and why; set before it begins."""
        self._on_lost: Callable[[frozenset[int]], None] = _ignore
        self._ended: BaseException | None = SystemClosedError("the event store")
        self._down: BaseException | None = None
        self._name = name
        self._began = 0  # monotonic, while a group is being committed
        self._woken = False
        self._upkeep_asked = False
        self._task_thread = TaskThread(name)
        self._chores = TaskThread(f"{name}: upkeep")  # so that nobody's append waits for it
        self._prober = DatabaseProbe(self._probe, name)

    @property
    def state(self) -> str:
        """One of "closed", "open" and "unavailable"."""
        if self._ended is not None:
            return "closed"
        return "open" if self._down is None else "unavailable"

    @property
    def trouble(self) -> str:
        """What keeps appends from being committed now, in words; empty if nothing is known."""
        began = self._began
        took = self._clock.monotonic() - began if began else 0
        if took > SLOW:
            return f"the database has not answered for {took / 1e9:.0f} s"
        return "" if self.state == "open" else f"the store is {self.state}"

    # -- life

    def begin(self, shards: Mapping[int, Shard]) -> None:
        """Take appends from now on, behind ``shards``, by number."""
        self._owned_shards.replace(shards)
        self._heads.clear()
        self._prober = DatabaseProbe(self._probe, self._name)
        self._down = None
        self._ended = None

    def end(self, error: BaseException) -> None:
        """Commit what is queued, then refuse everything with ``error``; may be called twice.

        Not for a leader: it waits for the one there is.
        """
        if self._ended is None:
            self._task_thread.run(self.lead)
        self._task_thread.stop()
        self._chores.stop()
        self._prober.stop()
        with self._leading:
            self._ended = error
        self._task_thread.stop()  # one that was woken meanwhile
        self.lead()

    def abandon(self, error: BaseException) -> None:
        """Refuse everything with ``error`` at once and wait for nobody: for a forked child."""
        self._ended = error
        self._queue = deque()
        self._leading = threading.Lock()
        self._lock_request = LockRequest(self._leading)
        self._publisher = Publisher()
        self._task_thread = TaskThread(self._name)
        self._chores = TaskThread(self._name)
        self._prober = DatabaseProbe(self._probe, self._name)
        self._turns.reset()

    # -- shards, for a store that has several

    def owned(self) -> frozenset[int]:
        """The shards that can be appended to."""
        return frozenset(self._owned_shards.shards)

    def adopt(self, shard: Shard) -> None:
        """Take appends to one more shard; waits for the group under way."""
        with self._between_groups():
            self._heads.clear()  # others have written there meanwhile
            self._owned_shards.adopt(shard)

    def drop(self, number: int, error: BaseException) -> None:
        """Let appends to a shard fail with ``error``; waits for the group under way."""
        with self._between_groups():
            self._owned_shards.lose(number, error)

    def deadline(self, number: int, monotonic: int) -> None:
        """Write to a shard only until ``monotonic`` ns, which a later call may put off.

        When it passes, the shard is lost: :meth:`on_lost` says so, and only :meth:`adopt` with a
        new epoch brings it back.  Waits for nobody.
        """
        self._owned_shards.set_deadline(number, monotonic)

    def holds(self, number: int) -> bool:
        """Whether the time of a shard is not over; if it is, the shard is lost from here on."""
        if self._owned_shards.holds(number, self._clock.monotonic()):
            return True
        self._task_thread.run(lambda: self._on_lost(frozenset((number,))))
        return False

    @contextmanager
    def _between_groups(self) -> Iterator[None]:
        """Hold the lead, however long the queue is: the leader stops after its group."""
        with self._lock_request:
            yield
        if self._queue:  # for those that found the lead taken
            self.wake()

    def on_lost(self, listener: Callable[[frozenset[int]], None]) -> None:
        """Call ``listener`` with shards that a commit found lost, on the store's own thread."""
        self._on_lost = listener

    # -- writing

    def submit(self, append: Append) -> None:
        """Queue ``append``; a call of :meth:`lead` or :meth:`wake` must follow."""
        self._queue.append(append)
        if self._failpoints.armed:
            self._failpoints.hit("append.queued")

    def wake(self) -> None:
        """Have the store's own thread lead."""
        if self._ended is not None:  # the thread is gone; this one only says no
            self._refuse_elsewhere()
        elif not self._woken:
            self._woken = True
            self._task_thread.run(self._lead_for_others)

    def _refuse_elsewhere(self) -> None:
        """Say no on another thread, for this one may hold what those who are told want."""
        if self._queue:
            thread = threading.Thread(target=self.lead, name="refuse appends", daemon=True)
            wanted.start(thread, self._refuse_elsewhere)

    def lead(self, *, once: bool = False) -> bool:
        """Commit group after group until the queue is empty, unless another thread does it.

        With ``once`` one group is enough; the result says whether appends are left that nobody
        leads, for which the caller must find a leader.
        """
        # A thread that finds a leader may go: the leader looks at the queue again after it has
        # let go of the lead, so it sees what was queued before that thread came.
        while self._queue and not self._lock_request.now and self._leading.acquire(blocking=False):
            interrupted = True
            try:
                while self._queue:
                    refusal = self._ended or self._down
                    if refusal is None:
                        self._commit(collect(self._queue))
                    else:
                        self._refuse_all(refusal)
                    if once or self._lock_request.now:
                        break
                interrupted = False
            finally:
                self._leading.release()
                if interrupted:  # by a signal: those that are queued have nobody else
                    self._task_thread.run(self.lead)
            if once:
                break
        return bool(self._queue) and not self._leading.locked()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each committed group from now on; the result ends it."""
        return self._publisher.subscribe(listener)

    # -- the leader

    def _lead_for_others(self) -> None:
        self._woken = False  # before looking at the queue: a later wake() comes again
        self.lead()

    def _commit(self, group: list[Append]) -> None:
        """Write ``group``, then tell everyone in it, whatever happens."""
        parts: GroupPlan | None = None
        failure: BaseException | None = _INTERRUPTED
        self._began = self._clock.monotonic()
        try:
            with self._turns:
                parts = self._part(group)
                if parts.left:
                    self._queue.extendleft(reversed(parts.left))
                    left = set(map(id, parts.left))
                    group[:] = [append for append in group if id(append) not in left]
                self._write(parts)
            failure = None
        except StaleEpochError as error:
            self._ended = failure = error
        except Exception as error:  # noqa: BLE001 - any failure of the database, whatever its class
            failure = self._recover(parts, error)
        except BaseException:
            self._suspect(failure)
            raise
        finally:
            self._began = 0
            if failure is None and parts is not None:
                self._succeed(parts)
            else:
                fail(group, failure or _INTERRUPTED, parts.refused if parts else ())
        if self._failpoints.armed:
            self._failpoints.hit("ack.after")
        if self._backend.wants_upkeep and not self._upkeep_asked:
            self._upkeep_asked = True
            self._chores.run(self._upkeep)

    def _part(self, group: list[Append]) -> GroupPlan:
        known, unknown = self._heads.among([append.stream for append in group])
        if unknown:
            known.update((head.name, head) for head in self._backend.find_heads(unknown))
        start = self._clock.monotonic()
        for number in self._owned_shards.expired(start):
            self._lose(StaleEpochError(number, self._owned_shards.shards[number].epoch))
        return part(
            group,
            self._backend.shards,
            self._owned_shards,
            known,
            self._clock.now(),
            self.closed,
            late=lambda: self._clock.monotonic() - start > GROUP_TIME,
        )

    def _write(self, parts: GroupPlan) -> None:
        """Write all plans; one whose shard has another owner is refused, the others are not."""
        while parts.plans:
            try:
                self._backend.write(parts.plans)
                return
            except StaleEpochError as stale:
                self._lose(stale)
                if not parts.give_up(stale):
                    raise

    def _lose(self, stale: StaleEpochError) -> None:
        self._owned_shards.lose(stale.shard, stale)
        if self._backend.shards == 1:
            self._ended = stale
        else:
            self._task_thread.run(lambda: self._on_lost(frozenset((stale.shard,))))

    def _succeed(self, parts: GroupPlan) -> None:
        """Build on what is written, publish it and complete its appends."""
        outcomes: list[tuple[Append, BaseException | None]] = []
        for plan in parts.plans:
            self._owned_shards.advance(plan.after)
            for heads in (plan.new, plan.moved, plan.restated):
                self._heads.keep(heads)
            for append, events in zip(plan.accepted, plan.events, strict=True):
                append.recorded = events
                outcomes.append((append, None))
        if parts.plans:
            self._prober.relax()
            self._publisher.publish(parts.plans)
        tell([*outcomes, *parts.refused])

    def _refuse_all(self, error: BaseException) -> None:
        queue = self._queue
        refused = [queue.popleft() for _ in range(len(queue))]
        fail(refused, error)

    # -- when the database fails

    def _recover(self, parts: GroupPlan | None, error: Exception) -> BaseException | None:
        """Find out what became of a group: ``None`` if it is durable after all, else the error.

        From here on the store is unavailable, until a probe on its own thread says otherwise.
        """
        reason = error.reason if isinstance(error, StoreUnavailableError) else _in_words(error)
        down = StoreUnavailableError(reason)
        down.__cause__ = error
        self._suspect(down)
        try:
            with self._turns:
                self._backend.discard()
                self._reload()
                happened = parts is not None and landed(self._backend, parts.plans)
        except StaleEpochError as stale:
            self._ended = stale
            return stale
        except Exception as again:  # noqa: BLE001 - as above
            _log.warning("the event store is unavailable: %s", _in_words(again))
            return down
        _log.warning("the event store failed and is being probed: %s", reason)
        return None if happened else down

    def _reload(self) -> None:
        for stale in self._owned_shards.keep(self._backend.load()):
            self._lose(stale)

    def _suspect(self, down: BaseException | None) -> None:
        """Trust nothing that is known of the database until a probe has looked at it."""
        self._down = down
        self._heads.clear()
        self._prober.begin()

    def _probe(self) -> bool:
        """On the prober's thread: see whether the database takes writes again."""
        try:
            with self._turns:
                self._backend.discard()
                self._backend.load()
                self._backend.probe()
            with self._leading:  # not before: while it is held nobody is refused
                with self._turns:
                    self._reload()
                self._heads.clear()
                self._down = None
            _log.info("the event store is available again")
        except StaleEpochError as stale:
            self._ended = stale
        except Exception:  # noqa: BLE001 - it was logged when it began; the next look is all there is
            return False
        finally:
            self.lead()  # for those that found the lead taken
        return True

    def _upkeep(self) -> None:
        self._upkeep_asked = False
        if self._ended is None and self._down is None:
            self._backend.upkeep()


def _ignore(_: frozenset[int]) -> None:
    """Nobody wants to know."""


def _in_words(error: BaseException) -> str:
    return str(error) or type(error).__name__
