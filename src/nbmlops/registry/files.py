"""Model files as data, not programs: written by skops, verified before they are read, trusted by a list in the store.

What may stand in a file is a short list of reviewed types: trees, losses, kernels and other plain containers of
scikit-learn that hold numbers and run nothing when they are built; models of xgboost and lightgbm, whose boosters hand
text or bytes to their own parsers of models. The list of one file is bound to its digest.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from nbmlops.errors import Invalid, UntrustedContent

__all__ = ["dump", "load", "reviewed"]

REVIEWED = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "lightgbm.sklearn.LGBMClassifier",
        "lightgbm.sklearn.LGBMRanker",
        "lightgbm.sklearn.LGBMRegressor",
        "numpy.dtype",
        "numpy.mean",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.sparse._csc.csc_matrix",
        "scipy.sparse._csr.csr_matrix",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.cluster._bisect_k_means._BisectingTree",
        "sklearn.cluster._kmeans._kmeans_single_lloyd",
        "sklearn.compose._column_transformer._RemainderColsList",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.feature_selection._univariate_selection.chi2",
        "sklearn.feature_selection._univariate_selection.f_classif",
        "sklearn.feature_selection._univariate_selection.f_regression",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
        "xgboost.sklearn.XGBClassifier",
        "xgboost.sklearn.XGBRanker",
        "xgboost.sklearn.XGBRegressor",
        "xgboost.sklearn.XGBRFClassifier",
        "xgboost.sklearn.XGBRFRegressor",
    }
)
REVIEWED_MODULES = ("sklearn._loss.", "sklearn.gaussian_process.kernels.", "sklearn.metrics._dist_metrics.")


def reviewed(types: Iterable[str]) -> tuple[list[str], list[str]]:
    """Split type names into (reviewed, not reviewed).

    Examples
    --------
    >>> reviewed(["sklearn.tree._tree.Tree", "os.system"])
    (['sklearn.tree._tree.Tree'], ['os.system'])
    """
    names = sorted(set(types))
    known = [n for n in names if n in REVIEWED or n.startswith(REVIEWED_MODULES)]
    return known, [n for n in names if n not in known]


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

    try:
        data = skops.io.dumps(model)
    except Exception as error:  # skops raises whatever the object's own pickling raises
        raise Invalid(
            f"{type(model).__name__} cannot be written as a safe file: {error}.",
            "Use scikit-learn's own estimators and functions of an installed module.",
        ) from error
    trusted, refused = reviewed(skops.io.get_untrusted_types(data=data))
    _refuse(refused, type(model).__name__)
    return data, trusted


def load(data: bytes, trusted: list[str], name: str) -> Any:
    """Return the model in a verified file, built only if it holds exactly what was recorded.

    Parameters
    ----------
    data : bytes
        The file, its digest already verified by the artifact store.
    trusted : list of str
        The types recorded in the store when the file was registered.
    name : str
        What the model is called, for the message.

    Raises
    ------
    UntrustedContent
        The file holds other types, or is no skops file.
    """
    import zipfile

    import skops.io

    try:
        found = skops.io.get_untrusted_types(data=data)
        _refuse([t for t in found if t not in trusted], name)
        return skops.io.loads(data, trusted=trusted)
    except (zipfile.BadZipFile, KeyError) as error:
        raise UntrustedContent(f"The file of {name} is no skops file.", "Register the model again.") from error


@lru_cache(maxsize=8)
def cached(digest: str, trusted: tuple[str, ...], artifacts_url: str) -> Any:
    """Return the model of a digest, read once per process; the artifact store verifies it before it is parsed."""
    from nbmlops.store.artifacts import Artifacts

    return load(Artifacts(artifacts_url).get(digest), list(trusted), f"artifact {digest[:12]}")


def _refuse(types: list[str], name: str) -> None:
    if types:
        raise UntrustedContent(
            f"{name} holds types nobody has reviewed: {', '.join(types)}.",
            "Replace them by scikit-learn's own, such as FunctionTransformer(numpy.log1p), and fit again.",
        )
