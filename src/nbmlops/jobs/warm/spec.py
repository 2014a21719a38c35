"""A kernel specification whose kernels start warm."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nbmlops.errors import Invalid, unknown

__all__ = ["install"]

PROVISIONER = "nbmlops-warm"


def install(kernel: str = "python3", preload: Sequence[str] | None = None, prefix: str = sys.prefix) -> Path:
    """Write the specification ``<kernel>-warm``: like another kernel's, started by our provisioner.

    Parameters
    ----------
    kernel : str
        Of this environment's Python.
    preload : sequence of str, optional
        Modules to import beforehand; by default those of ``[warm] preload``, else of the notebook.
    prefix : str
        The environment it goes to.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    NotFound
        There is no such kernel.
    Invalid
        It is another language's.

    Examples
    --------
    >>> install("python3", prefix=tempfile.mkdtemp()).name
    'python3-warm'
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    manager = KernelSpecManager()
    try:
        about = manager.get_kernel_spec(kernel).to_dict()
    except NoSuchKernel:
        raise unknown("kernel", kernel, manager.find_kernel_specs(), where="on this machine") from None
    if about["language"] != "python":
        raise Invalid(f"{kernel} is a kernel of {about['language']}.", "Only Python's start warm.")
    config = {} if preload is None else {"preload": list(preload)}
    about["metadata"] = {**about["metadata"], "kernel_provisioner": {"provisioner_name": PROVISIONER, "config": config}}
    about["display_name"] = f"{about['display_name']}, warm"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kernel.json").write_text(json.dumps(about, indent=1))
        return Path(manager.install_kernel_spec(folder, f"{kernel}-warm", prefix=prefix))
