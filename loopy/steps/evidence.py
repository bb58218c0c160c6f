"""The evidence step: the pack as JSON and as a page that a reviewer reads."""

from __future__ import annotations

import hashlib

from loopy.domain.evidence import EvidencePack, TurnRecord


def subject(raw_diff: str, plan_sha256: str, policy_sha256: str) -> str:
    """Return what an approval binds to: one digest over the raw diff, the plan and the policy (rule 14)."""
    return hashlib.sha256(f"loopy-approval-v1\n{raw_diff}\n{plan_sha256}\n{policy_sha256}".encode()).hexdigest()


def as_json(pack: EvidencePack) -> bytes:
    """Return the pack as JSON."""
    return (pack.model_dump_json(indent=2) + "\n").encode()


def as_markdown(pack: EvidencePack) -> str:
    """Return the pack as a page in Markdown; agents' words are quoted as such."""
    parts = [
        f"# {pack.ticket}: {_line(pack.title)}",
        _verdict(pack),
        _sandbox(pack),
        _plan(pack),
        _route(pack),
        *(_turn(turn) for turn in pack.turns),
        _attempts(pack),
        _change(pack),
        _approvals(pack),
        _section("Risks", pack.risks),
        _section("Open questions", pack.questions),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _section(title: str, lines: tuple[str, ...]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {_line(line)}" for line in lines) if lines else ""


def _verdict(pack: EvidencePack) -> str:
    why = f" ({pack.reason})" if pack.reason else ""
    source = f"source {pack.source} ({pack.source_trust})"
    return f"**{pack.verdict}**{why} · run {pack.run} · {_line(pack.repo)} · {source}"


def _sandbox(pack: EvidencePack) -> str:
    if pack.sandbox_grade == "none":
        return "> **No sandbox**: the agent and the checks ran with the rights of the user who runs Loopy."
    return f"Sandbox: {pack.sandbox_backend}, grade {pack.sandbox_grade}."


def _plan(pack: EvidencePack) -> str:
    if pack.plan is None:
        return ""
    size = f" · size {pack.size.size} ({'; '.join(pack.size.reasons)})" if pack.size else ""
    asked = "\n".join(f"- {_line(item)}" for item in pack.plan.acceptance)  # not ticked: only the checks were run
    return f"## Plan\n\n{_line(pack.plan.goal)}{size}" + (f"\n\nAsked for:\n\n{asked}" if asked else "")


def _route(pack: EvidencePack) -> str:
    if pack.route is None:
        return ""
    route = pack.route
    lines = [f"## Route\n\n{route.agent} by rule “{route.rule}”: {route.route.why}"]
    lines += [
        f"- {c.agent}: score {c.score}{f', not taken: {c.why_not}' if c.why_not else ''} ({'; '.join(c.reasons) or '—'})"
        for c in route.candidates
    ]
    return lines[0] + "\n\n" + "\n".join(lines[1:])


def _turn(turn: TurnRecord) -> str:
    scripted = ", a scripted stand-in" if turn.scripted else ""
    change = (
        f"{len(turn.change.entries)} files, +{turn.change.added} −{turn.change.deleted}" if turn.change else "no change"
    )
    lines = [f"## Turn {turn.n}: {turn.agent}{scripted}\n\nChange: {change}"]
    if turn.message:
        lines.append("> " + _line(turn.message)[:500])
    if turn.decision:
        found = [f"- {f.verb} `{f.path or '—'}` {f.rule}: {_line(f.why)}" for f in turn.decision.findings]
        lines.append(f"Gate: **{turn.decision.verdict}**, tier {turn.decision.tier}" + "".join("\n" + x for x in found))
    if turn.report:
        lines.append(
            "| check | command | exit | time |\n|---|---|---|---|\n"
            + "\n".join(
                f"| {'✓' if r.passed else '✗'} {r.name} | `{' '.join(r.argv)}` | {r.why or r.exit_code} | {r.duration_ms} ms |"
                for r in turn.report.results
            )
        )
    return "\n\n".join(lines)


def _attempts(pack: EvidencePack) -> str:
    lines = tuple(
        f"turn {a.turn}, {a.step}: {a.failure} on {a.agent or '—'}{f' → {a.to_agent}' if a.to_agent else ''} {a.detail}"
        for a in pack.attempts
    )
    return _section("Attempts and failovers", lines)


def _change(pack: EvidencePack) -> str:
    if pack.change is None or pack.change.empty:
        return ""
    lines = [f"- {e.status} `{e.path}` +{e.added} −{e.deleted}" for e in pack.change.entries]
    return f"## Files touched\n\ntree `{pack.change.tree}`, raw diff `{pack.change.digest}`\n\n" + "\n".join(lines)


def _approvals(pack: EvidencePack) -> str:
    return _section(
        "Approvals", tuple(f"{a.gate}: {a.decision} by {a.by} over {a.subject[:12]}" for a in pack.approvals)
    )
