"""What a user reads of an error."""

import pytest

from syngen_addon.errors import SynGenError


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("The file /tmp/\u00fcber rust.png is missing.", "The file /tmp/\u00fcber rust.png is missing."),
        ("two\n  lines\r\nand\ta tab", "two lines and a tab"),
        ("\x1b[31mred\x1b]0;title\x07", "[31mred ]0;title"),
        ("no encoding has \udcff this", "no encoding has this"),
        ("a  b", "a  b"),
    ],
)
def test_an_error_is_one_line_that_any_terminal_shows(said: str, shown: str) -> None:
    error = SynGenError(said, said)
    assert (error.message, error.hint, str(error)) == (shown, shown, f"{shown} {shown}")
    assert str(error).encode()
