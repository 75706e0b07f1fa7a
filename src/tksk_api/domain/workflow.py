"""State machines as data: a table of steps, one helper that takes a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import flag_modified

from tksk_api.database.session import principal_of
from tksk_api.database.tables import Record, new_id
from tksk_api.domain.history.models import Transition
from tksk_api.errors import DomainError
from tksk_api.security.permissions import Permission, roles_with


@dataclass(frozen=True)
class Step:
    """One action: the states it may start from, the state it leads to (several: the use case decides), and who may.

    A state in `stays` is left as it is: what was asked for is done a moment later, by the system itself.
    """

    sources: frozenset[str]
    target: str | tuple[str, ...]
    permission: Permission
    stays: frozenset[str] = frozenset()

    @property
    def targets(self) -> tuple[str, ...]:
        return (self.target,) if isinstance(self.target, str) else self.target

    @property
    def roles(self) -> tuple[str, ...]:
        return roles_with(self.permission)

    def targets_from(self, state: str) -> tuple[str, ...]:
        return (state,) if state in self.stays else self.targets


@dataclass(frozen=True)
class Workflow:
    """The steps of one kind of record. `entity` is its table; `states` in the order a reader expects them."""

    entity: str
    states: tuple[str, ...]
    steps: Mapping[str, Step]
    # Action -> the states that the system itself ends by it when their time has passed, and where that leads.
    by_itself: Mapping[str, tuple[frozenset[str], str]] = field(default_factory=dict)
    # What the table cannot say, a line each under it.
    notes: tuple[str, ...] = ()

    @property
    def initial(self) -> str:
        return self.states[0]

    def actions_from(self, state: str) -> list[str]:
        return [action for action, step in self.steps.items() if state in step.sources]

    def diagram(self) -> str:
        """A Mermaid state diagram with a table of the steps, as published in docs/workflows.md."""
        lines = [f"## {self.entity}", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {self.initial}"]
        rows = ["", "| action | from | to | roles |", "|---|---|---|---|"]
        for action, step in self.steps.items():
            sources = [state for state in self.states if state in step.sources]
            lines += [
                f"    {source} --> {target} : {action}" for source in sources for target in step.targets_from(source)
            ]
            ends = " or ".join((*step.targets, "as it was") if step.stays else step.targets)
            rows.append(f"| {action} | {', '.join(sources)} | {ends} | {', '.join(step.roles)} |")
        for action, (ended, target) in self.by_itself.items():
            sources = [state for state in self.states if state in ended]
            lines += [f"    {source} --> {target} : {action}" for source in sources]
            rows.append(f"| {action} | {', '.join(sources)} | {target} | system |")
        leave = {state for ended, _ in self.by_itself.values() for state in ended}
        final = [state for state in self.states if state not in leave and not self.actions_from(state)]
        lines += [f"    {state} --> [*]" for state in final]
        remarks = [line for note in self.notes for line in ("", note)]
        return "\n".join([*lines, "```", *rows, *remarks, ""])

    def check(self, action: str, state: str) -> Step:
        """Raises transition_refused, naming the state and the actions it allows."""
        step = self.steps[action]
        if state not in step.sources:
            raise DomainError("transition_refused", state=state, allowed_actions=self.actions_from(state))
        return step

    def take(
        self,
        session: AsyncSession,
        row: Any,
        action: str,
        actor_name: str | None = None,
        *,
        target: str | None = None,
        reason_code: str | None = None,
        note: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Move the row and write its history; the flush updates only the version that was read.

        Raises transition_refused.
        """
        step = self.check(action, row.status)
        to_state = target or step.targets_from(row.status)[0]
        assert to_state in step.targets_from(row.status)
        principal = principal_of(session)
        before, row.status = row.status, to_state
        _touch(row)
        session.add(
            Transition(
                id=new_id(),
                entity=self.entity,
                entity_id=row.id,
                action=action,
                from_state=before,
                to_state=to_state,
                actor_id=principal.user_id,
                actor_name=actor_name,
                actor_role=principal.role,
                reason_code=reason_code,
                note=note,
                details=dict(details or {}),
                request_id=session.info["admission"].request_id,
            )
        )


def _touch(row: Record) -> None:
    # A step that stays in its state (one of several signatures) still makes a new version.
    flag_modified(row, "status")
