"""The table that a soak prints."""

from __future__ import annotations

from collections.abc import Mapping

from tests.soak.engine import Findings


def table(findings: Findings) -> str:
    """What was done and counted, then each promise that did not hold."""
    requests, lines = findings.requests.total(), findings.lines
    failed = findings.failed.total() + len(findings.unexplained)
    wanted, kept = findings.kept_pids
    median, p99, longest = findings.took
    rows = [
        ("seconds", f"{findings.seconds:.0f}"),
        ("done", _listed(findings.done)),
        ("interrupted by a daemon's end", _listed(findings.interrupted)),
        ("requests answered", f"{requests} ({_listed(findings.requests)})"),
        ("time to answer", f"median {median * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, longest {longest:.1f} s"),
        ("failed, as allowed", _listed(findings.failed)),
        ("kept connections closed, as allowed", str(findings.reopened)),
        ("failed without a cause", f"{len(findings.unexplained)} of {requests + failed}"),
        ("processes that outlived their daemon", f"{kept} of {wanted}"),
        ("log lines", f"{lines.lines} of {lines.processes} processes"),
        ("lines lost, twice, out of order", f"{len(lines.missing)}, {len(lines.twice)}, {len(lines.disordered)}"),
    ]
    for name, grown in findings.growth.items():
        first, last = grown.first, grown.last
        memory = f"{first.pss_mb:.1f} to {last.pss_mb:.1f} MB ({grown.mb_per_hour:+.1f} MB/h)"
        rows.append((f"{name}'s memory, its last {grown.seconds:.0f} s", memory))
        others = f"{first.descriptors} to {last.descriptors}, {first.threads} to {last.threads}"
        rows.append((f"{name}'s descriptors, threads", others))
    text = "| what | count |\n|---|---|\n" + "\n".join(f"| {what} | {count} |" for what, count in rows)
    return text + "\n\n" + ("\n".join(f"BROKEN: {each}" for each in findings.broken) or "All held.")


def _listed(counts: Mapping[str, int]) -> str:
    """ "3 push, 1 restart"."""
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "none"
