"""The vigil.cfg of a lab run: the user's file, completed with what the lab's image needs."""

from __future__ import annotations

from .paths import LabError

# First words of a line of policy (hv/policy_text.c).
POLICY = ("deny", "alert", "allow", "trace", "watch", "off")
SERIALS = {"com1": "console", "0x3f8": "console", "com2": "alerts", "0x2f8": "alerts"}


def is_policy(line: str) -> bool:
    return line.split(None, 1)[:1] != [] and line.split(None, 1)[0] in POLICY


def has_policy(given: bytes | None) -> bool:
    """Whether a vigil.cfg has lines that vigilc must compile."""
    text = (given or b"").decode("utf-8", "replace").removeprefix("\ufeff")
    return any(is_policy(line) for line in text.split("\n"))


def parse(text: str) -> dict[str, str]:
    """The keys of a vigil.cfg; a line that is not `key = value` is none of the lab's business."""
    keys: dict[str, str] = {}
    for line in text.removeprefix("\ufeff").splitlines():
        if line.lstrip().startswith("#") or "=" not in line or is_policy(line):
            continue
        key, _, value = line.partition("=")
        keys.setdefault(key.strip(), value.strip())
    return keys


def compose(
    given: bytes | None, wanted: dict[str, str], forced: dict[str, str], complete: bool
) -> tuple[bytes, dict[str, str]]:
    """The file for the image and its keys as the lab understands them.

    `given` is the user's file (None: none). `wanted` are the lab's values for keys that file does
    not set; `forced` replace what it sets. With `complete` false the user's file goes to the image
    as it is, byte for byte.
    """
    if given is not None and not complete:
        return given, parse(given.decode("utf-8", "replace"))
    text = "" if given is None else given.decode("utf-8", "surrogateescape")
    # A key may stand once only, so a forced one takes the place of the user's line.
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in forced]
    held = parse("\n".join(kept))
    added = [f"{k} = {v}" for k, v in {**wanted, **forced}.items() if k not in held]
    if added:
        kept += ["# added by tools/lab", *added]
    out = "\n".join(kept) + "\n"
    return out.encode("utf-8", "surrogateescape"), parse(out)


def alert_port(keys: dict[str, str]) -> str:
    """Where Vigil's lines will come: `alerts` (com2), `console` (com1) or `none`."""
    value = keys.get("serial", "com2").lower()
    if value == "none":
        return "none"
    return SERIALS.get(value, "none")


def check_text(name: str, value: str) -> str:
    """A value that can stand in a vigil.cfg line."""
    if any(c in value for c in "\r\n") or not value.isascii():
        raise LabError(f"{name} must be one line of ASCII")
    return value
