"""The little of YAML that YOLO's data.yaml needs; Blender brings no reader of it. Imports the standard library.

Understood: a mapping at the top with plain or quoted texts and numbers, lists and mappings of those (one level), in
blocks or in brackets, comments. What is beyond that raises ValueError.
"""

import json
import re
from typing import Any

QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*')"""
KEY = QUOTED + r"""|[^\s"'\[\]{},#:-][^:#]*?|-?\d+"""
LINE = re.compile(rf"(?P<indent> *)(?P<item>-(?: +|$))?(?:(?P<key>{KEY}) *:(?: +|$))?(?P<value>.*)")
PAIR = re.compile(rf"\s*({QUOTED}|[^:]+?)\s*:\s+(.*)")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", '"': '"', "\\": "\\", "/": "/", " ": " "}


def read(text: str) -> dict[str, Any]:
    """A document as a dict. Raises ValueError naming the line that is not understood."""
    found: dict[str, Any] = {}
    key = ""
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        bare = _without_comment(line).rstrip()
        if not bare.strip() or bare in ("---", "..."):
            continue
        match = LINE.fullmatch(bare)
        if match is None or "\t" in bare:
            raise ValueError(f"line {number} is not understood")
        try:
            if match["item"] is not None:  # also without an indent, as YAML allows
                if not key:
                    raise ValueError
                held = found[key] = [] if found[key] is None else found[key]
                whole = bare.strip()[1:].strip()
                held.append(_scalar(whole))
            elif match["indent"]:
                held = found[key] = {} if found[key] is None else found[key]
                held[_scalar(match["key"])] = _value(match["value"])
            else:
                if match["key"] is None:
                    raise ValueError
                key = str(_scalar(match["key"]))
                found[key] = _value(match["value"]) if match["value"] else None
        except (ValueError, AttributeError, TypeError, KeyError):
            raise ValueError(f"line {number} is not understood") from None
    return found


def _without_comment(line: str) -> str:
    quote = ""
    for at, c in enumerate(line):
        if quote:
            if c == quote and not (quote == '"' and line[at - 1] == "\\" and line[at - 2] != "\\"):
                quote = ""
        elif c in "\"'" and (at == 0 or line[at - 1] in " [{,:-"):
            quote = c
        elif c == "#" and (at == 0 or line[at - 1] in " \t"):
            return line[:at]
    return line


def _value(text: str) -> Any:
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_scalar(part) for part in _parts(text[1:-1])]
    if text.startswith("{") and text.endswith("}"):
        pairs = map(PAIR.fullmatch, _parts(text[1:-1]))
        return {_scalar(pair[1]): _scalar(pair[2]) for pair in pairs if pair is not None}
    if text.startswith(("[", "{", "&", "*", "|", ">", "!")):
        raise ValueError
    return _scalar(text)


def _parts(text: str) -> list[str]:
    """What commas outside quotes part."""
    return [part for part in re.findall(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'|[^,"'])+""", text) if part.strip()]


def _scalar(text: str) -> Any:
    text = text.strip()
    if text.startswith('"'):
        return _quoted(text)
    if text.startswith("'"):
        if not re.fullmatch(r"'(?:[^']|'')*'", text):
            raise ValueError
        return text[1:-1].replace("''", "'")
    if re.fullmatch(r"[-+]?\d+", text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def _quoted(text: str) -> str:
    if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', text):
        raise ValueError
    inside = re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text[1:-1])
    inside = re.sub(r"\\U([0-9a-fA-F]{8})", lambda m: json.dumps(chr(int(m[1], 16)))[1:-1], inside)
    return str(json.loads(f'"{inside}"', strict=False))
