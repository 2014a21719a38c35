"""A kernel of another language: lines are printed; ``die``, ``crash``, ``wait FILE`` are what they say."""

import os
import signal
import time
from pathlib import Path
from typing import ClassVar

from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

STDERR = os.dup(2)  # ipykernel takes what is printed there


class EchoKernel(Kernel):
    """Prints its code."""

    implementation = "echo"
    implementation_version = "1"
    banner = "echo"
    language_info: ClassVar = {"name": "echo", "mimetype": "text/plain", "file_extension": ".txt"}

    def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **_):
        for line in code.splitlines():
            self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": f"{line}\n"})
            if line == "die":
                time.sleep(0.1)  # what was sent is on its way then
                os.kill(os.getpid(), signal.SIGKILL)
            if line == "crash":
                os.write(STDERR, b"*** caught segfault ***\n")
                os._exit(3)
            if line.startswith("wait"):
                Path(line.split()[1]).write_text(str(os.getpid()))
                time.sleep(60)
        return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}


if __name__ == "__main__":
    os.environ.pop("JPY_PARENT_PID", None)
    IPKernelApp.launch_instance(kernel_class=EchoKernel)
