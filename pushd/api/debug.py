"""What the daemon is doing right now, for its operator."""

from __future__ import annotations

import asyncio
import os
import threading

from aiohttp import web

from pushd.api.answers import answer, timestamp
from pushd.api.needs import DYNOS, SITE, STORE, STREAMS


async def show(request: web.Request) -> web.Response:
    """GET /-/debug -> 200: tasks by name, threads, open files, dynos of every app. Names only, no values."""
    site = request.app[SITE]
    apps, dynos = await request.app[STORE].apps.all(), request.app[DYNOS]
    return answer(
        {
            "version": site.version,
            "pid": os.getpid(),
            "started_at": timestamp(site.started_at),
            "tasks": sorted(task.get_name() for task in asyncio.all_tasks()),
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "open_files": len(os.listdir("/proc/self/fd")),
            "streams": request.app[STREAMS].open,
            "apps": {app.name: {dyno.name: dyno.state.value for dyno in dynos.of(app)} for app in apps},
        }
    )
