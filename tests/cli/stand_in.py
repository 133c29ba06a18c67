"""Stand-ins over HTTP: they answer as a function says, and keep what they were asked."""

from __future__ import annotations

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@contextlib.contextmanager
def serving(answer):
    """Serve ``answer(path, query) -> (status, data)``; data that is bytes goes out as it is, all else as JSON. Yields URL and requests."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            asked.append((parts.path, query, dict(self.headers)))
            status, data = answer(parts.path, query)
            body = data if isinstance(data, bytes) else json.dumps(data).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def vector(*values, **more):
    """Return Prometheus' answer with a series for each value."""
    result = [{"metric": {}, "value": [1770000000.0, value]} for value in values]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": result}, **more}
