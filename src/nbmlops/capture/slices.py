"""What a cell's execution rests on: the executions before it that made what it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["ANYTHING", "Execution", "Slice", "backward"]

ANYTHING = "*"  # among what an execution writes: it may have bound names that its source does not show


@dataclass(frozen=True)
class Execution:
    """One execution of a cell.

    Attributes
    ----------
    number : int
        What stands in the brackets before the cell: ``[3]``.
    cell_id : str, optional
        None where the front end gives none; ``cell`` says what stands for it.
    digest : str
        SHA-256 of the source as it is stored, secrets masked.
    reads, writes, mutates : tuple of str
        Names; ``writes`` holds ``*`` when it may have bound others too.
    at : str
        When it began.
    notebook : str, optional
    """

    number: int
    cell_id: str | None
    digest: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    mutates: tuple[str, ...]
    succeeded: bool
    at: str
    notebook: str | None = None

    @property
    def cell(self) -> str:
        """The cell's id, or the digest of its source where there is none."""
        return self.cell_id or self.digest

    def makes(self, name: str) -> bool:
        """Tell whether it bound or changed a name."""
        return name in self.writes or name in self.mutates


@dataclass(frozen=True)
class Slice:
    """What an execution rests on.

    Attributes
    ----------
    execution : Execution
    sources : mapping
        The executions that made what it reads, and what those read, oldest first, each with the names it is there for.
    missing : tuple of str
        Names that no recorded execution made.
    """

    execution: Execution
    sources: Mapping[Execution, tuple[str, ...]]
    missing: tuple[str, ...] = ()


def backward(execution: Execution, earlier: Sequence[Execution]) -> Slice:
    """Return the backward slice of an execution: for every name, the latest successful execution that made it.

    Parameters
    ----------
    execution : Execution
    earlier : sequence of Execution
        Those of the same kernel before it, oldest first.

    Returns
    -------
    Slice

    Examples
    --------
    >>> made = Execution(1, "a", "", (), ("df",), (), True, "")
    >>> used = Execution(2, "b", "", ("df", "model"), (), (), True, "")
    >>> found = backward(used, [made])
    >>> [e.number for e in found.sources], found.missing
    ([1], ('model',))
    """
    earlier = [e for e in earlier if e.succeeded]
    made = {name for e in earlier for name in (*e.writes, *e.mutates)}
    names: dict[int, dict[str, None]] = {}
    missing: dict[str, None] = {}
    sought: set[str] = set()
    wanted = dict.fromkeys(execution.reads)
    while wanted:
        sought |= wanted.keys()
        left = _scan(wanted, earlier, names)
        missing.update((name, None) for name in left if name not in made)
        # A function may use what is made after it is defined: such a name is looked for from the end.
        wanted = {name: None for name in left if name in made and name not in sought}
    return Slice(execution, {e: tuple(names[e.number]) for e in earlier if e.number in names}, tuple(missing))


def _scan(
    wanted: Mapping[str, None], earlier: Sequence[Execution], names: dict[int, dict[str, None]]
) -> dict[str, None]:
    """Go back through executions, note which make what is wanted, and want what they read; return what is left."""
    left = dict(wanted)
    for execution in reversed(earlier):
        found = [name for name in (*execution.writes, *execution.mutates) if name in left]
        if not found:
            continue
        names.setdefault(execution.number, {}).update(dict.fromkeys(found))
        for name in found:  # what it only changed, or changed by ``x += 1``, it read: that is wanted again below
            left.pop(name, None)
        left.update(dict.fromkeys((*execution.reads, *execution.mutates)))
    return left
