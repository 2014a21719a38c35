"""Who does a governed change: the database's account, else CI, JupyterHub, git or the operating system."""

from __future__ import annotations

import re

from nbmlops.capture import environment
from nbmlops.errors import NotAllowed
from nbmlops.store.driver import ACCOUNT
from nbmlops.tracking import session

__all__ = ["actor", "proves"]

INVENTED = re.compile(r"\s*anonymous\b", re.I)  # Jupyter Server gives each visitor "Anonymous" and a moon of Jupiter

PROVES = {
    ACCOUNT: "The database let this account in, so it proves who had its password or key; "
    "a shared account proves nobody.",
    "ci": "Whoever may run this pipeline; it proves as much as the CI's protected branches and reviews do.",
    "jupyterhub": "JupyterHub let this person in; whoever may run code in the same container can write the same name.",
    "login": "The identity provider of this Jupyter server let this person in; whoever runs it can change that.",
    "git": "What git is configured to say: anybody can write any name there, so it attributes and proves nothing.",
    "os": "The user of this machine: whoever may log in as it, and its administrator.",
}


def actor() -> tuple[str, str]:
    """Return (name, how known) of who does a governed change.

    On PostgreSQL it is the account the database let in, whatever the environment says.

    Raises
    ------
    NotAllowed
        The only name there is was invented by Jupyter Server.
    Unavailable
        The database cannot be asked.

    Examples
    --------
    >>> name, known_by = actor()
    """
    if account := session.store().account():
        return account, ACCOUNT
    name, known_by = environment.acting()
    if INVENTED.match(name) or not name.strip():
        raise NotAllowed(
            f"{name!r} is nobody: Jupyter Server invents such names.",
            "Say who you are: git config user.email you@example.org, or use an account of the database.",
        )
    return name, known_by


def proves(known_by: str) -> str:
    """Return in a sentence what a kind of identity proves.

    >>> proves("os")
    'The user of this machine: whoever may log in as it, and its administrator.'
    """
    return PROVES[known_by]
