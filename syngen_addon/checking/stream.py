"""A JSON file of any size, item by item: COCO's are one object with long lists. Imports the standard library.

`json.load` would hold a dataset of 100,000 pictures in memory, many times its size on disk.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
SPACE = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder()


class Broken(ValueError):
    """The file is no JSON object; the text says where it stops being one."""


class _Text:
    """A file's text from the place that is read on; more comes where it ends."""

    def __init__(self, path: Path) -> None:
        self.file = open(path, encoding="utf-8-sig", errors="strict")  # noqa: SIM115  closed by items()
        self.text, self.at, self.before, self.ended = "", 0, 0, False

    def more(self) -> bool:
        if self.ended:
            return False
        try:
            new = self.file.read(CHUNK)
        except UnicodeDecodeError:
            raise Broken("it is no text in UTF-8") from None
        self.ended = not new
        self.before += self.at
        self.text, self.at = self.text[self.at :] + new, 0
        return bool(new)

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            self.at = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, wanted: str) -> str:
        found = self.peek()
        if not found or found not in wanted:
            where = f"at character {self.before + self.at:,}"
            raise Broken(f"{'it is cut off' if not found else 'it is broken'} {where}")
        self.at += 1
        return found

    def value(self) -> Any:
        self.peek()
        while True:
            try:
                value, end = DECODER.raw_decode(self.text, self.at)
            except ValueError:
                # Cut off by the end of what was read, or broken: only more of the file can tell.
                if not self.more():
                    raise Broken(f"it is cut off or broken at character {self.before + self.at:,}") from None
                continue
            except RecursionError:
                raise Broken("it is nested too deeply") from None
            if end == len(self.text) and not self.ended and self.more():
                continue  # a number may go on
            self.at = end
            return value


def items(path: Path) -> Iterator[tuple[str, Any]]:
    """(key, item) for each item of each list at the top of the object, (key, value) for what is no list.

    A list without items gives nothing. Raises Broken (text, JSON) and OSError.
    """
    text = _Text(path)
    with text.file:
        text.take("{")
        while text.peek() != "}":
            key = text.value()
            if not isinstance(key, str):
                raise Broken("a key is no text")
            text.take(":")
            if text.peek() == "[":
                text.take("[")
                while text.peek() != "]":
                    yield key, text.value()
                    if text.peek() != "]":
                        text.take(",")
                text.take("]")
            else:
                yield key, text.value()
            if text.peek() != "}":
                text.take(",")
        text.take("}")
        if text.peek():
            raise Broken(f"something follows its end, at character {text.before + text.at:,}")
