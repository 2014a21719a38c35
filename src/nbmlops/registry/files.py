"""Model files as data, not programs: the one place where a model is written to bytes or built from them.

A file is verified, looked through (``archive``), held against a reviewed list of types (``trust``), built by skops, and
its arrays are checked (``structure``) before anybody has it. A pickle is a program: it is written and read only by
those who say so each time.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nbmlops.errors import Invalid, NotAllowed, UntrustedContent, tell
from nbmlops.registry import archive, trust
from nbmlops.registry.trust import Refusal, reviewed

__all__ = [
    *("PICKLE", "RULES", "SKOPS", "SOURCE", "File", "cached", "dump", "load", "permit", "ready", "reviewed"),
    "write",
]

SKOPS, PICKLE, RULES, SOURCE = "skops", "pickle", "rules", "source"


@dataclass(frozen=True)
class File:
    """A written model: its bytes, how they are read, the reviewed types they need, and why it is no data."""

    data: bytes
    format: str
    trusted: tuple[str, ...] = ()
    why: str = ""


def write(model: Any, allow_pickle: bool = False) -> File:
    """Return a model as a file: data if it can be, else a pickle for those who allow one.

    Raises
    ------
    UntrustedContent
        The model holds types nobody has reviewed, such as functions of a notebook, and no pickle is allowed.
    Invalid
        The model cannot be written at all.
    """
    from nbmlops.registry.rulemodel import RuleModel
    from nbmlops.registry.sourcemodel import FunctionModel

    if isinstance(model, (RuleModel, FunctionModel)):
        return File(model.to_yaml().encode("utf-8"), RULES if isinstance(model, RuleModel) else SOURCE)
    try:
        data, trusted = dump(model)
    except (UntrustedContent, Invalid) as error:
        if allow_pickle is not True:
            hint = f"{error.hint} Or keep it as a program, run at every load: nb.register(..., allow_pickle=True)."
            raise type(error)(error.message, hint) from error
        return File(_pickled(model), PICKLE, why=error.message)
    return File(data, SKOPS, tuple(trusted))


def dump(model: Any) -> tuple[bytes, list[str]]:
    """Return a model as the bytes of a skops file, and the reviewed types that file needs.

    Raises
    ------
    UntrustedContent
        The model holds types nobody has reviewed, such as functions of a notebook.
    Invalid
        The model cannot be written as data at all.
    """
    import skops.io

    from nbmlops.registry import structure

    name = type(model).__name__
    try:
        data = skops.io.dumps(model)
    except Exception as error:  # skops raises whatever the object's own pickling raises
        raise Invalid(
            f"{name} cannot be written as a safe file: {str(error).rstrip('.')}.",
            "Use scikit-learn's own estimators and functions of an installed module.",
        ) from error
    with _refused(name):
        contents = archive.inspect(data)
        _refuse(contents.refused, name)
        _ask_skops(contents, data, name)
        structure.check(model)
    return data, reviewed(named for _, named in contents.types)[0]


_judged: set[frozenset[tuple[str, str]]] = set()  # types in their parts that skops trusts beside ours


def _ask_skops(contents: archive.Contents, data: bytes, name: str) -> None:
    """Refuse types that are on neither list; skops is asked once for the same types."""
    import skops.io

    types = frozenset(contents.types)
    if types not in _judged:
        _refuse(dict.fromkeys(reviewed(skops.io.get_untrusted_types(data=data))[1], ""), name)
        _judged.add(types)


def load(data: bytes, trusted: list[str], name: str, form: str = SKOPS, allow_pickle: bool = False) -> Any:
    """Return the model in a verified file, built only if it holds exactly what was recorded.

    Parameters
    ----------
    data : bytes
        The file, its digest already verified by the artifact store.
    trusted : list of str
        The types recorded in the store when the file was registered.
    name : str
        What the model is called, for the message.
    form : {"skops", "rules", "source", "pickle"}
        How it was written, as recorded in the store.
    allow_pickle : bool
        Whether to run what a pickle holds.

    Raises
    ------
    NotAllowed
        It is a pickle, and nobody allowed that now.
    UntrustedContent
        The file holds other types, or is no model's file.
    """
    if form == PICKLE:
        return _unpickled(data, name, allow_pickle)
    if form in (RULES, SOURCE):
        return _text(data, name, form, allow_pickle)
    if form != SKOPS:
        raise UntrustedContent(f"{name} is written as {form!r}, which is not read.", "Register the model again.")
    import skops.io

    from nbmlops.registry import structure

    with _refused(name):
        contents = archive.inspect(data)
        _refuse(contents.refused, name)
        trust.note_version()
        with _other_version(name, contents.sklearn):
            model = skops.io.loads(data, trusted=reviewed(trusted)[0])
        structure.check(model)
    return model


def ready() -> None:
    """Load what reads a model's file: a second, which who is about to promote one does not wait for then."""
    import skops.io  # noqa: F401

    from nbmlops.registry import structure  # noqa: F401


def _text(data: bytes, name: str, form: str, allow_pickle: bool) -> Any:
    from nbmlops.registry import rulemodel, sourcemodel

    permit(form, name, allow_pickle)
    with _refused(name):
        return rulemodel.read(data) if form == RULES else sourcemodel.read(data)


@lru_cache(maxsize=8)
def cached(
    digest: str, trusted: tuple[str, ...], artifacts_url: str, form: str = SKOPS, allow_pickle: bool = False
) -> Any:
    """Return the model of a digest, read once per process; the artifact store verifies it before it is parsed."""
    from nbmlops.store.artifacts import Artifacts

    data = Artifacts(artifacts_url).get(digest)
    return load(data, list(trusted), f"artifact {digest[:12]}", form, allow_pickle)


def _pickled(model: Any) -> bytes:
    try:
        return pickle.dumps(model, protocol=5)
    except Exception as error:  # an object's own pickling raises whatever it likes
        raise Invalid(
            f"{type(model).__name__} cannot be pickled either: {str(error).rstrip('.')}.",
            "Move its functions and classes from the notebook to a module.",
        ) from error


def permit(form: str, name: str, allow_pickle: bool) -> None:
    """Refuse a program nobody allowed now.

    Raises
    ------
    NotAllowed
        It is a pickle, or a function that nobody other than its author has read.
    """
    if form == PICKLE and allow_pickle is not True:
        raise NotAllowed(
            f"{name} is a pickle: reading it runs whatever it holds.",
            f'If you trust who wrote it: nb.load_model("{name}", allow_pickle=True). '
            "For gates, promotions and predictions the charter has to say so: exceptions: [pickle].",
        )
    if form == SOURCE and allow_pickle is not True:
        raise NotAllowed(
            f"{name} is a function that nobody else has read: loading it runs whatever it says.",
            f"Somebody other than its author reads it: nbmlops models approve {name}. "
            f'Or, if you trust who wrote it: nb.load_model("{name}", allow_pickle=True).',
        )


def _unpickled(data: bytes, name: str, allow_pickle: bool) -> Any:
    permit(PICKLE, name, allow_pickle)
    try:
        return pickle.loads(data)
    except Exception as error:  # a pickle's program raises whatever it likes
        raise UntrustedContent(
            f"The pickle of {name} cannot be read: {type(error).__name__}: {str(error).rstrip('.')[:200]}.",
            "It needs the modules it was written with.",
        ) from error


@contextmanager
def _refused(name: str) -> Iterator[None]:
    """Turn whatever a hostile or damaged file makes a reader raise into one clear error."""
    from skops.io.exceptions import UntrustedTypesFoundException

    try:
        yield
    except (UntrustedContent, Invalid):
        raise
    except Refusal as error:
        raise UntrustedContent(f"The file of {name} is not read: {error}.", "Register the model again.") from error
    except UntrustedTypesFoundException as error:
        raise UntrustedContent(f"{name} holds other types than were recorded: {error}", "Register it again.") from error
    except Exception as error:  # parsers of archives, arrays and numbers raise a dozen kinds
        said = str(error).splitlines()[0][:160].rstrip(".") if str(error) else ""
        raise UntrustedContent(
            f"The file of {name} cannot be read: {type(error).__name__}{': ' + said if said else ''}.",
            "Register the model again.",
        ) from error


@contextmanager
def _other_version(name: str, fitted_with: str) -> Iterator[None]:
    """Say once in one line that a model was fitted with another scikit-learn."""
    import sklearn
    from sklearn.exceptions import InconsistentVersionWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            yield
    except (ModuleNotFoundError, AttributeError) as error:
        raise UntrustedContent(
            f"{name} is of scikit-learn {fitted_with} and cannot be built with {sklearn.__version__}: {error}.",
            "Fit it again, or install the version it was written with.",
        ) from error
    if fitted_with and fitted_with != sklearn.__version__:
        tell(f"{name} was fitted with scikit-learn {fitted_with}, this is {sklearn.__version__}: answers may differ")


def _refuse(types: dict[str, str], name: str) -> None:
    if types:
        said = ", ".join(f"{n} ({why})" if why and why != "nobody has reviewed it" else n for n, why in types.items())
        raise UntrustedContent(
            f"{name} holds types nobody has reviewed: {said}.",
            "Replace them by scikit-learn's own, such as FunctionTransformer(numpy.log1p), and fit again.",
        )
