"""Group commit with a leader and followers: a thread that finds no leader commits all appends.

Keeps invariants 1 (``on_done`` is called after the commit) and 5 (a failed append has no effect):
a group is durable or fails as a whole, and each of its appends is completed exactly once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from indelible.clock import Clock
from indelible.errors import StaleEpochError, StoreUnavailableError, SystemClosedError
from indelible.events.commit.append_outcomes import complete, fail
from indelible.events.commit.backend import Backend
from indelible.events.commit.database_probe import DatabaseProbe
from indelible.events.commit.group_plan import GroupPlan, plan_group
from indelible.events.commit.group_size import collect
from indelible.events.commit.publisher import Publisher
from indelible.events.commit.shard_plan import Closed, Shard
from indelible.events.commit.stream_heads import StreamHeads
from indelible.events.commit.unknown_outcome import is_durable
from indelible.events.concurrency.fair_lock import FairLock
from indelible.events.concurrency.lock_request import LockRequest
from indelible.events.concurrency.task_thread import TaskThread
from indelible.events.lease.owned_shards import OwnedShards
from indelible.events.store import Append, Listener
from indelible.failpoints import Failpoints
from indelible.threads import refusals

SLOW = 2_000_000_000
"""Nanoseconds after which a commit under way counts as trouble: healthy disks take a hundredth."""

GROUP_TIME = 10_000_000
"""Nanoseconds to plan a group: the first append in it waits that long for the last."""

_INTERRUPTED = StoreUnavailableError("the thread that was committing was interrupted")

_log = logging.getLogger(__name__)


class GroupCommit:
    """The writing half of a store; its methods are for any thread unless their docstring says."""

    def __init__(
        self,
        backend: Backend,
        clock: Clock,
        failpoints: Failpoints,
        writer_lock: FairLock,
        name: str,
    ) -> None:
        """Refuse all appends until :meth:`begin`.

        ``writer_lock`` guards the backend, which the views use too; ``name`` is the name of the
        store's own threads.
        """
        self._backend = backend
        self._writer_lock = writer_lock
        self._clock = clock
        self._failpoints = failpoints
        self._queue: deque[Append] = deque()
        self._leading = threading.Lock()  # held by the leader, which releases it on request
        self._lock_request = LockRequest(self._leading)
        self._heads = StreamHeads()
        self._publisher = Publisher()
        self._owned_shards = OwnedShards()
        self.closed: Mapping[int, Closed] = {}
        """The shards in which no stream can begin, and why; set before :meth:`begin`."""
        self._on_lost: Callable[[frozenset[int]], None] = _ignore
        self._ended: BaseException | None = SystemClosedError("the event store")
        self._down: BaseException | None = None
        self._name = name
        self._began = 0  # monotonic, while a group is being committed
        self._woken = False
        self._upkeep_asked = False
        self._task_thread = TaskThread(name)
        self._upkeep_thread = TaskThread(f"{name}: upkeep")  # so that no append waits for upkeep
        self._prober = DatabaseProbe(self._probe, name)

    @property
    def state(self) -> str:
        """One of "closed", "open" and "unavailable"."""
        if self._ended is not None:
            return "closed"
        return "open" if self._down is None else "unavailable"

    @property
    def trouble(self) -> str:
        """Why appends are not committed now, as text; empty if no trouble is known."""
        began = self._began
        took = self._clock.monotonic() - began if began else 0
        if took > SLOW:
            return f"the database has not answered for {took / 1e9:.0f} s"
        return "" if self.state == "open" else f"the store is {self.state}"

    # -- life

    def begin(self, shards: Mapping[int, Shard]) -> None:
        """Accept appends from now on, to ``shards``, by number."""
        self._owned_shards.replace(shards)
        self._heads.clear()
        self._prober = DatabaseProbe(self._probe, self._name)
        self._down = None
        self._ended = None

    def end(self, error: BaseException) -> None:
        """Commit the queued appends, then refuse all with ``error``; may be called twice.

        Not for the leader's thread: it waits for the leader.
        """
        if self._ended is None:
            self._task_thread.run(self.lead)
        self._task_thread.stop()
        self._upkeep_thread.stop()
        self._prober.stop()
        with self._leading:
            self._ended = error
        self._task_thread.stop()  # a wake() meanwhile may have started it again
        self.lead()

    def abandon(self, error: BaseException) -> None:
        """Refuse all appends with ``error`` at once, without waiting: for a forked child."""
        self._ended = error
        self._queue = deque()
        self._leading = threading.Lock()
        self._lock_request = LockRequest(self._leading)
        self._publisher = Publisher()
        self._task_thread = TaskThread(self._name)
        self._upkeep_thread = TaskThread(self._name)
        self._prober = DatabaseProbe(self._probe, self._name)
        self._writer_lock.reset()

    # -- shards, for a store that has several

    def owned(self) -> frozenset[int]:
        """The shards that can be appended to."""
        return frozenset(self._owned_shards.shards)

    def adopt(self, shard: Shard) -> None:
        """Accept appends to one more shard; waits for the group under way."""
        with self._between_groups():
            self._heads.clear()  # another process has written to the shard meanwhile
            self._owned_shards.adopt(shard)

    def drop(self, number: int, error: BaseException) -> None:
        """Refuse appends to a shard with ``error``; waits for the group under way."""
        with self._between_groups():
            self._owned_shards.lose(number, error)

    def deadline(self, number: int, monotonic: int) -> None:
        """Write to a shard only until ``monotonic`` ns, which a later call may extend.

        After that the shard is lost: the :meth:`on_lost` listener is called, and only
        :meth:`adopt` with a new epoch makes it writable again.  Does not block.
        """
        self._owned_shards.set_deadline(number, monotonic)

    def holds(self, number: int) -> bool:
        """Whether the deadline of a shard is not over; if it is, the shard is lost from now on."""
        if self._owned_shards.holds(number, self._clock.monotonic()):
            return True
        self._task_thread.run(lambda: self._on_lost(frozenset((number,))))
        return False

    @contextmanager
    def _between_groups(self) -> Iterator[None]:
        """Hold the leader's lock; the leader releases it after its group, not after the queue."""
        with self._lock_request:
            yield
        if self._queue:  # their threads found the lock taken and left
            self.wake()

    def on_lost(self, listener: Callable[[frozenset[int]], None]) -> None:
        """Call ``listener`` with shards that a commit finds lost, on the store's own thread."""
        self._on_lost = listener

    # -- writing

    def submit(self, append: Append) -> None:
        """Queue ``append``; a call of :meth:`lead` or :meth:`wake` must follow."""
        self._queue.append(append)
        if self._failpoints.armed:
            self._failpoints.hit("append.queued")

    def wake(self) -> None:
        """Have the store's own thread lead."""
        if self._ended is not None:  # the store's own thread has ended
            self._refuse_on_new_thread()
        elif not self._woken:
            self._woken = True
            self._task_thread.run(self._lead_on_own_thread)

    def _refuse_on_new_thread(self) -> None:
        """Refuse the queue on a new thread: this one may hold a lock that an ``on_done`` needs."""
        if self._queue:
            thread = threading.Thread(target=self.lead, name="refuse appends", daemon=True)
            refusals.start(thread, self._refuse_on_new_thread)

    def lead(self, *, once: bool = False) -> bool:
        """Commit group after group until the queue is empty, unless another thread is the leader.

        With ``once`` it stops after one group.  Returns whether appends are left without a leader;
        then the caller must make another thread lead.
        """
        # A thread that finds a leader may leave: the leader checks the queue again after it has
        # released the lock, so it sees every append that was queued before.
        while self._queue and not self._lock_request.count:
            if not self._leading.acquire(blocking=False):
                break
            interrupted = True
            try:
                while self._queue:
                    refusal = self._ended or self._down
                    if refusal is None:
                        self._commit(collect(self._queue))
                    else:
                        self._refuse_all(refusal)
                    if once or self._lock_request.count:
                        break
                interrupted = False
            finally:
                self._leading.release()
                if interrupted:  # by a signal: the queue has no leader any more
                    self._task_thread.run(self.lead)
            if once:
                break
        return bool(self._queue) and not self._leading.locked()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each committed group from now on; the result ends it."""
        return self._publisher.subscribe(listener)

    # -- the leader

    def _lead_on_own_thread(self) -> None:
        self._woken = False  # before reading the queue, so that a later wake() counts
        self.lead()

    def _commit(self, group: list[Append]) -> None:
        """Write ``group``, then complete or fail each of its appends, whatever happens."""
        plan: GroupPlan | None = None
        failure: BaseException | None = _INTERRUPTED
        self._began = self._clock.monotonic()
        try:
            with self._writer_lock:
                plan = self._plan(group)
                if plan.deferred:
                    self._queue.extendleft(reversed(plan.deferred))
                    deferred = set(map(id, plan.deferred))
                    group[:] = [append for append in group if id(append) not in deferred]
                self._write(plan)
            failure = None
        except StaleEpochError as error:
            self._ended = failure = error
        except Exception as error:  # noqa: BLE001 - any failure of the database, of any class
            failure = self._recover(plan, error)
        except BaseException:
            self._mark_unavailable(failure)
            raise
        finally:
            self._began = 0
            if failure is None and plan is not None:
                self._succeed(plan)
            else:
                fail(group, failure or _INTERRUPTED, plan.refused if plan else ())
        if self._failpoints.armed:
            self._failpoints.hit("ack.after")
        if self._backend.wants_upkeep and not self._upkeep_asked:
            self._upkeep_asked = True
            self._upkeep_thread.run(self._upkeep)

    def _plan(self, group: list[Append]) -> GroupPlan:
        known, unknown = self._heads.among([append.stream for append in group])
        if unknown:
            known.update((head.name, head) for head in self._backend.find_heads(unknown))
        start = self._clock.monotonic()
        for number in self._owned_shards.expired(start):
            self._lose(StaleEpochError(number, self._owned_shards.shards[number].epoch))
        return plan_group(
            group,
            self._backend.shards,
            self._owned_shards,
            known,
            self._clock.now(),
            self.closed,
            late=lambda: self._clock.monotonic() - start > GROUP_TIME,
        )

    def _write(self, plan: GroupPlan) -> None:
        """Write all plans; a plan whose shard has another owner is refused alone."""
        while plan.plans:
            try:
                self._backend.write(plan.plans)
                return
            except StaleEpochError as stale:
                self._lose(stale)
                if not plan.refuse_shard(stale):
                    raise

    def _lose(self, stale: StaleEpochError) -> None:
        self._owned_shards.lose(stale.shard, stale)
        if self._backend.shards == 1:
            self._ended = stale
        else:
            self._task_thread.run(lambda: self._on_lost(frozenset((stale.shard,))))

    def _succeed(self, plan: GroupPlan) -> None:
        """Remember the new ends and heads, publish the events and complete the appends."""
        outcomes: list[tuple[Append, BaseException | None]] = []
        for written in plan.plans:
            self._owned_shards.advance(written.after)
            for heads in (written.new, written.moved, written.restated):
                self._heads.keep(heads)
            for append, events in zip(written.accepted, written.events, strict=True):
                append.recorded = events
                outcomes.append((append, None))
        if plan.plans:
            self._prober.reset_pause()
            self._publisher.publish(plan.plans)
        complete([*outcomes, *plan.refused])

    def _refuse_all(self, error: BaseException) -> None:
        queue = self._queue
        refused = [queue.popleft() for _ in range(len(queue))]
        fail(refused, error)

    # -- when the database fails

    def _recover(self, plan: GroupPlan | None, error: Exception) -> BaseException | None:
        """Find out whether a group is durable: ``None`` if it is, else the error.

        The store is unavailable from now on, until a probe on its own thread succeeds.
        """
        reason = error.reason if isinstance(error, StoreUnavailableError) else _as_text(error)
        down = StoreUnavailableError(reason)
        down.__cause__ = error
        self._mark_unavailable(down)
        try:
            with self._writer_lock:
                self._backend.discard()
                self._reload()
                happened = plan is not None and is_durable(self._backend, plan.plans)
        except StaleEpochError as stale:
            self._ended = stale
            return stale
        except Exception as second:  # noqa: BLE001 - as above
            _log.warning("the event store is unavailable: %s", _as_text(second))
            return down
        _log.warning("the event store failed and is being probed: %s", reason)
        return None if happened else down

    def _reload(self) -> None:
        for stale in self._owned_shards.keep(self._backend.load()):
            self._lose(stale)

    def _mark_unavailable(self, down: BaseException | None) -> None:
        """Refuse appends with ``down`` and forget the heads until a probe has succeeded."""
        self._down = down
        self._heads.clear()
        self._prober.begin()

    def _probe(self) -> bool:
        """Check, on the prober's thread, whether the database takes writes again."""
        try:
            with self._writer_lock:
                self._backend.discard()
                self._backend.load()
                self._backend.probe()
            with self._leading:  # not before: a leader that refuses appends needs it
                with self._writer_lock:
                    self._reload()
                self._heads.clear()
                self._down = None
            _log.info("the event store is available again")
        except StaleEpochError as stale:
            self._ended = stale
        except Exception:  # noqa: BLE001 - the first failure was logged; the next probe follows
            return False
        finally:
            self.lead()  # threads may have found the lock taken and left
        return True

    def _upkeep(self) -> None:
        self._upkeep_asked = False
        if self._ended is None and self._down is None:
            self._backend.upkeep()


def _ignore(_: frozenset[int]) -> None:
    """Do nothing: no listener is registered."""


def _as_text(error: BaseException) -> str:
    return str(error) or type(error).__name__
