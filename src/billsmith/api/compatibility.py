"""What of an API description would break programs written for an earlier one: `/v1` only ever gains."""

from collections.abc import Iterator
from typing import Any

_METHODS = ("get", "post", "patch", "put", "delete")


def breaking_changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Sentences about what was taken away or is newly demanded; an empty list for additions only."""
    return [*_paths(before, after), *_schemas(before, after)]


def _paths(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for path, methods in before.get("paths", {}).items():
        for method in (name for name in _METHODS if name in methods):
            where = f"{method.upper()} {path}"
            now = after.get("paths", {}).get(path, {}).get(method)
            if now is None:
                yield f"{where} is gone"
                continue
            yield from _parameters(where, methods[method], now)
            yield from _answers(where, methods[method], now)


def _parameters(where: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    old, new = _named(before), _named(after)
    for name, parameter in old.items():
        if name not in new:
            yield f"{where} no longer takes {name[1]}"
        else:
            yield from _narrowed(f"{where}, {name[1]}", parameter.get("schema", {}), new[name].get("schema", {}))
    for name, parameter in new.items():
        if parameter.get("required") and not old.get(name, {}).get("required"):
            yield f"{where} demands {name[1]}"
    if "requestBody" in after and "requestBody" not in before:
        yield f"{where} demands a body"


def _named(operation: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(entry["in"], entry["name"]): entry for entry in operation.get("parameters", ()) if "name" in entry}


def _answers(where: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for status in before.get("responses", {}):
        if status.startswith("2") and status not in after.get("responses", {}):
            yield f"{where} no longer answers {status}"


def _schemas(before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    new = after.get("components", {}).get("schemas", {})
    for name, schema in before.get("components", {}).get("schemas", {}).items():
        if name not in new:
            yield f"{name} is gone"
        else:
            yield from _narrowed(name, schema, new[name])


def _narrowed(where: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    """What a schema lost: fields, values, types; what it newly demands of bodies, which take no unknown field."""
    if before.get("$ref") != after.get("$ref") or before.get("type") != after.get("type"):
        yield f"{where} has another type"
        return
    yield from _values(where, before, after)
    yield from _fields(where, before, after)
    if "items" in before:
        yield from _narrowed(f"{where}[]", before["items"], after.get("items", {}))
    for nth, choice in enumerate(before.get("anyOf", ())):
        if all([*_narrowed(where, choice, now)] for now in after.get("anyOf", ())):
            yield f"{where} no longer is {choice.get('$ref') or choice.get('type') or nth}"


def _values(where: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for value in before.get("enum", ()):
        if value not in after.get("enum", before["enum"]):
            yield f"{where} no longer has {value!r}"
    if "enum" in after and "enum" not in before:
        yield f"{where} is limited to some values"


def _fields(where: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[str]:
    for name, schema in before.get("properties", {}).items():
        if name not in after.get("properties", {}):
            yield f"{where}.{name} is gone"
        else:
            yield from _narrowed(f"{where}.{name}", schema, after["properties"][name])
    demanded, was = set(after.get("required", ())), set(before.get("required", ()))
    if after.get("additionalProperties") is False:  # a body
        yield from (f"{where}.{name} is demanded" for name in sorted(demanded - was))
    else:
        yield from (f"{where}.{name} may be missing" for name in sorted(was - demanded))
