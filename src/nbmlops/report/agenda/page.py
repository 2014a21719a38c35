"""Page one of an agenda: continue, pivot or stop, on what grounds, what is due, and what each person has to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nbmlops.report import facts
from nbmlops.report.blocks import Block, Missing, Say, Table, Verdict
from nbmlops.report.decision import Decision, Part
from nbmlops.report.project import decision as project
from nbmlops.report.project.standing import TONES, because, recommended, standing
from nbmlops.report.text import count, joined, short, stamp

__all__ = ["decide", "open_rows"]

Json = Mapping[str, Any]
MOST, LONGEST = 4, 90
ANSWERS: Mapping[str, Verdict] = {"yes": Verdict("yes", "good"), "partly": Verdict("partly", "warn"),
                                  "no": Verdict("no", "bad")}  # fmt: skip


def decide(snapshot: Json) -> Decision:
    """Return page one of an agenda's snapshot."""
    found = standing(snapshot)
    rule = recommended(found)
    of_project = project.decide(snapshot)
    parts = (
        Part("decide", "What there is to decide", _to_decide(snapshot)),
        Part("questions", "Questions of the business", _questions(snapshot)),
        of_project.part("worth"),
        _of_the_day(of_project.part("plan")),
        Part("found", "What is open", _open(snapshot)),
        Part("turns", "Whose turn it is", _turns(snapshot)),
    )
    known = rule.recommends in ("continue", "pivot", "stop")
    word = Verdict(f"Recommended: {rule.recommends}" if known else "Not known yet", TONES[rule.recommends])
    return Decision(project.question(snapshot), word, because(found, rule), parts, signed=True)


def _of_the_day(plan: Part) -> Part:
    """Return the plan without up to when the project's report tells: an agenda tells of the day it is made on."""
    kept = [b for b in plan.blocks if not (isinstance(b, Say) and b.text.startswith("As of "))]
    return Part(plan.key, plan.title, kept)


def _to_decide(snapshot: Json) -> list[Block]:
    """Return the newest decision, since when this tells, and how to record the next one."""
    last = snapshot.get("last")
    before = f"agenda {last['number']}" if last else "no agenda was made before"
    blocks: list[Block] = [Say(f"From {stamp(snapshot['since'])} to {stamp(snapshot['as_of'])} UTC ({before}).")]
    if made := snapshot["decided"]:
        d = made[-1]
        to = f" to {d['to']}" if d.get("to") else ""
        blocks.append(Say(f"Decided last, on {d['at'][:10]} by {d['by']} ({d['role']}): {d['answer']}{to}. {d['why']}"))
    after = [d for d in made if d["at"] > snapshot["since"]]
    if not after:
        whose = facts.whose(snapshot, "stakeholder")
        blocks.append(Missing("A decision: continue, pivot or stop", f"{whose}: nbmlops charter decide"))
    return blocks


def _questions(snapshot: Json) -> list[Block]:
    """Return each question of the business with its KPI and what the expert said; what nobody said is missing."""
    asked = snapshot["questions"]
    whose = facts.whose(snapshot, "expert")
    if not asked:
        return [Missing("The charter asks no question of the business", f"{whose}: write questions in charter.yaml")]
    rows = [(q["id"], short(q["question"], LONGEST), _kpi(q), *_answer(q)) for q in asked[:MOST]]
    more = f"; {len(asked) - MOST} more in the sections below" if len(asked) > MOST else ""
    heads = ("Id", "Question", "KPI", "Verdict", "Why, and who")
    blocks: list[Block] = [Table(f"Does it answer what was asked?{more}", heads, rows)]
    old = [q["id"] for q in asked if not _answered(q) or q["answered"]["at"] <= snapshot["since"]]
    if old:
        blocks.append(Missing(f"A verdict of this time on {joined(old[:MOST])}", f"{whose}: nbmlops charter verdict"))
    return blocks


def _kpi(question: Json) -> str:
    unit = f", {question['unit']}" if question["unit"] else ""
    metric = f" ({question['metric']} stands for it)" if question["metric"] else ""
    return f"{question['kpi'] or 'not said'}{unit}{metric}"


def _answered(question: Json) -> bool:
    """Tell whether the newest verdict is on the question as it is worded now."""
    said = question["answered"]
    return bool(said) and said.get("question") in (None, question["question"])


def _answer(question: Json) -> tuple[str | Verdict, str]:
    said = question["answered"]
    if not said:
        return Verdict("not answered", "quiet"), "-"
    if not _answered(question):
        before = f"{said['answer']} was said when it was: {short(said['question'], LONGEST)}"
        return Verdict("worded anew", "quiet"), f"{before} ({said['by']}, {said['at'][:10]})"
    return ANSWERS[said["answer"]], f"{short(said['why'], LONGEST)} ({said['by']}, {said['at'][:10]})"


def _open(snapshot: Json) -> list[Block]:
    """Return what somebody has to see to, what is late first."""
    rows = open_rows(snapshot)
    if not rows:
        return [Say("Nothing is overdue, asked, owed or unreviewed, and no episode is open.")]
    more = f"; the first {MOST}" if len(rows) > MOST else ""
    return [Table(f"{count(len(rows), 'open point')}{more}", ("State", "What", "Whose"), rows[:MOST])]


def open_rows(snapshot: Json) -> list[tuple[Verdict, str, str]]:
    """Return everything that is open, what is late first: state, what, whose."""
    late, waits = Verdict("overdue", "bad"), Verdict("open", "warn")
    rows = [(late, f"Review: {f['message']}", facts.whose(snapshot, f["detail"]["role"])) for f in snapshot["overdue"]]
    rows += [(late, f"Deliverable {d['name']}, due {d['due']}", d["owner"] or "nobody")
             for d in snapshot["deliverables"] if d["state"] == "late"]  # fmt: skip
    rows += [(Verdict("not reviewed", "bad"), f"Emergency: {o['ref']} by {o['by']}: {short(o['reason'], LONGEST)}",
              "anybody else with a role") for o in snapshot["overrides"]]  # fmt: skip
    conditions = sorted(snapshot["conditions"], key=lambda c: not c["late"])
    rows += [(late if c["late"] else waits, f"Condition of {c['subject']}, by {c['due']}: {short(c['text'], LONGEST)}",
              c["owner"]) for c in conditions]  # fmt: skip
    rows += [(waits, f"Question on {q['subject']}, asked by {q['author']}: {short(q['text'], LONGEST)}",
              q["role"] or q["owner"] or "nobody") for q in snapshot["asked"]]  # fmt: skip
    rows += [(Verdict(e["level"], "bad" if e["level"] == "alert" else "warn"),
              f"Episode of {e['model']}@{e['version']}: {e['code'].replace('_', ' ')} {e['column']}".strip(),
              facts.whose(snapshot, "ml_engineer")) for e in snapshot["episodes"]["open"]]  # fmt: skip
    return [*rows, *_broken_apart(snapshot)]


def _broken_apart(snapshot: Json) -> Iterator[tuple[Verdict, str, str]]:
    """Yield the targets that are broken on rows which do not stand for the model: told, though they decide nothing."""
    for model in snapshot["models"]:
        for other in (model.get("now") or {}).get("apart") or ():
            broken = [f["message"] for f in other["targets"] if f["outcome"] == "issue"]
            if broken:
                words = f"{model['champion']}, judged again on {other['on']}: {short('; '.join(broken), LONGEST)}"
                yield Verdict("open", "warn"), words, facts.whose(snapshot, "scientist")


def _turns(snapshot: Json) -> list[Block]:
    turns = [i for i in snapshot["status"] if i["role"]]
    if not turns:
        return [Say("It is nobody's turn: every model is in use, and nothing is asked of anybody.")]
    rows = [(i["version"] or i["model"], i["phase"], i["because"], i["turn"]) for i in turns[:MOST]]
    more = f"; {len(turns) - MOST} more in the sections below" if len(turns) > MOST else ""
    return [Table(f"{count(len(turns), 'turn')}{more}", ("Model", "Phase", "Because", "Whose turn"), rows)]
