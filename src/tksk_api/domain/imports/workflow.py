"""The way of an import, as data (API §7): its owner decides, the job reads, judges, writes and takes back."""

from typing import Literal, get_args

from tksk_api.domain.workflow import Step, Workflow
from tksk_api.security.permissions import Permission

Status = Literal[
    "uploaded", "validating", "validated", "committing", "done", "failed", "cancelled", "undoing", "undone"
]

WORKING = frozenset({"uploaded", "validating", "committing", "undoing"})
WORKFLOW = Workflow(
    entity="imports",
    states=get_args(Status),
    steps={
        # Again with what was missing: a delimiter, a sheet, another mapping. Nothing is sent twice.
        "validate": Step(frozenset({"validated", "failed"}), "uploaded", Permission.IMPORT_RUN),
        # After a failure in the middle it goes on where it stopped; after one of an undo only the undo does.
        "commit": Step(frozenset({"validated", "failed"}), "committing", Permission.IMPORT_RUN),
        # While it works, the page under way is finished first; then the system stops. A dry run that waits just ends.
        "cancel": Step(
            frozenset({"uploaded", "validating", "validated", "committing"}),
            "cancelled",
            Permission.IMPORT_RUN,
            stays=frozenset({"uploaded", "validating", "committing"}),
        ),
        # What was in the way of a first time may be gone the second.
        "undo": Step(frozenset({"done", "failed", "cancelled", "undone"}), "undoing", Permission.IMPORT_RUN),
    },
    by_itself={
        "read": (frozenset({"uploaded"}), "validating"),
        "judge": (frozenset({"validating"}), "validated"),
        "write": (frozenset({"validating"}), "committing"),
        "finish": (frozenset({"committing"}), "done"),
        "stop": (frozenset({"uploaded", "validating", "committing"}), "cancelled"),
        "fail": (WORKING, "failed"),
        "take_back": (frozenset({"undoing"}), "undone"),
    },
)
