"""Parses a definition from a mapping, JSON or YAML text, or a file; nothing in it is executed.

Sizes and depths are limited before anything is built, and a repeated key is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from indelible.actors.workflow.definition.size_limits import MAX_BLOCKS, MAX_BYTES, MAX_DEPTH
from indelible.actors.workflow.definition.strict_json import loads
from indelible.errors import DefinitionError, MissingExtraError, Problem

if TYPE_CHECKING:
    import yaml

_YAML = (".yaml", ".yml")
_FILES = (*_YAML, ".json")


def parse(source: Mapping[str, Any] | str | Path) -> dict[str, Any]:
    """The mapping in ``source``, not checked any further.

    A ``Path`` is a file, JSON or YAML by its name; text is the definition itself, JSON if it begins
    with a brace, so that text from outside can never name a file to read.

    Raises:
        DefinitionError: The file does not exist, or the text is malformed or too large.
        MissingExtraError: It is YAML, and the ``yaml`` extra is not installed.
    """
    if isinstance(source, Mapping):
        return dict(source)
    if isinstance(source, Path):
        return _mapping(
            _load(_read(source), source.suffix.lower() in _YAML, str(source)), str(source)
        )
    if not isinstance(source, str):
        _refuse(
            "definition", f"a {type(source).__name__}", "give a mapping, text, or a pathlib.Path"
        )
    if "\n" not in source and source.strip().lower().endswith(_FILES):
        _refuse("definition", "the name of a file", "give it as pathlib.Path(...)")
    if len(source) > MAX_BYTES:
        _refuse("definition", f"text of {len(source):,} characters", f"the limit is {MAX_BYTES:,}")
    return _mapping(_load(source, not source.lstrip().startswith("{"), "definition"), "definition")


def _read(file: Path) -> str:
    where = str(file)
    if file.suffix.lower() not in _FILES:
        _refuse(
            where, f"a file of kind {file.suffix or 'unknown'}", f"name it {' or '.join(_FILES)}"
        )
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        _refuse(where, error.strerror or type(error).__name__, "give a file that can be read")
    if len(content) > MAX_BYTES:
        _refuse(where, f"a file of more than {MAX_BYTES:,} bytes", "make it smaller")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(where, f"bytes that are not UTF-8, at {error.start}", "save it as UTF-8")


def _load(text: str, is_yaml: bool, where: str) -> Any:
    try:
        return _from_yaml(text, where) if is_yaml else loads(text)
    except RecursionError:
        _refuse(where, f"more than {MAX_DEPTH} levels", f"nest blocks at most {MAX_BLOCKS} deep")
    except ValueError as error:  # malformed JSON, or an impossible date or number in YAML
        _refuse(where, f"malformed text ({error})", "correct it there")


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        found = "nothing" if value is None else f"a {type(value).__name__}"
        _refuse(where, found, "write a mapping with name and steps")
    return value


def _from_yaml(text: str, where: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("yaml", "a definition in YAML") from None
    base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc, valid-type] # the C loader if it is installed
        """Safe, strict about keys, and with the booleans of YAML 1.2: ``on`` is a word."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's way to say it
            first: [pair for pair in pairs if first in "tTfF" or not pair[0].endswith(":bool")]
            for first, pairs in base.yaml_implicit_resolvers.items()
        }

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            """Refuse a repeated key; PyYAML would keep the last one."""
            seen: set[tuple[str, str]] = set()
            for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
                if isinstance(key, yaml.ScalarNode) and (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None,
                        None,
                        f"the key {key.value!r} is used twice in one mapping",
                        key.start_mark,
                    )
                if isinstance(key, yaml.ScalarNode):
                    seen.add((key.tag, key.value))
            return super().construct_mapping(node, deep)

    try:
        _check_nesting(yaml, text, base)
        return yaml.load(text, Loader)  # noqa: S506 - a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        _refuse(where, f"malformed YAML{at} ({error.problem or error.context})", "correct it there")
    except yaml.YAMLError as error:
        _refuse(where, f"malformed YAML ({error})", "correct it there")


def _check_nesting(yaml: Any, text: str, loader: type[yaml.SafeLoader]) -> None:
    """Refuse text that is nested too deep: the recursive C loader would crash the process."""
    depth = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise RecursionError
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _refuse(path: str, found: str, fix: str) -> NoReturn:
    raise DefinitionError("unread", [Problem(path, found, fix)])
