"""References inside parameters: found before a run and resolved before a step; pure.

``{"ref": "steps.NAME.path"}`` and ``{"ref": "input.path"}`` stand for values, ``{"literal": x}``
for ``x`` unchanged.  With ``"failed": "pass"`` a reference may also stand for the entry of a failed
or skipped step.  A path consists of keys of mappings and indexes of lists, from 0.  The parameters
as a whole are never a reference: their keys are names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from indelible.errors import StepDataError

_SHOWN = 12  # keys that an error lists, so that a wide row does not fill the log
_INDEX_DIGITS = 10  # no list has more items, and int() refuses very long text


class _Unknown:
    """Stands for a value that is known only during the run."""

    def __repr__(self) -> str:
        return "a reference"


UNKNOWN: Final = _Unknown()


class Reference(NamedTuple):
    """A parsed reference."""

    step: str | None  # None refers to the run's input
    keys: tuple[str, ...]


Check = Callable[[Reference, str], None]


def parse_ref(text: Any) -> Reference:
    """Parse a reference.

    Raises:
        ValueError: It is malformed; the message says how to write it.

    >>> parse_ref("steps.load.rows.0")
    Reference(step='load', keys=('rows', '0'))
    """
    if not isinstance(text, str):
        raise ValueError("a reference is text")  # noqa: TRY004 - one error for all malformed ones
    source, *keys = text.split(".")
    if not all(keys):
        raise ValueError("a part between two dots is empty")
    if source == "input":
        return Reference(None, tuple(keys))
    if source == "steps" and keys:
        return Reference(keys[0], tuple(keys[1:]))
    raise ValueError("a reference begins with steps.NAME or input")


def find_refs(params: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each mapping in ``params`` with a key ``ref``, with its place; literals are not entered.

    >>> list(find_refs({"a": [{"ref": "input.x"}], "b": {"literal": {"ref": "no"}}}))
    [('a[0]', {'ref': 'input.x'})]
    """
    for name, value in params.items():
        yield from _find(value, str(name))


def needs_resolving(params: Mapping[str, Any]) -> bool:
    """Whether :func:`resolve` would change anything: there is a reference or a literal.

    >>> needs_resolving({"a": [1, {"ref": "input"}]}), needs_resolving({"a": [1, 2]})
    (True, False)
    """
    return any(map(_needs, params.values()))


def resolve(
    params: Mapping[str, Any],
    lookup_step: Callable[[str], Any],
    input: Any,  # noqa: A002 - the word of the definition
    step: str = "",
    check: Check = lambda _reference, _text: None,
) -> dict[str, Any]:
    """``params`` as new lists and dicts, with each reference replaced by its value.

    Args:
        params: Parameters of a step by name; they are not changed.
        lookup_step: Returns the result of the step with a name; results are not copied.
        input: The run's input; values taken from it are copied.
        step: Name of the step that is about to run, for errors.
        check: Called with each reference to a step without ``"failed": "pass"``, and its text; may
            raise.

    Raises:
        StepDataError: A path does not exist; the message lists the keys that exist.

    >>> resolve({"n": {"ref": "steps.load.rows.0"}}, {"load": {"rows": [7]}}.get, {})
    {'n': 7}
    """
    resolver = _Resolver(lookup_step, input, step, check)
    return {name: resolver.resolve(item) for name, item in params.items()}


def blank_refs(params: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with :data:`UNKNOWN` in place of each reference, and with literals unwrapped.

    For ``validate`` of a step type, which is called before any value is known.

    >>> blank_refs({"input": {"ref": "steps.load.rows"}, "count": {"literal": 3}})
    {'input': a reference, 'count': 3}
    """
    return {name: _blank(item) for name, item in params.items()}


def missing_key(value: Any, keys: tuple[str, ...]) -> tuple[str, str] | None:
    """The first of ``keys`` that does not exist, and a description of the value there; or ``None``.

    >>> missing_key({"rows": [1]}, ("rows", "1"))
    ('1', 'a list of 1')
    """
    for key in keys:
        if type(value) is dict and key in value:
            value = value[key]
        elif type(value) is list and _is_index(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return key, _outline(value)
    return None


class _Resolver(NamedTuple):
    """Resolves the references of one step."""

    lookup_step: Callable[[str], Any]
    given: Any
    step: str
    check: Check

    def resolve(self, value: Any) -> Any:
        if type(value) is dict:
            if "ref" in value:
                return self._follow(value["ref"], passes="failed" in value)
            if _is_literal(value):
                return _copy(value["literal"])
            return {key: self.resolve(item) for key, item in value.items()}
        if type(value) is list:
            return [self.resolve(item) for item in value]
        return value

    def _follow(self, ref: Any, *, passes: bool) -> Any:
        reference = parse_ref(ref)
        if reference.step is None:
            value = self.given
        else:
            if not passes:
                self.check(reference, ref)
            value = self.lookup_step(reference.step)
        missing = missing_key(value, reference.keys)
        if missing:
            key, there = missing
            raise StepDataError(
                self.step or ref, f"{ref} has no {key!r}: there is {there}", "correct the reference"
            )
        for key in reference.keys:
            value = value[key] if type(value) is dict else value[int(key)]
        return _copy(value) if reference.step is None else value


def _find(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if type(value) is dict:
        if "ref" in value:
            yield path, value
        elif not _is_literal(value):
            for key, item in value.items():
                if type(item) is dict or type(item) is list:
                    yield from _find(item, f"{path}.{key}")
    elif type(value) is list:
        for index, item in enumerate(value):
            if type(item) is dict or type(item) is list:
                yield from _find(item, f"{path}[{index}]")


def _needs(value: Any) -> bool:
    if type(value) is dict:
        return "ref" in value or _is_literal(value) or any(map(_needs, value.values()))
    return type(value) is list and any(map(_needs, value))


def _blank(value: Any) -> Any:
    if isinstance(value, Mapping):
        if "ref" in value:
            return UNKNOWN
        if _is_literal(value):
            return _copy(value["literal"])
        return {key: _blank(item) for key, item in value.items()}
    return [_blank(item) for item in value] if type(value) is list else value


def _outline(value: Any) -> str:
    if type(value) is list:
        return f"a list of {len(value)}"
    if type(value) is not dict:
        return f"a value of type {type(value).__name__}"
    if value.get("failed") is True and "error" in value:
        return f"only the failure of that step ({value.get('error_type')}: {value['error']})"
    names = ", ".join(map(repr, list(value)[:_SHOWN]))
    return f"only {names}{', …' if len(value) > _SHOWN else ''}" if value else "an empty mapping"


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdigit() and len(key) < _INDEX_DIGITS


def _is_literal(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and "literal" in value


def _copy(value: Any) -> Any:
    if type(value) is dict:
        return {key: _copy(item) for key, item in value.items()}
    if type(value) is list:
        return [_copy(item) for item in value]
    return value
