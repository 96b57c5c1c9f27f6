"""What a run of tests did not show on this machine, said at its end in so many words."""

from __future__ import annotations

from collections import defaultdict

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """A reason, then each test that was skipped for it."""
    skipped: defaultdict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        skipped[reason.removeprefix("Skipped: ")].append(report.nodeid)
    if not skipped:
        return
    terminalreporter.section("NOT SHOWN on this machine", red=True, bold=True)
    for reason, names in sorted(skipped.items()):
        terminalreporter.line(f"{reason}: {len(names)}", red=True)
        for name in sorted(names):
            terminalreporter.line(f"    {name}")
