"""What one check has to say."""

import dataclasses
from typing import Literal

from edgecat.errors import EdgecatError

Status = Literal["ok", "warning", "problem"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """One line of `edgecat doctor`.

    Attributes:
        subject: What was looked at: "glibc".
        status: "warning": it works, but not as well as it could; "problem": it does not, or
            will not for long.
        found: What is there.
        mend: What to do about it; empty where there is nothing to do.
    """

    subject: str
    status: Status
    found: str
    mend: str = ""

    def __post_init__(self) -> None:
        """Check that bad news comes with a way out.

        Raises:
            ValueError: It does not.
        """
        if (self.status == "ok") != (not self.mend):
            raise ValueError(f"{self.subject}: {self.status}, but the mend is {self.mend!r}")

    @classmethod
    def of_error(
        cls, subject: str, status: Status, error: EdgecatError, otherwise: str
    ) -> "Finding":
        """Make a finding of an error, whose message ends with "; " and the mend.

        Args:
            subject: What was looked at.
            status: How bad it is.
            error: What was raised.
            otherwise: The mend where the message has none.
        """
        found, _, mend = error.without(subject).rpartition("; ")
        return cls(subject, status, found or mend, mend if found else otherwise)

    def describe(self) -> str:
        """Return it as a line of text."""
        mend = f"; to mend it: {self.mend}" if self.mend else ""
        return f"{self.status:<8} {self.subject:<24} {self.found}{mend}"
