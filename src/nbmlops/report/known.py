"""What a snapshot knows of each field a framework asks for: one line, or None where nobody has said or measured it.

Older snapshots and other kinds lack some facts: what is absent is not known, never an error.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nbmlops.report import facts
from nbmlops.report.page_one.decided import event_words
from nbmlops.report.text import as_float, capped, count, finite, joined, measured, number, percent, when

__all__ = ["agreed", "line"]

Json = Mapping[str, Any]
Answer = Callable[[Json], "str | None"]
LONGEST, MOST_NAMED = 240, 8
SPACE = re.compile(r"[ \t\r\n]+")  # not the one that keeps an interval together
SEEDS = ("seed", "random_state")
PROGRAMS = ("pickle", "source")  # formats whose loading runs code


def line(value: Any) -> str | None:
    """Return what a person wrote as one line; None where nothing is written.

    >>> line({"tier": "low", "harms": ["a late warning"]})
    'tier: low; harms: a late warning'
    """
    if isinstance(value, Mapping):
        pairs = ((str(key), line(said)) for key, said in value.items())
        return line("; ".join(f"{key.replace('_', ' ')}: {said}" for key, said in pairs if said))
    if isinstance(value, (list, tuple)):
        said = [text for text in map(line, value) if text]
        return line("; ".join([*(text.rstrip(".") for text in said[:-1]), *said[-1:]]))
    text, cut = capped(SPACE.sub(" ", str("" if value is None else value)).strip(), LONGEST)
    return f"{text}…" if cut else text or None


def agreed(snapshot: Json) -> Json:
    """Return the charter; nothing where there is none, or none that can be read."""
    charter = snapshot.get("charter") or {}
    return {} if charter.get("unreadable") else charter


def written(key: str) -> Answer:
    """Return what the charter says under a key."""
    return lambda snapshot: line(agreed(snapshot).get(key))


def _versions(snapshot: Json) -> list[dict[str, Any]]:
    return facts.made(snapshot) if snapshot.get("run") else []


def _version(snapshot: Json) -> Json:
    return (facts.version(snapshot) if snapshot.get("run") else None) or next(iter(_versions(snapshot)), {})


def _judged(snapshot: Json) -> Json:
    return (facts.evaluation(snapshot) if snapshot.get("run") else None) or {}


def _results(snapshot: Json, kind: str) -> list[dict[str, Any]]:
    return facts.results(snapshot, kind) if snapshot.get("results") else []


def _parts(snapshot: Json) -> list[dict[str, Any]]:
    return facts.all_parts(snapshot) if snapshot.get("run") else []


def _about(snapshot: Json, *actions: str) -> list[dict[str, Any]]:
    """Return the events of some actions about the versions made here."""
    refs = {v["ref"] for v in _versions(snapshot)}
    moved = {(v["name"], v["version"]) for v in _versions(snapshot)}
    return [
        dict(e)
        for e in snapshot.get("events") or []
        if e["action"] in actions
        and (e["subject"] in refs or (str(e["subject"]).rpartition("@")[0], e["data"].get("version")) in moved)
    ]


def _few(names: Iterable[Any]) -> str | None:
    """Return names in a sentence, the first ones of many."""
    found = [str(name) for name in dict.fromkeys(names)]
    if len(found) > MOST_NAMED:
        return line(f"{', '.join(found[:MOST_NAMED])} and {len(found) - MOST_NAMED} more")
    return line(joined(found))


def model(snapshot: Json) -> str | None:
    """Name and version."""
    return _few(v["ref"] for v in _versions(snapshot))


def owner(snapshot: Json) -> str | None:
    """Whose the model is."""
    return _few(v["owner"] for v in _versions(snapshot) if v.get("owner"))


def made(snapshot: Json) -> str | None:
    """When it was made, by what."""
    run = snapshot.get("run") or {}
    if not run:
        return None
    by = f" by {run['author']}" if run.get("author") else ""
    return line(f"{run.get('notebook') or run.get('experiment')}, {when(run.get('started_at'))}{by}")


def how_to(snapshot: Json) -> str | None:
    """The page for who uses the answers."""
    ref = _version(snapshot).get("ref")
    return f"A page of its own: nbmlops report {ref} --for support" if ref else None


def worth(snapshot: Json) -> str | None:
    """What a use of it is worth."""
    value = snapshot.get("value") or {}
    if not finite(as_float(value.get("expected"))):
        return None
    low, expected, high = (number(value.get(k)) for k in ("low", "expected", "high"))
    return line(f"{expected} {value.get('unit')} per {number(value.get('per_rows'))} rows ({low} to {high})")


def training_data(snapshot: Json) -> str | None:
    """Which data went in."""
    kept = (_version(snapshot).get("signature") or {}).get("datasets") or []
    read = [d for part in _parts(snapshot) for d in part.get("datasets") or [] if d.get("role") == "read"]
    seen = [f"{d['name']} ({number(d['rows'])} rows, {str(d['fingerprint'])[:12]})" for d in read]
    return _few([*kept, *seen])


def evaluation_data(snapshot: Json) -> str | None:
    """Which rows judged it."""
    judged = _judged(snapshot)
    if not judged.get("rows"):
        return None
    content = f", content {str(judged['data'])[:12]}" if judged.get("data") else ""
    return line(f"{number(judged['rows'])} rows it was not fitted on, target {judged.get('target')}{content}")


def sources(snapshot: Json) -> str | None:
    """Where the data comes from, whose it is, under which licence."""
    found = ((snapshot.get("origins") or {}).get("known") or {}).values()
    return _few(_source(about) for about in found if about.get("source"))


def _source(about: Json) -> str:
    said = joined([f"{key} {about[key]}" if about.get(key) else f"no {key} named" for key in ("owner", "licence")])
    return f"{about['ref']} from {about['source']} ({said})"


def quality(snapshot: Json) -> str | None:
    """Whether the data keeps its rules."""
    return _few(f"{r['subject']}: {_tally(r['data'].get('findings') or [])}" for r in _results(snapshot, "check"))


def _tally(found: Sequence[Json]) -> str:
    counts = Counter(str(f.get("outcome")) for f in found)
    words = {o: count(counts[o], o) if o in ("issue", "warning") else f"{counts[o]} {o}" for o in facts.OUTCOMES}
    return joined([words[o].replace("_", " ") for o in facts.OUTCOMES if counts[o]]) or "nothing found"


def dictionary(snapshot: Json) -> str | None:
    """What the columns mean."""
    known = snapshot.get("dictionary") or {}
    meant = [c for c in known.get("columns") or [] if c.get("meaning")]
    total = len(known.get("columns") or [])
    return f"{len(meant)} of {count(total, 'column')} named here have a meaning" if meant else None


def private(snapshot: Json) -> str | None:
    """Which columns are personal."""
    named = snapshot.get("private") or agreed(snapshot).get("private")
    return f"{_few(named)}: no value is shown anywhere" if named else None


def preparation(snapshot: Json) -> str | None:
    """How the data is prepared and turned into an answer."""
    said = (snapshot.get("explained") or {}).get("sentences") or []
    return line(" ".join(f"{str(sentence).rstrip('.')}." for sentence in said))


def method(snapshot: Json) -> str | None:
    """What kind of model it is."""
    found = _version(snapshot).get("estimator") or _judged(snapshot).get("estimator")
    task = _judged(snapshot).get("task")
    return line(f"{found}, {task}" if task else found)


def parameters(snapshot: Json) -> str | None:
    """What was set."""
    found = [p for part in _parts(snapshot) for p in part.get("params") or []]
    chosen = [p for p in found if p.get("origin") != "default"]
    rest = count(len(found) - len(chosen), "default")
    return f"{count(len(chosen), 'setting')} and {rest}" if chosen else None


def inputs(snapshot: Json) -> str | None:
    """What it takes and what it answers."""
    signature = _version(snapshot).get("signature") or {}
    columns = _few(c["name"] for c in signature.get("columns") or [])
    return line(f"from {columns}: {signature.get('target') or 'an answer'}") if columns else None


def software(snapshot: Json) -> str | None:
    """With what it was made."""
    machine = snapshot.get("environment") or {}
    packages = count(len(machine.get("packages") or {}), "package")
    return line(f"Python {machine['python']}, {packages}, {machine.get('platform')}") if machine.get("python") else None


def code(snapshot: Json) -> str | None:
    """Which code, and with which seeds."""
    git = next((part["git"] for part in _parts(snapshot) if part.get("git")), None)
    if not git:
        return None
    seeds = [p for part in _parts(snapshot) for p in part.get("params") or [] if _is_seed(p)]
    changed = " with changes that are not in it" if git.get("dirty") else ""
    return line(
        f"Commit {str(git.get('commit'))[:12]}{changed}; {count(len(seeds), 'seed') if seeds else 'no seed'} set"
    )


def _is_seed(param: Json) -> bool:
    return str(param.get("name")).rpartition(".")[2].lower() in SEEDS and param.get("value") is not None


def security(snapshot: Json) -> str | None:
    """Whether loading it runs code."""
    kept = _version(snapshot).get("format")
    if not kept:
        return None
    program = kept in PROGRAMS
    return f"Kept as {kept}: {'a program, loading it runs code' if program else 'data, loading it runs no code'}"


def metrics(snapshot: Json) -> str | None:
    """How good its answers are."""
    found = _judged(snapshot).get("metrics") or {}
    rows = ((n, *measured(m.get("value"), m.get("low"), m.get("high"))) for n, m in list(found.items())[:4])
    return line("; ".join(f"{name} {value} {bounds}" for name, value, bounds in rows))


def targets(snapshot: Json) -> str | None:
    """Which numbers were agreed, and what each means."""
    found = agreed(snapshot).get("metrics") or []
    return line([f"{t.get('text') or t.get('name')}{_meaning(t)}" for t in found])


def _meaning(target: Json) -> str:
    return f" ({target['meaning']})" if target.get("meaning") else ""


def baseline(snapshot: Json) -> str | None:
    """Better than what is there now, or than nothing."""
    gates = [f"{r['subject']}: {r['data'].get('verdict')}" for r in _results(snapshot, "gate")]
    constant = [f.get("message") for f in _judged(snapshot).get("findings") or [] if f.get("code") == "dummy"]
    return _few([*gates, *constant])


def subgroups(snapshot: Json) -> str | None:
    """How good it is for each part of the people or things."""
    found = _judged(snapshot).get("slices") or []
    small = sum(s.get("level") == "insufficient data" for s in found)
    return f"{count(len(found), 'part')} looked at, {small} of them too small to judge" if found else None


def calibration(snapshot: Json) -> str | None:
    """Whether its probabilities come true."""
    found = _judged(snapshot).get("calibration") or []
    gaps = [abs(as_float(b.get("predicted")) - as_float(b.get("observed"))) for b in found]
    known = [gap for gap in gaps if finite(gap)]
    return f"In {count(len(known), 'bin')}, {percent(max(known))} off at most" if known else None


def errors(snapshot: Json) -> str | None:
    """How often it is far off."""
    far = _judged(snapshot).get("far_off") or {}
    return line(f"{number(far['n'])} rows ({percent(far.get('share'))}): {far.get('means')}") if "n" in far else None


def explanation(snapshot: Json) -> str | None:
    """What its answers rest on."""
    shares = {str(k): as_float(v) for k, v in (_judged(snapshot).get("importance") or {}).items()}
    top = sorted((item for item in shares.items() if finite(item[1])), key=lambda item: -item[1])[:3]
    return line(joined([f"{name} ({percent(share)})" for name, share in top]))


def drift(snapshot: Json) -> str | None:
    """Whether the data is still like that."""
    return _few(f"{r['subject']}: {r['data'].get('verdict')}" for r in _results(snapshot, "drift"))


def findings(snapshot: Json) -> str | None:
    """What was found, and what was not looked at."""
    found = facts.findings(snapshot) if snapshot.get("results") else []
    return f"{count(len(found), 'finding')}: {_tally(found)}" if found else None


def risk(snapshot: Json) -> str | None:
    """How much harm a wrong answer can do."""
    said = agreed(snapshot).get("risk") or {}
    return line({k: said[k] for k in ("tier", "why", "tolerated") if said.get(k)})


def harms(snapshot: Json) -> str | None:
    """Whom it can harm, and how."""
    return line((agreed(snapshot).get("risk") or {}).get("harms"))


def trigger(snapshot: Json) -> str | None:
    """Why it was run."""
    tags = (snapshot.get("run") or {}).get("tags") or {}
    if tags.get("job"):
        return line(f"By the job {tags['job']}, for {tags.get('key') or 'no key'}")
    author = (snapshot.get("run") or {}).get("author")
    return line(f"By hand, by {author}") if author else None


def changes(snapshot: Json) -> str | None:
    """Against which version changes are shown."""
    before = snapshot.get("before") or {}
    return line(f"Against the run of {before['ref']}") if before.get("ref") else None


def approvals(snapshot: Json) -> str | None:
    """Who decided."""
    found = _about(snapshot, "approve", "alias", "reject")
    return line([f"{event_words(e)}, by {e['actor']}" for e in found[-3:]])


def challenge(snapshot: Json) -> str | None:
    """Who else than its maker has looked."""
    makers = {v.get("owner") for v in _versions(snapshot)} | {p.get("author") for p in _parts(snapshot)}
    found = [e for e in _about(snapshot, "approve", "review", "reject", "flag") if e["actor"] not in makers]
    return _few(f"{e['actor']} ({e['action']})" for e in found)


def monitoring(snapshot: Json) -> str | None:
    """What watches it in use."""
    watch = snapshot.get("watch") or {}
    jobs = [f"{j['name']} ({j['when']})" for j in watch.get("jobs") or [] if not (j["paused_at"] or j["stopped"])]
    told = [c["name"] for c in watch.get("channels") or [] if not c["problem"]]
    late = f"outcomes come after {watch['outcomes_after']}" if watch.get("outcomes_after") else ""
    said = [f"jobs {joined(jobs)}" if jobs else "", f"told by {joined(told)}" if told else "", late]
    return line([part for part in said if part]) if jobs else None


def review(snapshot: Json) -> str | None:
    """When somebody looks again."""
    days = agreed(snapshot).get("review_days")
    due = (snapshot.get("viable") or {}).get("review_at")
    return f"Every {count(int(days), 'day')}{f', next {when(due)}' if due else ''}" if days else None


def stop(snapshot: Json) -> str | None:
    """When it is taken out of use."""
    found = [t for t in agreed(snapshot).get("metrics") or [] if t.get("viable") is not None]
    return line([f"Not worth having beyond {t['name']} {number(t['viable'])}" for t in found])


def incidents(snapshot: Json) -> str | None:
    """What people objected to, and what is open."""
    if not _versions(snapshot):
        return None
    still = count(len((snapshot.get("watch") or {}).get("episodes") or []), "problem")
    return f"{count(len(_about(snapshot, 'flag')), 'flag')} about this version, {still} of the model open"


def roles(snapshot: Json) -> str | None:
    """Who answers for what."""
    return line(agreed(snapshot).get("roles"))
