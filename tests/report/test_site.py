"""The site: what it tells, what a second build writes, whose folder it is, and that nothing in it is personal."""

import json
import re
import threading

import pytest
from click.testing import CliRunner

import nbmlops as nb
from nbmlops.cli import main
from nbmlops.errors import Conflict, Invalid, NotFound
from nbmlops.report.site import build, folder
from nbmlops.report.site.part import slug
from nbmlops.store import ingest, reports
from nbmlops.store.artifacts import digest_of
from nbmlops.store.driver import connect
from nbmlops.tracking import session

from .conftest import NOTEBOOK, promote, read
from .test_page import NASTY, Page


@pytest.fixture
def place(tmp_path):
    """An empty folder beside the project."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def tracked(name="forest", **metrics):
    with session.run(name) as run:
        nb.log(metrics or {"auc": 0.9})
    return run.run_id


def settled():
    """Wait for what is looked up beside a run, such as its commit."""
    for thread in threading.enumerate():
        if thread.name == "nbmlops-about-machine":
            thread.join()


def many(amount, month="01"):
    """Put finished runs into the store by its own way in."""
    from nbmlops.records import new_id

    ids = [new_id() for _ in range(amount)]
    with connect(session.project()) as connection, connection.writing():
        for i, run_id in enumerate(ids):
            about = {"experiment": f"exp{i % 3}", "kind": "script", "status": "finished", "duration_s": 1.0}
            started = f"2026-{month}-{1 + i % 28:02d}T00:00:{i % 60:02d}.{i:06d}+00:00"
            ingest.write(connection, [{"t": "run", "run_id": run_id, "started_at": started, **about}])
    return ids


def contents(path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def links(path, page):
    """Return where a page leads, as paths of the site; each is there."""
    seen = Page(read(path / page))
    found = [a["href"] for name in ("a", "link") for a in seen.all(name) if not a["href"].startswith("#")]
    found += [a["src"] for a in seen.all("script")]
    here = path / page
    return {(here.parent / href).resolve().relative_to(path.resolve()).as_posix() for href in found}


def test_tells_what_there_is_and_every_link_leads_somewhere(retrained, failed, project, place):
    promote(2, "better on April")
    site = place / "site"
    done = nb.site(site)
    pages = [p for p in contents(site) if p.endswith(".html")]
    assert done.written == len(contents(site)) - 2  # the lock and the manifest are not of it
    for page in pages:
        seen = Page(read(site / page))
        assert (seen.wrong, seen.open) == ([], []), page
        assert links(site, page) <= contents(site).keys(), page
    front = Page(read(site / "index.html")).text
    assert "Will this flight arrive late?" in front
    assert re.search(r"late-flights late-flights@2 \S+ \S+ late-flights@2 0 ada@example.org", front)
    assert "retrain · 03_retrain" in front
    model = Page(read(site / "models" / "late-flights.html")).text
    assert "champion late-flights@2 1 ada@example.org better on April" in model
    run = Page(read(site / "run" / f"{failed.run_id}.html")).text
    assert "ValueError in cell 7" in run
    assert "found 0 rows" not in run
    checks = next(p for p in pages if re.match(r"drift/\d", p))
    assert "late-flights late-flights@champion ■ alert 1 issue of 3 27,000" in Page(read(site / checks)).text


def test_a_page_of_a_run_holds_what_it_was(retrained, place):
    nb.site(place / "site")
    cell = next(run for run in retrained.children if run.kind == "cell")
    text = Page(read(place / "site" / "run" / f"{cell.run_id}.html")).text
    for words in ("C 0.5 assigned", "loss - 0.44 4", "flights read 336,776 1 95ed46cac0a4fdaa", "Part of retrain"):
        assert words in text, words
    parent = Page(read(place / "site" / "run" / f"{retrained.run_id}.html")).text
    assert "1 of 1 part finished" in parent


def test_the_second_build_writes_nothing_and_the_same_facts_give_the_same_bytes(retrained, place):
    settled()
    one, two = place / "one", place / "two"
    nb.site(one)
    before = {p: p.stat().st_mtime_ns for p in one.rglob("*.html")}
    again = nb.site(one)
    assert (again.written, again.removed) == (0, 0)
    assert again.kept == len(contents(one)) - 2
    assert {p: p.stat().st_mtime_ns for p in one.rglob("*.html")} == before
    nb.site(two)
    assert contents(one) == contents(two)


def test_one_more_run_writes_its_page_and_the_newest_list_only(project, place):
    many(450)
    site = place / "site"
    first = nb.site(site)
    assert {"runs/2026-01-1.html", "runs/2026-01-2.html", "runs/2026-01-3.html"} <= contents(site).keys()
    before = contents(site)
    run_id = many(1, "02")[0]
    done = nb.site(site)
    changed = {path for path, content in contents(site).items() if before.get(path) != content} - {"site.json"}
    new = {f"run/{run_id}.html", "runs/2026-02-1.html"}
    # the newest page of January has a newer neighbour now
    assert changed == {*new, "runs/2026-01-3.html", "runs/index.html", "search-data.js", "index.html"}
    assert (done.written, done.kept) == (len(changed), first.written - len(changed) + len(new))


def test_lists_are_pages_of_200_and_lead_to_each_other(project, place):
    ids = many(450)
    nb.site(place)
    seen = set()
    page, walked = "runs/2026-01-3.html", []
    while page:
        markup = read(place / page)
        walked.append(markup.count("<tr>") - 1)
        seen |= set(re.findall(r'href="../run/([0-9a-f-]+).html"', markup))
        older = re.search(r'rel="next" href="../([^"]+)"', markup)
        page = older and older[1]
    assert walked == [50, 200, 200]
    assert seen == set(ids)


def test_what_changed_of_a_run_is_drawn_again(project, place):
    run_id = tracked()
    nb.site(place)
    session.keep("check", "flights", {"verdict": "notice", "findings": []}, run_id=run_id)
    assert nb.site(place).written > 0
    assert "flights ▲ notice" in Page(read(place / "run" / f"{run_id}.html")).text
    (place / "run" / f"{run_id}.html").write_text("somebody's edit")
    assert nb.site(place).written == 1


def test_pages_of_deleted_runs_go_and_come_back(project, place):
    run_id = tracked()
    nb.site(place)
    nb.delete(run_id, reason="personal")
    assert nb.site(place).removed == 2  # its page, and the list of its month
    assert not (place / "run" / f"{run_id}.html").exists()
    assert run_id.encode() not in b"".join(contents(place).values())
    nb.restore(run_id)
    nb.site(place)
    assert (place / "run" / f"{run_id}.html").exists()


def test_a_killed_build_leaves_a_usable_site_and_the_next_one_goes_on(project, place, monkeypatch):
    kept = many(1)[0]
    nb.site(place)
    many(30)
    put, save, calls, said = folder.Folder.put, folder.Folder.save, [], []

    def killed(self, *what):
        calls.append(what)
        if len(calls) > 10:
            raise KeyboardInterrupt
        put(self, *what)

    def at_the_start_only(self):  # kill -9 leaves no time to say anything at the end
        if not said:
            save(self)
        said.append(1)

    monkeypatch.setattr(folder.Folder, "put", killed)
    monkeypatch.setattr(folder.Folder, "save", at_the_start_only)
    with pytest.raises(KeyboardInterrupt):
        nb.site(place)
    monkeypatch.undo()
    assert links(place, "index.html") <= contents(place).keys()
    assert f"run/{kept}.html" in contents(place)
    nb.site(place)
    assert sum(path.startswith("run/") for path in contents(place)) == 31
    before = contents(place)
    nb.site(place)
    assert [p for p, c in contents(place).items() if before.get(p) != c] == []


def test_what_a_killed_first_build_began_is_known_as_ours(project, place, monkeypatch):
    ids = many(5)
    real, calls = folder.Folder._replace, []

    def killed(self, path, content):
        calls.append(path)
        if len(calls) > 4:
            raise KeyboardInterrupt
        real(self, path, content)

    monkeypatch.setattr(folder.Folder, "_replace", killed)
    with pytest.raises(KeyboardInterrupt):
        nb.site(place)
    monkeypatch.undo()
    began = [run_id for run_id in ids if (place / "run" / f"{run_id}.html").exists()]
    assert began
    (place / ".site-partial-left").write_text("half")
    nb.delete(began[0], reason="personal")
    nb.site(place)
    assert not (place / "run" / f"{began[0]}.html").exists()
    assert not (place / ".site-partial-left").exists()
    assert sum(p.startswith("run/") for p in contents(place)) == 4


def test_two_at_once_make_one_site(project, place):
    many(60)
    faults = []

    def make():
        try:
            nb.site(place / "site")
        except BaseException as error:
            faults.append(error)

    session.store().engine.dispose()
    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    nb.site(place / "again")
    assert contents(place / "site") == contents(place / "again")


def test_who_waits_too_long_is_told(project, place):
    with (
        folder.opened(place, "one", 0),
        pytest.raises(Conflict, match="Somebody else"),
        folder.opened(place, "one", 0),
    ):
        pass


class TestWhoseFolderItIs:
    def test_a_file(self, project, place):
        (place / "x").write_text("")
        with pytest.raises(Invalid, match="is a file"):
            nb.site(place / "x")

    def test_a_folder_in_none(self, project, place):
        with pytest.raises(NotFound, match="mkdir -p"):
            nb.site(place / "no" / "site")

    def test_other_peoples_files(self, project, place):
        (place / "thesis.html").write_text("mine")
        with pytest.raises(Conflict, match="no site of nbmlops"):
            nb.site(place)
        assert contents(place) == {"thesis.html": b"mine"}

    def test_what_others_add_later_stays(self, project, place):
        nb.site(place)
        (place / "robots.txt").write_text("User-agent: *")
        nb.site(place)
        assert (place / "robots.txt").exists()

    def test_a_file_in_the_place_of_a_page_is_not_overwritten(self, project, place):
        nb.site(place)
        run_id = tracked()
        (place / "run").mkdir(exist_ok=True)
        (place / "run" / f"{run_id}.html").write_text("mine")
        with pytest.raises(Conflict, match="was not made by"):
            nb.site(place)
        assert (place / "run" / f"{run_id}.html").read_text() == "mine"

    def test_a_folder_that_leads_elsewhere(self, project, place):
        (place / "elsewhere").mkdir()
        nb.site(place / "site")
        (place / "site" / "run").symlink_to(place / "elsewhere")
        tracked()
        with pytest.raises(Conflict, match="was not made by"):
            nb.site(place / "site")
        assert contents(place / "elsewhere") == {}

    def test_the_site_of_another_project(self, project, place):
        nb.site(place)
        manifest = json.loads(read(place / "site.json"))
        (place / "site.json").write_text(json.dumps({**manifest, "store": "another"}))
        with pytest.raises(Conflict, match="another project"):
            nb.site(place)

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"pages": {"a": 1}}', '{"pages": []}'])
    def test_a_manifest_nobody_can_read(self, project, place, text):
        (place / "site.json").write_text(text)
        with pytest.raises(Conflict, match="cannot be read"):
            nb.site(place)

    @pytest.mark.parametrize("path", ["../outside.html", "/etc/outside.html", "run/../../outside.html", ".hidden"])
    def test_a_manifest_that_names_what_lies_elsewhere(self, project, place, path):
        site = place / "site"
        nb.site(site)
        (place / "outside.html").write_text("mine")
        (site / ".hidden").write_text("mine")
        manifest = json.loads(read(site / "site.json"))
        manifest["pages"][path] = ["", "", 4]
        (site / "site.json").write_text(json.dumps(manifest))
        assert nb.site(site).removed == 0
        assert (place / "outside.html").exists()
        assert (site / ".hidden").exists()


class TestSafety:
    def test_nothing_acts_and_nothing_is_outside(self, retrained, place):
        tracked(f"exp {NASTY}")
        nb.log_artifact("x.txt", b"x", run_id=tracked("</title><script>alert(1)</script>"))
        site = place / "site"
        nb.site(site)
        for path, content in contents(site).items():
            if path.endswith(".html"):
                seen = Page(content.decode())
                assert (seen.wrong, seen.open) == ([], []), path
                assert not {name for name, _ in seen.elements} & {"img", "iframe", "object", "style", "form", "base"}
                attributes = [(key, value or "") for _, a in seen.elements for key, value in a.items()]
                assert not [key for key, _ in attributes if key.startswith("on") or key == "style"]
                assert not [v for k, v in attributes if k in ("href", "src") and re.match(r"[a-z]+:|//", v)], path
                policy = next(a["content"] for a in seen.all("meta") if a.get("http-equiv"))
                assert policy.startswith("default-src 'self';")
                assert [a["src"] for a in seen.all("script")] == (
                    ["search-data.js", "search.js"] if path == "search.html" else []
                )
            assert b"http://" not in content
            assert b"https://" not in content

    def test_what_is_searched_is_json_without_markup(self, project, place):
        run_id = tracked(f"exp {NASTY}</script>")
        nb.site(place)
        text = read(place / "search-data.js")
        lines = json.loads(text.removeprefix("window.NBMLOPS_SITE = ").rstrip(";\n"))
        kind, title, _, _, path = next(line for line in lines if line[0] == "run")
        assert (kind, path) == ("run", f"run/{run_id}.html")
        assert title.startswith("exp <img")
        assert "\u202e" not in text

    def test_what_is_searched_says_how_many_versions_and_whose(self, project, place, champion):
        nb.site(place)
        assert '"late-flights","1 version, ada@example.org"' in read(place / "search-data.js")
        with session.store().atomic() as change:
            change.connection.exec_driver_sql("UPDATE model_versions SET owner = ''")
        nb.site(place)
        assert '"late-flights","1 version",' in read(place / "search-data.js")

    def test_a_keyboard_reaches_a_wide_table(self, project, place):
        tracked()
        nb.site(place)
        seen = Page(read(place / "runs" / "index.html"))
        (months,) = (path for path in (place / "runs").glob("*.html") if path.name != "index.html")
        wide = [a for a in Page(read(months)).all("div") if a.get("class") == "table"]
        assert [a["tabindex"] for a in wide] == ["0"]
        assert wide[0]["aria-label"]
        assert all("tabindex" not in a for a in seen.all("div"))

    def test_private_columns_say_no_value(self, project, place):
        (project / "charter.yaml").write_text("private: [surname]")
        with session.run("fit", params={"surname": "Meier", "C": 1.0}) as run:
            session.log({"auc": 0.123456}, context={"surname": "Meier"})
            session.log({"auc": 0.9})
        nb.site(place)
        every = b"".join(contents(place).values())
        assert b"Meier" not in every
        assert b"0.1235" not in every
        text = Page(read(place / "run" / f"{run.run_id}.html")).text
        assert "surname private logged" in text
        (project / "charter.yaml").write_text("problem: What now?")
        nb.site(place)
        assert "Meier" in read(place / "run" / f"{run.run_id}.html")

    def test_a_broken_charter_shows_nothing(self, project, place):
        tracked()
        (project / "charter.yaml").write_text("privat: [surname]")
        with pytest.raises(Invalid, match="privat"):
            nb.site(place / "site")
        assert not (place / "site").exists()

    def test_what_cells_printed_is_not_in_it(self, project, place):
        with session.run("job") as run:
            session.write({"t": "tag", "run_id": run.run_id, "name": "last_lines", "value": "Ada Meier, 43"})
        nb.site(place)
        assert b"Ada Meier" not in b"".join(contents(place).values())


def test_names_become_files_that_differ_everywhere():
    names = ["late", "Late", "index", "a/b", "a b", "..", "", "é" * 300, "CON", "a.b"]
    found = [slug(name) for name in names]
    assert len({name.lower() for name in found}) == len(names)
    assert all(folder.OURS.fullmatch(f"models/{name}.html") and len(name) < 80 for name in found)


def test_an_empty_project_has_a_site(project, place):
    nb.site(place)
    text = Page(read(place / "index.html")).text
    assert "No run yet." in text
    assert "Missing: what the project is for" in text
    assert "No model is registered yet." in Page(read(place / "models" / "index.html")).text


def test_function_and_command_say_the_same(project, place):
    tracked()
    settled()
    done = CliRunner().invoke(main, ["site", "-o", str(place / "a"), "--json"])
    data, own = json.loads(done.output), nb.site(place / "b").to_dict()
    assert {k: data[k] for k in ("written", "kept", "removed")} == {k: own[k] for k in ("written", "kept", "removed")}
    assert contents(place / "a") == contents(place / "b")
    told = CliRunner().invoke(main, ["site", "-o", str(place / "a")])
    assert re.match(r"0 written, \d+ kept as they were, in [\d.]+ s\n.*/a/index.html\n", told.output)
    (place / "file").write_text("")
    refused = CliRunner().invoke(main, ["site", "-o", str(place / "file")])
    assert (refused.exit_code, "is a file" in refused.output) == (2, True)


def test_the_magic_is_the_command(shell, place, capsys):
    shell.run_line_magic("nbmlops", f"site -o {place / 'a'} --json")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["written"] == nb.site(place / "b").written
    assert contents(place / "a") == contents(place / "b")


def test_where_it_lies_when_nothing_is_said(project):
    assert nb.site().path == str(project / ".nbmlops" / "outputs" / "site")


def test_says_how_far_it_is(project, place):
    many(3)
    seen = []
    done = build.made(place, lambda now, total: seen.append((now, total)))
    assert seen == [(i, done.written) for i in range(1, done.written + 1)]


class TestReports:
    def test_are_listed_linked_and_whole(self, retrained, place):
        written = nb.report(retrained, place / "r.html")
        nb.site(place / "site")
        found = [p for p in contents(place / "site") if re.match(r"reports/\D", p) and p != "reports/index.html"]
        assert [read(place / "site" / p) for p in found] == [read(written)]
        month = next(p for p in contents(place / "site") if re.match(r"reports/\d", p))
        for page in (month, "index.html", f"run/{retrained.run_id}.html"):
            assert found[0] in links(place / "site", page), page
        text = Page(read(place / "site" / month)).text
        assert "Retraining report: late-flights retrain 1 Replace champion late-flights@1 by late-flights@2? " in text
        assert found[0] in read(place / "site" / "search-data.js")

    def test_the_next_number_has_a_page_of_its_own_and_the_first_stays(self, retrained, place):
        nb.report(retrained, place / "r.html")
        nb.site(place / "site")
        before = contents(place / "site")
        promote(2, "better on April")
        nb.report(retrained, place / "r.html", refresh=True)
        nb.site(place / "site")
        after = contents(place / "site")
        whole = [p for p in after if re.match(r"reports/run-[^/]*-[12]-run", p)]
        assert len(whole) == 2
        assert all(after[p] == before[p] for p in whole if p in before)

    def test_goes_with_its_run(self, project, place):
        run_id = tracked()
        nb.report(run_id, place / "r.html")
        nb.site(place / "site")
        nb.delete(run_id, reason="personal")
        nb.site(place / "site")
        assert [p for p in contents(place / "site") if p.startswith("reports/")] == ["reports/index.html"]

    def test_whose_facts_are_gone_says_so(self, project, place, monkeypatch):
        from nbmlops.errors import NotFound
        from nbmlops.report import kept

        nb.report(tracked(), place / "r.html")

        def gone(digest):
            raise NotFound("gone")

        monkeypatch.setattr(kept, "load", gone)
        nb.site(place / "site")
        page = next(p for p in contents(place / "site") if re.match(r"reports/\D", p) and p != "reports/index.html")
        assert "Missing: the facts of this report; their file is gone" in Page(read(place / "site" / page)).text

    @pytest.mark.parametrize("damaged", [False, True])
    def test_a_lost_or_damaged_file_is_said_on_its_page_alone_until_it_is_back(self, project, place, damaged):
        job = session.start("retrain", kind="notebook", origin="papermill", notebook="r.ipynb")
        session.log_artifact("notebook.ipynb", NOTEBOOK, run_id=job.run_id)
        session.finish(job)
        nb.report(job.run_id, place / "r.html")
        kept = reports.newest(session.store(), f"run:{job.run_id}")
        for digest, says in ((kept.digest, "Missing: the facts of"), (digest_of(NOTEBOOK), "notebook is lost or")):
            (file,) = (f for f in (project / ".nbmlops" / "artifacts").rglob("*") if digest[4:] in f.name)
            content = file.read_bytes()
            file.chmod(0o644)
            file.write_bytes(b"garbage") if damaged else file.unlink()
            nb.site(place / digest)
            (page,) = (p for p in contents(place / digest) if p.startswith("reports/run-"))
            assert says in Page(read(place / digest / page)).text
            assert nb.site(place / digest).written == 0
            file.write_bytes(content)
            assert nb.site(place / digest).written == 1
            assert read(place / digest / page) == read(place / "r.html")
