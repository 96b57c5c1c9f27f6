"""The app that `pushd drill` pushes: it needs nothing that must be downloaded, starts at once, and says what it is."""

import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = "v0"
STARTED = time.time_ns()


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path.startswith("/exit"):
            os._exit(3)
        body = f"version={VERSION} value={os.environ.get('VALUE', '')} started={STARTED}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


time.sleep(float(os.environ.get("BOOT_SECONDS", "0")))
server = Server(("127.0.0.1", int(os.environ["PORT"])), Page)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(f"version {VERSION} listens", flush=True)
server.serve_forever()
server.server_close()
