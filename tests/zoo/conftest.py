"""A small preset, and a server that can misbehave."""

import http.server
import os
import threading

import pytest

from tests.laws import small


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A preset of a small O-GAN, never to be changed."""
    folder = tmp_path_factory.mktemp("presets") / "small"
    small.build("o_gan").save_to_preset(folder, {"data": "noise", "scores": {"frechet_distance": 1.5}, "seed": 3})
    return folder


@pytest.fixture
def preset(original, tmp_path):
    """A copy of it, to be spoilt."""
    import shutil

    return shutil.copytree(original, tmp_path / "small")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "keras_gans" / "presets"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        path = os.path.join(server.folder, self.path.lstrip("/"))
        start = int((self.headers.get("Range") or "bytes=0-")[6:].rstrip("-")) if server.ranges else 0
        server.requests.append((self.path, self.headers.get("Range")))
        if self.path in server.redirects:
            self.send_response(302)
            self.send_header("Location", server.redirects[self.path])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if not os.path.isfile(path):
            self.send_error(404)
            return
        if self.path in server.drips:  # a byte now and then, from the first line of the answer on or behind it
            if server.drips[self.path] == "body":
                self.send_response(200)
                self.end_headers()
            while not server.drips["stopped"].wait(0.02):
                self.wfile.write(b"H")
            return
        with open(path, "rb") as file:
            content = file.read()
        if start > len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if server.drops.get(self.path, 0) > 0:  # the connection breaks after half
            server.drops[self.path] -= 1
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.connection.shutdown(2)
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path):
    """A server on this machine: `.url`, `.folder` to put files into, `.drops`, `.ranges`, `.redirects`, `.requests`."""
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.folder, found.drops, found.ranges, found.requests = str(tmp_path / "served"), {}, True, []
    found.redirects = {}  # path: URL
    found.drips = {"stopped": threading.Event()}  # path: "head" or "body"
    os.makedirs(found.folder)
    found.url = f"http://127.0.0.1:{found.server_port}"
    thread = threading.Thread(target=found.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield found
    found.drips["stopped"].set()
    found.shutdown()
    found.server_close()
