"""Reads error events as JSON lines and says, a JSON line each, what Sentry's own Relay finds wrong with them."""

import json
import sys

from sentry_relay.processing import StoreNormalizer


def errors(meta, path=""):
    """What Relay noted beside a value that it could not take."""
    if not isinstance(meta, dict):
        return
    for error in meta.get("", {}).get("err", []):
        yield f"{path or '.'}: {error if isinstance(error, str) else error[0]}"
    for name, below in meta.items():
        if name:
            yield from errors(below, f"{path}.{name}")


for line in sys.stdin:
    event = StoreNormalizer().normalize_event(raw_event=line)
    wrong = [f"{error.get('name', '?')}: {error.get('type')}" for error in event.get("errors") or []]
    wrong += errors(event.get("_meta"))
    known = {name: event.get(name) for name in ("level", "logger", "release", "environment", "fingerprint", "culprit")}
    known["exceptions"] = [value.get("type") for value in ((event.get("exception") or {}).get("values") or [])]
    known["tags"] = dict(event.get("tags") or [])
    print(json.dumps({"wrong": wrong, "event": known}))
