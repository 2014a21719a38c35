"""Which version an object in memory was loaded as, so that judging it is judging that version."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from nbmlops.errors import NbmlopsError

if TYPE_CHECKING:
    from nbmlops.records import ModelVersion

__all__ = ["remember", "version_of"]

_known: weakref.WeakKeyDictionary[Any, ModelVersion] = weakref.WeakKeyDictionary()


def remember(model: Any, version: ModelVersion) -> Any:
    """Return a model that was just loaded, remembered as its version; the object itself stays as it is."""
    with contextlib.suppress(TypeError):  # what cannot be referred to weakly is judged under its class name
        _known[model] = version
    return model


def version_of(model: Any) -> ModelVersion | None:
    """Return the version an object was loaded as; None where it is another model since, fitted again or changed."""
    from nbmlops.registry.models import cached
    from nbmlops.registry.subject import content_key

    try:
        version = _known.get(model)
        return version if version and content_key(cached(version)) == content_key(model) else None
    except (TypeError, NbmlopsError):  # nothing that is remembered; or its file is gone, or must not be read
        return None
