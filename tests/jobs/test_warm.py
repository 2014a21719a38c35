"""Kernels forked from a process that has the imports: real ones, beside cold ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook

import nbmlops as nb
from nbmlops.jobs.warm import checks, parents
from nbmlops.jobs.warm.checks import Cold
from nbmlops.jobs.warm.kernel import Talk
from waiting import until
from warm_kernels import module, run_warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels start cold here")
PYTHON = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}


def test_a_warm_kernel_is_a_session_of_its_own_and_no_child_of_its_runner(warm):
    kernel = warm()
    pid = kernel.provisioner.pid
    assert kernel.run("import os; print(os.getpid(), os.getsid(0), os.getpgid(0))") == f"{pid} {pid} {pid}"
    assert psutil.Process(pid).ppid() != os.getpid()


STATE = """
import os, re, sys, signal, threading, warnings, gc, json, logging
main = sys.modules["__main__"]
print(json.dumps({
    "argv": [os.path.basename(a) for a in sys.argv[:2]], "path": sys.path, "cwd": os.getcwd(),
    "main": sorted(n for n in vars(main) if not n.startswith("_i")), "spec": str(getattr(main, "__spec__", 0)),
    "threads": sorted(re.sub("[0-9]", "", t.name) for t in threading.enumerate()),
    "ours": [m for m in sys.modules if "nbmlops" in m],
    "signals": {int(s): str(signal.getsignal(s)).split(" at ")[0] for s in signal.valid_signals()},
    "blocked": [int(s) for s in signal.pthread_sigmask(signal.SIG_BLOCK, [])], "umask": os.umask(0o22),
    "env": {n: v for n, v in os.environ.items() if n not in ("PYDEVD_USE_FRAME_EVAL", "OLDPWD")},
    "cpus": sorted(os.sched_getaffinity(0)), "streams": [sys.__stdout__.encoding, sys.stdout.isatty()],
    "filters": [str(f[:3]) for f in warnings.filters], "gc": [gc.isenabled(), gc.get_threshold()],
    "log": [str(h).split(" at ")[0] for h in logging.root.handlers], "count": get_ipython().execution_count,
    "history": get_ipython().history_manager.session_number > 0, "stdin": os.read(0, 1).decode(),
    "flags": str(sys.flags), "orig": [os.path.basename(w) for w in sys.orig_argv[:3]],
}))
"""


def test_its_state_is_that_of_a_cold_one(warm):
    told, cold = (json.loads(warm(how=how).run(STATE)) for how in ("warm", "cold"))
    cold["path"] = [place for place in cold["path"] if place != cold["cwd"]]  # where ipykernel 6.25 leaves it beside ""
    assert told == cold


IMPORTED = """
import pandas as pd, warnings
print(pd.options.display.max_columns, pd.options.display.html.border)
print(pd.DataFrame([range(30)] * 2))
print([str(f[:3]) for f in warnings.filters])
import os; print(os.environ.get("KMP_DUPLICATE_LIB_OK"), os.environ["MPLBACKEND"])
import numpy as np; print(np.random.default_rng(3).normal(size=3), np.random.RandomState(1).rand(2))
"""


def test_what_was_imported_looks_the_same(warm):
    """Pandas asks at its import whether it is in a kernel, and prints as wide as that allows."""
    told = [warm(["pandas", "numpy"], how).run(IMPORTED) for how in ("warm", "cold")]
    assert told[0] == told[1]
    two = [warm(["pandas", "numpy"]).run("import numpy as np, random\nnp.random.rand(), random.random()") for _ in "ab"]
    assert two[0] != two[1]


@pytest.mark.slow
def test_a_figure_is_shown_as_in_a_cold_kernel(warm, needed):
    needed("matplotlib")
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nprint(plt.get_backend(), plt.isinteractive())"
    told = [warm(["matplotlib.pyplot"], how).run(code).replace("0x", "").split(" at ")[0] for how in ("warm", "cold")]
    assert told[0] == told[1]
    assert "inline" in told[0]
    assert "Figure" in warm(["matplotlib.pyplot"]).run(code)


def test_variables_folder_and_rights_are_those_of_who_asks(warm, tmp_path):
    env = {**os.environ, "GREETING": "hello"}
    kernel = warm(env=env, cwd=str(tmp_path))
    assert kernel.run("import os; print(os.environ['GREETING'], os.getcwd())") == f"hello {tmp_path}"
    del env["GREETING"]
    assert warm(env=env, cwd=str(tmp_path)).run("import os; print(os.environ.get('GREETING'))") == "None"


def test_the_debugger_stops_at_a_breakpoint(warm):
    kernel = warm()

    numbers = count(1)

    def ask(command, **arguments):
        about = {"type": "request", "seq": next(numbers), "command": command, "arguments": arguments}
        kernel.client.control_channel.send(kernel.client.session.msg("debug_request", about))
        answer = kernel.client.get_control_msg(timeout=15)["content"]
        assert answer["success"], answer
        return answer.get("body")

    ask("initialize", clientID="test", adapterID="", pathFormat="path")
    ask("attach")
    code = "x = 1\ny = 2\nz = 3"
    place = {"path": ask("dumpCell", code=code)["sourcePath"]}
    ask("setBreakpoints", breakpoints=[{"line": 2}], source=place, sourceModified=False)
    ask("configurationDone")
    kernel.client.execute(code)
    while (message := kernel.client.get_iopub_msg(timeout=15)["content"]).get("event") != "stopped":
        pass
    assert message["body"]["reason"] == "breakpoint"
    ask("continue", threadId=message["body"]["threadId"])
    assert kernel.client.get_shell_msg(timeout=10)["content"]["status"] == "ok"


def test_an_interrupt_and_a_restart_are_as_ever(warm):
    kernel = warm()
    kernel.client.execute("import time\nprint('begun', flush=True)\ntime.sleep(60)")
    until(lambda: kernel.client.get_iopub_msg(timeout=15)["content"].get("text") == "begun\n")
    kernel.manager.interrupt_kernel()
    assert kernel.client.get_shell_msg(timeout=10)["content"]["ename"] == "KeyboardInterrupt"
    before = kernel.provisioner.pid
    kernel.manager.restart_kernel()
    kernel.client.wait_for_ready(timeout=30)
    assert kernel.provisioner.kernel == "warm"
    assert kernel.run("import os; print(os.getpid())") == str(kernel.provisioner.pid) != str(before)


def test_how_it_ended_is_known_though_it_is_nobodys_child(warm):
    for code, ended in (("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL), ("import os; os._exit(3)", 3)):
        kernel = warm()
        process = kernel.provisioner.process
        kernel.client.execute(code)
        assert process.wait(10) == ended
        assert not kernel.manager.is_alive()
    kernel = warm()
    process = kernel.provisioner.process
    kernel.manager.shutdown_kernel()
    assert (process.returncode, kernel.manager.has_kernel) == (0, False)


LEAVES = """
import atexit, sys, threading, time, weakref
import leaves
kept = open("kept.txt", "w"); kept.write("kept")
class Last:
    def __del__(self): open("del.txt", "w").write("del")
last = Last(); last.itself = last
atexit.register(lambda: open("atexit.txt", "w").write("atexit"))
import decimal; decimal.file = open("stored.txt", "w"); decimal.file.write("stored")
threading.Thread(target=lambda: (time.sleep(0.3), open("thread.txt", "w").write("thread"))).start()
raw = open("raw.txt", "wb"); n = raw.write(b"raw")
"""


@pytest.mark.parametrize("how", ["warm", "cold"])
def test_at_its_end_everything_is_written(warm, project, how):
    (project / "leaves.py").write_text("file = open('module.txt', 'w')\nfile.write('module')\n")
    kernel = warm(["decimal"], how)
    assert kernel.run(LEAVES) == ""
    process = kernel.provisioner.process
    kernel.manager.shutdown_kernel()
    assert process.returncode == 0
    names = ("kept", "del", "atexit", "stored", "thread", "raw", "module")
    assert [(project / f"{n}.txt").read_text() for n in names] == list(names)


def test_a_run_says_how_its_kernel_started(warm, notebook):
    first = nb.run_notebook(notebook("plain"), progress=lambda *_: None)
    assert (first.tags["kernel"], first.tags["kernel_why"]) == (
        "cold",
        "the process with its imports is being made for the next one",
    )
    run = run_warm("plain.ipynb")
    assert "kernel_why" not in run.tags
    died = nb.run_notebook(notebook("dies"), progress=lambda *_: None)
    assert died.cause == "kernel_died(SIGKILL)"


@pytest.mark.parametrize("how", ["setting", "variable"])
def test_it_is_switched_off(warm, project, monkeypatch, how):
    if how == "variable":
        monkeypatch.setenv("NBMLOPS_WARM", "0")
    else:
        (project / "nbmlops.toml").write_text("[warm]\noff = true\n")
    kernel = warm(how="cold", wait=False)
    assert kernel.provisioner.why == "switched off"


def test_a_killed_parent_costs_one_cold_start(warm):
    kernel = warm(["decimal"])
    there = next(p for p in parents.running() if p["preload"] == ["decimal"])
    os.kill(there["pid"], signal.SIGKILL)
    psutil.wait_procs([psutil.Process(there["pid"])], timeout=5)
    assert kernel.run("print(1)") == "1"  # the kernels it had are not touched
    assert "is being made" in warm(["decimal"], how="cold", wait=False).provisioner.why
    assert warm(["decimal"]).run("print(2)") == "2"


def living(process):
    return [p for p in process.children() if p.is_running() and p.status() not in ("zombie", "terminated")]


def test_a_parent_that_hangs_costs_a_second_and_leaves_no_second_kernel(warm, monkeypatch):
    warm(["fractions"])
    there = psutil.Process(next(p["pid"] for p in parents.running() if p["preload"] == ["fractions"]))
    monkeypatch.setattr("nbmlops.jobs.warm.kernel.REPLY_S", 1.0)
    there.suspend()
    began = time.monotonic()
    try:
        kernel = warm(["fractions"], how="cold", wait=False)
    finally:
        there.resume()
    assert kernel.provisioner.why == "the process with the imports does not answer"
    assert time.monotonic() - began < 10
    until(lambda: len(living(there)) == 1, 5)
    assert kernel.run("print(1)") == "1"


def test_there_are_no_more_parents_than_set(warm, project):
    (project / "nbmlops.toml").write_text("[warm]\nmost = 1\n")
    first = warm(["colorsys"])
    warm(["shelve"])
    there = [p["preload"] for p in parents.running()]
    assert (["colorsys"] in there, ["shelve"] in there) == (False, True)
    assert first.run("print(1)") == "1"


IDLE = """
import json, os, sys, tempfile
import nbmlops.jobs.warm.parent as parent
parent.IDLE_S, parent.LOOK_S = 0.1, 0.1
fd = os.memfd_create("spec", 0)
spec = {"family": "idle", "asked": "idle", "lock": os.dup(fd), "preload": [], "first": []}
os.write(fd, json.dumps({**spec, "folder": sys.argv[1]}).encode())
os.lseek(fd, 0, os.SEEK_SET)
parent.main(fd)
"""


def test_an_idle_parent_ends_and_leaves_no_socket(tmp_path):
    subprocess.run([sys.executable, "-c", IDLE, str(tmp_path)], check=True, timeout=60)
    assert [p.name for p in tmp_path.iterdir()] == ["idle.names"]


def test_limits_hold_in_a_warm_kernel(warm, project):
    nbformat.write(new_notebook(cells=[new_code_cell("b'x' * 2**31")], metadata=PYTHON), "limited.ipynb")
    run = run_warm(project / "limited.ipynb", memory="1.5G")
    assert (run.status, run.cause) == ("failed", "out_of_memory")
    code = "import os; print(len(os.sched_getaffinity(0)), os.environ['OMP_NUM_THREADS'])"
    nbformat.write(new_notebook(cells=[new_code_cell(code)], metadata=PYTHON), "limited.ipynb")
    run_warm(project / "limited.ipynb", cpu=1, output="out.ipynb")
    assert nbformat.read("out.ipynb", 4).cells[0].outputs[0].text == "1 1\n"


def test_changed_packages_and_files_need_a_new_parent(warm, site):
    module(site, "answers", "VALUE = 1")
    assert warm(["answers"]).run("import answers; print(answers.VALUE)") == "1"
    module(site, "answers", "VALUE = 22")
    assert "changed" in warm(["answers"], how="cold", wait=False).provisioner.why
    assert warm(["answers"]).run("import answers; print(answers.VALUE)") == "22"
    (site / "other-1.0.dist-info").mkdir()
    assert "changed" in warm(["answers"], how="cold", wait=False).provisioner.why


def test_a_variable_read_at_import_needs_a_parent_of_its_own(warm, site, monkeypatch):
    module(site, "depends", "import os; VALUE = os.environ.get('UNHEARD_OF', 'unset')")
    show = "import depends; print(depends.VALUE)"
    assert warm(["depends"]).run(show) == "unset"
    monkeypatch.setenv("UNHEARD_OF", "one")
    assert warm(["depends"]).run(show) == "one"
    monkeypatch.delenv("UNHEARD_OF")
    assert warm(["depends"]).run(show) == "unset"


THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True, name='busy').start()\n"


def test_an_import_that_starts_a_thread_is_left_to_the_kernel(warm, site):
    module(site, "threaded", THREAD)
    module(site, "around", "import threaded, decimal")
    kernel = warm(["around"])
    show = "import sys; print('decimal' in sys.modules, 'threaded' in sys.modules)\nimport around, threading\n"
    told = kernel.run(f"{show}print('busy' in [t.name for t in threading.enumerate()])")
    assert told.split() == ["True", "False", "True"]
    there = next(p for p in parents.running() if p["preload"] == ["around"])
    assert set(there["particular"]) == {"around", "threaded"}


def test_a_thread_that_is_there_from_the_start_keeps_kernels_cold_and_that_is_said_once(warm, site, caplog):
    module(site, "sitecustomize", THREAD)
    deadline, why = time.monotonic() + 20, ""
    while "busy" not in why and time.monotonic() < deadline:
        why = warm(how="cold", wait=False).provisioner.why
    assert why == "1 thread runs in the process with the imports (busy)"
    warm(how="cold", wait=False)
    assert [r.getMessage() for r in caplog.records].count(f"nbmlops starts kernels cold: {why}.") == 1


def test_what_an_import_prints_or_asks_of_the_shell_happens_in_the_kernel(warm, site):
    module(site, "greets", "print('welcome')")
    module(
        site,
        "asks",
        "from IPython import get_ipython\nget_ipython().events.register('post_run_cell', print)\nimport greets",
    )
    module(site, "quiet", "import asks, fractions")
    kernel = warm(["quiet"])
    assert "welcome" in kernel.run("import quiet")
    there = next(p for p in parents.running() if p["preload"] == ["quiet"])
    assert set(there["particular"]) == {"greets", "asks", "quiet"}


def test_a_file_beside_the_notebook_goes_first(warm, site, project):
    module(site, "mine", "VALUE = 'installed'")
    assert warm(["mine"]).run("import mine; print(mine.VALUE)") == "installed"
    module(project, "mine", "VALUE = 'local'")
    kernel = warm(["mine"], how="cold", wait=False)
    assert "has the name of the module mine" in kernel.provisioner.why


def test_only_this_user_is_answered(warm, warm_folder):
    folder = warm_folder
    warm()
    sock = next(folder.glob("*.sock"))
    assert (folder.stat().st_mode & 0o777, sock.stat().st_mode & 0o777) == (0o700, 0o600)
    if os.getuid():
        pytest.skip("NOT TESTED: only root can be somebody else")
    for place, mode in ((folder, 0o711), (folder.parent, 0o711), (sock, 0o666)):
        place.chmod(mode)
    code = "import os\nfrom nbmlops.jobs.warm.kernel import Talk\nos.setuid(65534)\n"
    code += f"talk = Talk({str(sock)!r}); talk.ask({{'ask': 'status'}}, [0]); print(talk.hear())"
    try:
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    finally:
        for place, mode in ((folder, 0o700), (folder.parent, 0o700), (sock, 0o600)):
            place.chmod(mode)
    refused = "user 65534" in told.stdout or "BrokenPipeError" in told.stderr  # it hangs up before it reads
    assert refused, told
    assert "'kernels'" not in told.stdout


@pytest.mark.parametrize(
    ("words", "options", "why"),
    [
        (["R", "-f", "x"], {}, "another language"),
        ([sys.executable, "-m", "xeus"], {}, "not ipykernel"),
        ([sys.executable, "-m", "ipykernel_launcher"], {"stdout": -1}, "a pipe of its own"),
        ([sys.executable, "-m", "ipykernel_launcher"], {"independent": True}, "started with independent"),
    ],
)
def test_what_a_forked_process_cannot_be_starts_cold(words, options, why):
    with pytest.raises(Cold, match=why):
        checks.command(words, options)


RUNNER = """
import sys, time
sys.path.insert(0, {tests!r})
from warm_kernels import Kernel
kernel = Kernel()
assert kernel.provisioner.kernel == "warm"
kernel.client.execute({code!r})
while kernel.client.get_iopub_msg(timeout=15)["header"]["msg_type"] != "execute_input":
    pass
print(kernel.provisioner.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("code", ["import time; time.sleep(60)", "import re; re.match('(a+)+b', 'a' * 40)"])
def test_no_kernel_outlives_its_killed_runner(warm, code):
    """A busy kernel that never lets its threads run ends too."""
    warm()
    words = [sys.executable, "-c", RUNNER.format(tests=str(Path(__file__).parents[1]), code=code)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as runner:
        kernel = psutil.Process(int(runner.stdout.readline()))
        runner.kill()
    assert psutil.wait_procs([kernel], timeout=3)[1] == []


def test_a_conversation_that_is_broken_off_leaves_no_kernel(warm):
    warm()
    there = parents.running()[-1]
    talk = Talk(there["path"])
    talk.socket.sendall(b"nonsense")
    talk.close()
    assert parents.running()[-1]["kernels"] == there["kernels"]
