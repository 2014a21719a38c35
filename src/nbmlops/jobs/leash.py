"""No kernel outlives its runner: told by the system, for a kernel that is busy looks after nobody."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["before_exec", "started_here"]

PR_SET_PDEATHSIG = 1
LOCAL = "local-provisioner"


def before_exec(also: Callable[[], Any] | None = None) -> Callable[[], Any] | None:
    """Return what a kernel's process does before it becomes the kernel: die with this one, then what else is wanted.

    The system signals when the *thread* that started the kernel ends, so that thread must execute the notebook. Only
    Linux has this; elsewhere ipykernel looks for its parent every second, when it can.
    """
    if sys.platform != "linux":
        return also
    prctl, runner = ctypes.CDLL(None).prctl, os.getpid()

    def tie() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != runner:  # it ended meanwhile
            os._exit(1)
        if also is not None:
            also()

    return tie


def started_here(manager: Any) -> bool:
    """Tell whether a kernel manager starts its kernel as a child of this process, by no provisioner of its own."""
    if manager.provisioner is not None:
        return False
    from jupyter_client.provisioning import KernelProvisionerFactory

    spec = manager.kernel_spec
    named = (spec.metadata if spec else {}).get("kernel_provisioner", {}).get("provisioner_name")
    return bool((named or KernelProvisionerFactory.instance(parent=manager).default_provisioner_name) == LOCAL)
