"""Tracked cells in a real kernel: what a shell in one process cannot show."""

import os

import ipykernel
import pytest
from jupyter_client.manager import start_new_kernel

import nbmlops as nb

LIMIT_S = 60


class Kernel:
    """One kernel in a project, and the cells it was given."""

    def __init__(self, folder):
        environment = {n: v for n, v in os.environ.items() if not n.startswith("NBMLOPS_") and n != "JPY_SESSION_NAME"}
        self.manager, self.client = start_new_kernel(kernel_name="python3", cwd=str(folder), env=environment)
        self.run("%load_ext nbmlops")

    def send(self, code, subshell=None):
        """Send a cell and return the id its answers carry."""
        message = self.client.session.msg("execute_request", _request(code))
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return message["header"]["msg_id"]

    def wait_for(self, text):
        """Wait until something printed the text."""
        while True:
            message = self.client.get_iopub_msg(timeout=LIMIT_S)
            if text in message["content"].get("text", ""):
                return

    def reply(self, sent):
        """Return the reply to a cell; other replies are kept for who waits for them."""
        while sent not in self.replies:
            message = self.client.get_shell_msg(timeout=LIMIT_S)
            self.replies[message["parent_header"]["msg_id"]] = message["content"]
        return self.replies.pop(sent)

    replies: dict = {}  # noqa: RUF012

    def run(self, code, subshell=None):
        """Run a cell to its end; fail where it does."""
        content = self.reply(self.send(code, subshell))
        assert content["status"] == "ok", content
        return content

    def subshell(self):
        """Return a new subshell's id."""
        message = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(message)
        return self.client.control_channel.get_msg(timeout=LIMIT_S)["content"]["subshell_id"]

    def end(self):
        """End the kernel; what it tracked is in the store then, for any process."""
        if self.manager.has_kernel:
            self.client.stop_channels()
            self.manager.shutdown_kernel()

    def tracked(self, *names):
        """Return the newest run of each experiment, once the kernel has ended."""
        self.end()
        return [nb.get_run(name) for name in names]


def _request(code):
    return {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": False}


@pytest.fixture
def kernel(project):
    kernel = Kernel(project)
    yield kernel
    kernel.end()


def test_an_interrupt_interrupts_the_cell_and_the_run_says_so(kernel):
    sent = kernel.send("%%track slow\nimport time\nprint('going', flush=True)\ntime.sleep(600)")
    kernel.wait_for("going")
    kernel.manager.interrupt_kernel()
    assert kernel.reply(sent)["ename"] == "KeyboardInterrupt"
    kernel.run("%%track after\nx = 1")
    assert [run.status for run in kernel.tracked("slow", "after")] == ["interrupted", "finished"]


def test_an_async_cell_that_is_cancelled_ends_its_run(kernel):
    kernel.send("%%track waits\nimport asyncio\nprint('going', flush=True)\nawait asyncio.sleep(600)")
    kernel.wait_for("going")
    kernel.manager.interrupt_kernel()  # ipykernel sends no reply to a cell it cancels, tracked or not
    kernel.run("%%track after\nimport sklearn.metrics\nsklearn.metrics.accuracy_score([0, 1], [0, 1])")
    waits, after = kernel.tracked("waits", "after")
    assert waits.status == "interrupted"
    assert after.metrics == {"accuracy": 1.0}


METRIC = "from sklearn.metrics import accuracy_score\naccuracy_score([0, 1], [0, {}])"


@pytest.mark.skipif(ipykernel.version_info < (7,), reason="NOT TESTED: subshells need ipykernel 7")
def test_cells_of_a_subshell_overlap_and_never_report_into_each_other(kernel):
    subshell = kernel.subshell()
    kernel.run("import threading\nfirst, second = threading.Event(), threading.Event()")
    outer = kernel.send(f"%%track outer\nprint('going', flush=True)\nfirst.wait(60)\n{METRIC.format(1)}")
    kernel.wait_for("going")
    kernel.run(f"{METRIC.format(0)}", subshell)  # untracked beside a tracked one
    inner = kernel.send(
        f"%%track inner\nprint('inside', flush=True)\nfirst.set()\nsecond.wait(60)\n{METRIC.format(0)}", subshell
    )
    kernel.wait_for("inside")
    assert kernel.reply(outer)["status"] == "ok"  # the first to begin is the first to end
    kernel.run("second.set()")
    assert kernel.reply(inner)["status"] == "ok"
    outer, inner = kernel.tracked("outer", "inner")
    assert (outer.metrics, outer.status) == ({"accuracy": 1.0}, "finished")
    assert (inner.metrics, inner.status) == ({"accuracy": 0.5}, "finished")


MODEL = """
from sklearn.base import BaseEstimator, ClassifierMixin

class Constant(ClassifierMixin, BaseEstimator):
    def __init__(self, answer=0):
        self.answer = answer

    def fit(self, X, y):
        self.classes_ = [0, 1]
        return self

    def predict(self, X):
        return [{answer}] * len(X)
"""


def test_autoreload_of_the_users_estimators_works_while_tracked(kernel, project):
    (project / "mine.py").write_text(MODEL.format(answer="self.answer"))
    kernel.run("%load_ext autoreload\n%autoreload 2\nfrom mine import Constant")
    cell = "%%track {}\nmodel = Constant().fit([[0], [1]], [0, 1])\nmodel.score([[0], [1], [2]], [0, 1, 1])"
    kernel.run(cell.format("before"))
    (project / "mine.py").write_text(MODEL.format(answer="1 - self.answer") + "\n# longer, so that it is seen\n")
    kernel.run(cell.format("after"))
    before, after = kernel.tracked("before", "after")
    assert before.metrics["accuracy"] == pytest.approx(1 / 3)
    assert after.metrics["accuracy"] == pytest.approx(2 / 3)
    assert [m.estimator for m in after.models] == ["Constant"]


def test_a_kernel_that_unloads_the_extension_has_no_hook_left(kernel):
    kernel.run("import builtins, sklearn.base, sklearn.linear_model\nBase = sklearn.base.BaseEstimator")
    kernel.run("before = builtins.open, dict(vars(Base))")
    kernel.run("%%track a\nsklearn.linear_model.LogisticRegression().fit([[0], [1]], [0, 1])")
    kernel.run("%unload_ext nbmlops\nassert (builtins.open, dict(vars(Base))) == before")
    kernel.run(LEFT)


LEFT = """
shell = get_ipython()
callbacks = [f for registered in shell.events.callbacks.values() for f in registered]
hooks = [*callbacks, *shell.input_transformers_cleanup, *shell.ast_transformers]
assert not [f for f in hooks if (getattr(f, "__module__", None) or "").startswith("nbmlops")], hooks
shown = [shell.display_pub.publish, shell.displayhook.write_format_data, __import__("sys").stdout.write]
assert not [f for f in shown if hasattr(f, "watched_by_nbmlops")], shown
assert not [m for m in shell.Completer.custom_matchers if (m.__module__ or "").startswith("nbmlops")]
assert not [name for name in ("track", "nbmlops", "drift") if name in shell.magics_manager.magics["line"]]
"""


def test_a_kernel_completes_with_jedi_and_without(kernel):
    kernel.run("import pandas as pd\napril = pd.DataFrame({'day of month': [1], 'city': [1]})")
    kernel.run("%%track forest\nx = 1")
    kernel.run("from nbmlops.magics import complete\ncomplete.LIMIT_S = 60")  # this machine is shared
    for code, whole in (
        ("import os\n%drift ap|\nos", "import os\n%drift april\nos"),
        ('%drift april --by "day|"', '%drift april --by "day of month"'),
        ("# one\n%%track for|\nx = 2", "# one\n%%track forest\nx = 2"),
        ("x = 'ä𝄞'\n%compare forest fo|", "x = 'ä𝄞'\n%compare forest forest"),
    ):
        for jedi in ("True", "False"):
            kernel.run(f"%config IPCompleter.use_jedi = {jedi}")
            at, code_ = code.index("|"), code.replace("|", "")
            found = kernel.reply(kernel.client.complete(code_, at))
            lines = [code_[: found["cursor_start"]] + one + code_[found["cursor_end"] :] for one in found["matches"]]
            assert whole in lines, (lines, jedi)
    kernel.run("%unload_ext nbmlops")
    found = kernel.reply(kernel.client.complete("%drift april --by ci"))
    assert "city" not in found["matches"]
