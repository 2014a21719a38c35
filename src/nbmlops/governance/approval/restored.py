"""Whether an alias may go back to a version: who rolls back, and what nobody should come back to unseen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nbmlops.errors import NotAllowed
from nbmlops.governance.approval import given, override, policy
from nbmlops.governance.approval.standing import Counted, present
from nbmlops.governance.flags.unsettled import blocking
from nbmlops.tracking import actor as identity
from nbmlops.tracking import session

if TYPE_CHECKING:
    from nbmlops.governance.charter import Charter
    from nbmlops.records import ModelVersion

__all__ = ["check_restorable", "check_retires", "check_rolls_back"]

HINT = "Move it nevertheless, for a reason and with an alert: nbmlops promote ... --override"


def check_rolls_back(agreed: Charter | None, alias: str) -> None:
    """Refuse who plays none of the roles the policy of an alias names; one that has ended still names them."""
    who, roles = identity.actor()[0], _asked(agreed, alias).roles
    if agreed and roles and not set(agreed.acts_as(who)) & set(roles):
        raise NotAllowed(f"{who} plays none of the roles {', '.join(roles)}, who roll {alias} back.", HINT)


def check_retires(agreed: Charter | None, alias: str) -> None:
    """Refuse who plays none of the roles the policy of an alias names; where it names none, any of the charter's."""
    wanted = (_asked(agreed, alias).roles or tuple(agreed.roles)) if agreed else ()
    who = identity.actor()[0]
    if agreed and wanted and not set(agreed.acts_as(who)) & set(wanted):
        raise NotAllowed(
            f"{who} plays none of the roles {', '.join(wanted)}, who take {alias} out of use.",
            f"Those who do are under roles in {agreed.path}.",
        )


def check_restorable(agreed: Charter | None, version: ModelVersion, alias: str) -> None:
    """Refuse a version that is flagged as blocking, refused by somebody, or was overridden and not found justified.

    Raises
    ------
    NotAllowed
        In words without what flags or comments say.
    """
    if found := blocking(version.ref):
        raise NotAllowed(f"{version.ref} is held up by flag {', '.join(f.flag_id for f in found)}.", HINT)
    asked = _asked(agreed, alias)
    counted = Counted(version.ref, asked, present(version.ref, version, agreed, asked))
    with session.store().reading() as connection:
        said_no = given.refused(counted.judged(connection), asked)
        waiting = [o for o in override.pending(connection, version.name) if o["ref"] == version.ref]
        unjustified = _unjustified(connection, version)
    if said_no:
        raise NotAllowed(f"{version.ref} was answered {said_no[-1].outcome} by {said_no[-1].name}.", HINT)
    if waiting or unjustified:
        what = "which was not justified" if unjustified else "which nobody has reviewed"
        raise NotAllowed(f"{version.ref} came there by an override, {what}.", HINT)


def _asked(agreed: Charter | None, alias: str) -> policy.Policy:
    return policy.read(agreed.policy.get(alias, {}), alias, agreed.path) if agreed else policy.Policy(alias)


def _unjustified(connection: Any, version: ModelVersion) -> bool:
    from nbmlops.store import events

    found = (events.listed(connection, f"{version.name}@", action) for action in ("alias", "override_reviewed"))
    said = [e for e in override.marked(connection, [e for listed in found for e in listed]) if not e.get("void")]
    said = [e for e in said if e["action"] == "override_reviewed" and e["data"].get("version") == version.version]
    of_it = [e["data"].get("verdict") for e in said]
    return "not justified" in of_it[-1:]
