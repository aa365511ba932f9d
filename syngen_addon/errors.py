"""The only errors a user sees, and what a stopped piece of work raises. Imports nothing."""


class SynGenError(Exception):
    """Something a user can mend.

    message: what is wrong, one sentence. hint: what to do about it, one sentence ("" where the message says it).
    Both are one line that any terminal can show, whatever names of files and words of other programs are in them.
    mend: what the window offers to do about it (blender/mend.py), "" for nothing; slot: on which material slot.
    """

    slot = 0

    def __init__(self, message: str, hint: str = "", *, mend: str = "") -> None:
        message, hint = _showable(message), _showable(hint)
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint
        self.mend = mend


class Cancelled(Exception):
    """The person asked to stop."""


def _showable(text: str) -> str:
    """On one line, without control characters (escape sequences) and what no encoding can write."""
    if text.isprintable():
        return text
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def one_line(error: BaseException) -> str:
    """What another program's error says, as one sentence: lines joined, "Error: " taken off, a full stop."""
    text = " ".join(str(error).split()).removeprefix("Error: ").rstrip(".")
    return f"{text}."
