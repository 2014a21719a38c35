"""What is noted around a run: a lock others can install, the processor, the commit, the notebook."""

import http.server
import json
import os
import socket
import subprocess
import sys
import time

import pytest
from packaging.requirements import Requirement

from nbmlops.capture import colab, environment

GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put the metadata of a package onto the path, as an installer leaves them; return the lock of all there is."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    def put(folder, text, origin=None, installer="pip", place=tmp_path):
        place = place / f"{folder}.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text(text)
        (place / "INSTALLER").write_text(installer)
        if origin is not None:
            (place / "direct_url.json").write_text(origin if isinstance(origin, str) else json.dumps(origin))
        return environment.packages.__wrapped__()["lock"].splitlines()

    return put


def about(name, version="1.0"):
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: description\n"


def vcs(url, **more):
    return {"url": url, "vcs_info": {"vcs": "git", "commit_id": COMMIT}, **more}


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "a repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def git(folder, *words):
    subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True)


def commit(folder, text="rate = 1\n"):
    (folder / "work.py").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "a commit")


def test_the_lock_is_requirements_and_says_every_package_once():
    lines = environment.packages()["lock"].splitlines()
    named = [Requirement(line).name for line in lines if not line.startswith("#")]
    assert named == sorted(set(named))
    assert "scikit-learn" in named
    assert any(line.startswith("# nbmlops==") for line in lines)
    assert "file:" not in "".join(lines)


def test_names_are_normalised_and_the_first_on_the_path_counts(install, tmp_path, monkeypatch):
    install("b", about("Zoo.Lib_x"))
    assert install("a", about("Alpha")) == ["alpha==1.0", "zoo-lib-x==1.0"]
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "later")])
    assert install("b", about("zoo-lib-x", "2.0"), place=tmp_path / "later") == ["alpha==1.0", "zoo-lib-x==1.0"]


@pytest.mark.parametrize(
    ("folder", "text", "origin"),
    [
        ("empty", "", None),
        ("no_version", "Name: lib\n", None),
        ("no_name", "Version: 1.0\n", None),
        ("odd_name", about("-e bad"), None),
        ("~ib-1.0", about("lib"), None),
        ("broken", about("lib"), "{"),
    ],
)
def test_broken_metadata_are_left_out(install, folder, text, origin):
    assert install(folder, text, origin) == []


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (vcs("https://example.org/lib"), f"lib @ git+https://example.org/lib@{COMMIT}"),
        (vcs("https://example.org/x", subdirectory="p"), f"lib @ git+https://example.org/x@{COMMIT}#subdirectory=p"),
        (vcs("ssh://git@example.org/lib"), f"lib @ git+ssh://git@example.org/lib@{COMMIT}"),
        (vcs("https://me:hunter2@example.org/lib"), f"lib @ git+https://example.org/lib@{COMMIT}"),
        (vcs("https://ghp_0123456789abcdefghij0123@example.org/x"), f"lib @ git+https://example.org/x@{COMMIT}"),
        (vcs("file:///home/me/lib"), "# lib==1.0 was installed from a local folder"),
        (
            {"url": "file:///home/me/lib", "dir_info": {"editable": True}},
            "# lib==1.0 was installed from a local folder",
        ),
        ({"url": "file:///home/me/lib.whl", "archive_info": {}}, "# lib==1.0 was installed from a local file"),
        (
            {"url": "https://example.org/lib.whl", "archive_info": {"hashes": {"sha256": "ab"}}},
            "lib @ https://example.org/lib.whl#sha256=ab",
        ),
        (
            {"url": "https://example.org/lib.whl?sig=0123456789abcdef0123", "archive_info": {}},
            "# lib==1.0 was installed from an address that cannot be passed on",
        ),
        ({"url": "https://example.org/x", "vcs_info": {"vcs": "git"}}, None),
    ],
)
def test_where_a_package_came_from_is_said_without_credentials_or_folders(install, origin, line):
    (found,) = install("lib", about("lib"), origin)
    assert found == (line or "# lib==1.0 was installed from an address that cannot be passed on")
    assert found.startswith("#") or Requirement(found).name == "lib"


def test_what_conda_installed_is_named_by_its_version(install):
    assert install("lib", about("lib"), {"url": "file:///croot/lib", "dir_info": {}}, "conda\n") == ["lib==1.0"]


def test_a_version_no_installer_reads_does_not_spoil_the_lock(install):
    assert install("lib", about("lib", "1.0-unknown-dirty")) == ["# lib==1.0-unknown-dirty"]


def test_processor_and_memory_are_known():
    cpu = environment.packages()["cpu"]
    assert cpu["cores"] >= 1
    assert cpu["model"]
    assert cpu["memory_bytes"] > 2**20
    json.dumps(environment.packages())


def test_peak_memory_grows_and_stays_and_is_not_the_parents():
    before = environment.peak_memory_bytes()
    held = b"x" * (before + 2**26)
    grown = environment.peak_memory_bytes()
    assert grown > before + 2**26
    del held
    assert environment.peak_memory_bytes() > grown - 2**20  # the system counts it roughly
    ask = "from nbmlops.capture.environment import peak_memory_bytes as p; print(p())"
    child = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert 2**20 < int(child.stdout) < grown


def test_a_commit_its_branch_and_whether_files_differ(repository):
    commit(repository)
    clean = environment.git_state(repository)
    assert (clean["branch"], clean["dirty"], len(clean["commit"])) == ("main", False, 40)
    (repository / "new.txt").write_text("not tracked")
    assert environment.git_state(repository) == clean
    (repository / "work.py").write_text("rate = 22\n")
    assert environment.git_state(repository) == clean | {"dirty": True}


def test_a_detached_head_and_a_worktree_have_their_own_state(repository, tmp_path):
    commit(repository)
    git(repository, "worktree", "add", "-q", str(tmp_path / "beside"))
    git(repository, "checkout", "-q", "--detach")
    (tmp_path / "beside" / "work.py").write_text("rate = 22\n")
    here, beside = environment.git_state(repository), environment.git_state(tmp_path / "beside")
    assert (here["branch"], here["dirty"]) == ("HEAD", False)
    assert (beside["branch"], beside["dirty"]) == ("beside", True)


def test_without_a_commit_a_repository_or_git_there_is_no_state(repository, tmp_path, monkeypatch):
    assert environment.git_state(repository) is None
    assert environment.git_state(tmp_path) is None
    assert environment.git_state(tmp_path / "no such folder") is None
    commit(repository)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.git_state(repository) is None


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_a_branch_may_have_a_name_that_is_no_text(repository):
    commit(repository)
    subprocess.run([b"git", b"checkout", b"-qb", b"caf\xe9"], cwd=repository, check=True)
    assert environment.git_state(repository)["branch"] == "caf\ufffd"


def test_the_folder_counts_and_not_what_git_left_in_the_environment(repository, tmp_path, monkeypatch):
    commit(repository)
    monkeypatch.setenv("GIT_DIR", str(repository / ".git"))
    assert environment.git_state(tmp_path) is None


def test_asking_leaves_the_index_alone_and_runs_nothing_of_the_repository(repository, tmp_path):
    commit(repository)
    for name in ("core.fsmonitor", "core.pager"):
        git(repository, "config", name, f"touch '{tmp_path}/ran'; false")
    index = repository / ".git" / "index"
    before = index.read_bytes()
    os.utime(repository / "work.py", (1, 1))  # git would note that it looked
    assert environment.git_state(repository)["dirty"] is False
    assert index.read_bytes() == before
    assert not (tmp_path / "ran").exists()


def test_a_git_that_hangs_is_ended_with_what_it_started_and_says_nothing(repository, tmp_path, monkeypatch):
    (repository / ".gitattributes").write_text("*.py filter=slow\n")
    commit(repository)
    git(repository, "config", "filter.slow.clean", f"echo $$ > '{tmp_path}/pid'; exec sleep 600")
    (repository / "work.py").write_text("rate = 2\n")
    monkeypatch.setattr(environment, "TIMEOUT_S", 1.0)
    assert environment.git_state(repository)["dirty"] is None
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and alive(pid):
        os.sched_yield()
    assert not alive(pid)


def alive(pid):
    import psutil

    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_an_interrupt_of_the_cell_does_not_reach_git(repository):
    commit(repository)
    git(repository, "config", "alias.group", "!ps -o pgid= -p $$")
    group = int(environment.ask_git(repository, "group"))
    assert group != os.getpgid(0)


def test_places_of_git_change_with_a_commit_in_a_worktree_too(repository, tmp_path):
    commit(repository)
    git(repository, "worktree", "add", "-q", str(tmp_path / "beside"))
    (tmp_path / "beside" / "deep").mkdir()
    for folder, start in ((repository, repository), (tmp_path / "beside", tmp_path / "beside" / "deep")):
        places = environment.git_places(start)
        before = [place.stat().st_mtime_ns for place in places]
        commit(folder, "rate = 3\n")
        assert len(before) == 2
        assert [place.stat().st_mtime_ns for place in places] != before
    assert environment.git_places(tmp_path) == ()


@pytest.fixture
def notebook(tmp_path, monkeypatch):
    for name in ("NBMLOPS_NOTEBOOK", "JPY_SESSION_NAME", "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)

    def make(name):
        (tmp_path / name).touch()
        return str(tmp_path / name)

    return make


def test_the_notebook_is_the_one_the_front_end_names(notebook, tmp_path, monkeypatch):
    stale = str(tmp_path / "a.ipynb")
    assert environment.notebook_path({"__session__": stale}) is None
    path = notebook("a.ipynb")
    assert environment.notebook_path({"__session__": path}) == path
    assert environment.notebook_path({"__session__": notebook("console-1")}) is None
    monkeypatch.setenv("JPY_SESSION_NAME", notebook("b.ipynb"))
    assert environment.notebook_path() == str(tmp_path / "b.ipynb")
    assert environment.notebook_path({"__vsc_ipynb_file__": "c.ipynb"}) == "c.ipynb"
    monkeypatch.setenv("NBMLOPS_NOTEBOOK", "d.ipynb")
    assert environment.notebook_path({"__vsc_ipynb_file__": "c.ipynb"}) == "d.ipynb"


def test_paths_papermill_injects_name_the_notebook_it_read(notebook, monkeypatch):
    read, written, outer = notebook("in.ipynb"), notebook("out.ipynb"), notebook("outer.ipynb")
    injected = {"PAPERMILL_INPUT_PATH": "in.ipynb", "PAPERMILL_OUTPUT_PATH": "out.ipynb"}
    assert environment.notebook_path(injected) == read
    assert environment.notebook_path(injected | {"PAPERMILL_INPUT_PATH": "s3://a/in.ipynb"}) == written
    assert environment.notebook_path(injected | {"__session__": outer}) == read
    assert environment.notebook_path(injected | {"__session__": written}) == written
    monkeypatch.setenv("PAPERMILL_INPUT_PATH", "in.ipynb")
    assert environment.notebook_path() == read


def test_objects_of_the_user_are_no_evidence_and_are_not_asked(notebook, monkeypatch):
    class Loud:
        def __bool__(self):
            raise ValueError("neither true nor false")

        __str__ = __repr__ = __fspath__ = __bool__

    names = ("__vsc_ipynb_file__", "__session__", "PAPERMILL_INPUT_PATH", "PAPERMILL_OUTPUT_PATH")
    for name in names[:2]:
        assert environment.notebook_path({name: 3}) is None
    monkeypatch.setenv("VSCODE_PID", "1")
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert environment.notebook_path(dict.fromkeys(names, Loud())) is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b'[{"name": "Late%20flights.ipynb", "path": "fileId=1x"}]', "/content/Late flights.ipynb"),
        (b"[]", None),
        (b"not found", None),
        (b'[{"name": "console"}]', None),
    ],
)
def test_in_colab_a_thread_asks_the_server_for_the_notebook(monkeypatch, said, expected):
    class Sessions(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/api/sessions" else 404)
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *about):
            pass

    monkeypatch.setitem(sys.modules, "google.colab", object())
    monkeypatch.setattr(socket, "gethostbyname", lambda name: "127.0.0.1")
    monkeypatch.setattr(colab, "_found", [])
    with http.server.HTTPServer(("127.0.0.1", 0), Sessions) as server:
        monkeypatch.setattr(colab, "PORT", server.server_port)
        thread = colab.ask()
        server.handle_request()
        thread.join()
    assert environment.notebook_path() == expected
