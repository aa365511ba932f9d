"""The only errors a user sees. Imports nothing."""


class SynGenError(Exception):
    """Something a user can mend.

    message: what is wrong, one sentence. hint: what to do about it, one sentence ("" where the message says it).
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint
