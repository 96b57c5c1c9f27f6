"""The router against nginx (one worker, keep-alive to the app) and against the app directly, with wrk."""

from __future__ import annotations

import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

from tests.bench.measure import Row, answers, free_port
from tests.e2e.harness import ROOT, Server

SECONDS, CONNECTIONS = 8, 32
_NGINX = """
user root; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}
}}
"""
# A target that is quicker than any proxy: nginx itself, answering from its configuration.
_TARGET = """
user root; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 100000000;
  server {{ listen 127.0.0.1:$PORT$; root {folder}; location = /small {{ return 200 "hello"; }} }}
}}
"""


def measure(server: Server, folder: Path) -> list[Row]:
    missing = [program for program in ("wrk", "nginx") if shutil.which(program) is None]
    if missing:
        return [Row("router throughput", f"not measured: install {' and '.join(missing)}")]
    project = server.project(folder / "target", "bench-router")
    (project.folder / "large").write_bytes(b"x" * 100_000)
    config = _TARGET.format(folder="/tmp").replace("$PORT$", "PORT").replace("root /tmp", "root /app")
    project.write("nginx.conf", config)
    command = (
        "sed s/PORT/$PORT/ nginx.conf > /tmp/nginx.conf && exec /usr/sbin/nginx -p /tmp -c /tmp/nginx.conf -e /tmp/error.log"
    )
    project.write("Procfile", f"web: {command}\n")
    project.commit("nginx as the app")
    project.deploy()
    host = f"{project.app}.localhost"
    router = server.endpoints["router"]
    upstream = _upstream_port(server)
    with ExitStack() as stack:
        port = free_port()
        (folder / "proxy-nginx").mkdir()
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder / "proxy-nginx", upstream=upstream, port=port))
        nginx = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "e.log")])
        stack.callback(nginx.wait)
        stack.callback(nginx.terminate)
        while not answers(port):
            pass
        rows = []
        for path, name, bar in (("/small", "small answers", 0.5), ("/large", "100 KB bodies", 1.0)):
            direct = _wrk(f"http://127.0.0.1:{upstream}{path}", host)
            proxied = _wrk(f"http://127.0.0.1:{port}{path}", host)
            ours = _wrk(f"{router}{path}", host)
            ratio = ours[0] / proxied[0]
            rows.append(Row(f"router, {name}", f"{ours[0]:,.0f}/s, p99 {ours[1]:.1f} ms",
                            f"nginx {proxied[0]:,.0f}/s, p99 {proxied[1]:.1f} ms (direct {direct[0]:,.0f}/s)",
                            ratio, f"{bar}x", ratio >= bar))  # fmt: skip
            if path == "/small":
                ratio = ours[1] / proxied[1]
                rows.append(
                    Row(
                        "router, small answers, p99", f"{ours[1]:.1f} ms", f"nginx {proxied[1]:.1f} ms", ratio, "2x", ratio <= 2
                    )
                )
        return rows


def _upstream_port(server: Server) -> int:
    """The port of the app's dyno, as the daemon's store knows it."""
    import sqlite3

    with sqlite3.connect(f"file:{server.data}/pushd.sqlite3?mode=ro", uri=True) as store:
        return int(store.execute("SELECT port FROM dynos WHERE port IS NOT NULL").fetchone()[0])


def _wrk(url: str, host: str) -> tuple[float, float]:
    """Requests per second and p99 in milliseconds."""
    argv = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H", f"Host: {host}", url]
    text = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "Non-2xx" not in text, text
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])  # type: ignore[index]
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return rate, float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]
