"""Why a whole file is not taken."""

from typing import Any


class Refused(Exception):
    """The file, or its headings, cannot be imported as they are; `code` is of the list `import_codes`.

    `facts` name the place and what would help; never a value of a person.
    """

    def __init__(self, code: str, **facts: Any) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts
