"""Whether the daemon works, and how to trust it: for load balancers, scripts and monitoring."""

from __future__ import annotations

import resource
from collections import Counter

from aiohttp import web

from pushd.api.answers import answer, timestamp
from pushd.api.needs import AUTHORITY, CLOCK, DYNOS, SITE, STORE, STREAMS
from pushd.kit.aio import in_thread
from pushd.kit.fingerprint import certificates_in
from pushd.model.dyno import shown_state


async def show(request: web.Request) -> web.Response:
    """GET /-/health -> 200 {"status": "ok", ...}, without a token; it has read the store."""
    await request.app[STORE].users.operator()
    site = request.app[SITE]
    up = request.app[CLOCK].now() - site.started_at
    return answer(
        {
            "status": "ok",
            "version": site.version,
            "domain": site.domain,
            "started_at": timestamp(site.started_at),
            "uptime_seconds": max(0, int(up.total_seconds())),
            "ssh": site.ssh_url,
            "ssh_host_key": site.ssh_host_key,
        }
    )


async def authority(request: web.Request) -> web.Response:
    """GET /-/ca.pem -> 200 with the CA that clients must trust to reach us over TLS; it is no secret."""
    pem = certificates_in(await in_thread(request.app[AUTHORITY].read_bytes))  # a given file may hold the key too
    return web.Response(body=pem, content_type="application/x-pem-file")


async def metrics(request: web.Request) -> web.Response:
    """GET /-/metrics -> 200 in the text format of Prometheus."""
    apps = await request.app[STORE].apps.all()
    dynos = Counter(shown_state(dyno.state) for app in apps for dyno in request.app[DYNOS].of(app))
    memory_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    lines = [
        "# TYPE pushd_apps gauge",
        f"pushd_apps {len(apps)}",
        "# TYPE pushd_dynos gauge",
        *(f'pushd_dynos{{state="{state}"}} {dynos[state]}' for state in ("starting", "up", "crashed", "down")),
        "# TYPE pushd_open_streams gauge",
        f"pushd_open_streams {request.app[STREAMS].open}",
        "# TYPE pushd_daemon_memory_peak_bytes gauge",
        f"pushd_daemon_memory_peak_bytes {memory_kb * 1024}",
    ]
    return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")
