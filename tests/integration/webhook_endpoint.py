"""An agent's endpoint, to which webhooks are posted: a real HTTP server that answers as it is told."""

import base64
import hashlib
import hmac
import http.server
import json
import socket
import threading
import time

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
HALF = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"


class Post:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.id = headers["webhook-id"]
        self.told = json.loads(body)
        self.message = self.told["message"]
        self.at = time.monotonic()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        with self.server.endpoint.lock:
            self.server.endpoint.connections += 1

    def do_POST(self):
        endpoint = self.server.endpoint
        body = self.rfile.read(int(self.headers["Content-Length"]))
        post = Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        with endpoint.lock:
            endpoint.posts.append(post)
            endpoint.under_way += 1
            endpoint.most = max(endpoint.most, endpoint.under_way)
        answer = endpoint.answer(post)
        with endpoint.lock:
            endpoint.under_way -= 1
        try:
            self.say(answer)
        except OSError:
            self.close_connection = True

    def say(self, answer):
        if answer in ("hang", "half", "cut", "rubbish"):
            self.close_connection = True
            if answer == "hang":
                self.server.endpoint.released.wait(30)
            elif answer == "cut":
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self.wfile.write(HALF if answer == "half" else b"SPQR\r\n\r\n")
            return
        status, headers, body = answer if isinstance(answer, tuple) else (answer, {}, b"")
        if not isinstance(body, bytes):
            headers = {"Content-Type": "application/json", **headers}
            body = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class HttpServer(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def handle_error(self, *_):
        pass


class Endpoint:
    """What it answers is told by `answer(post)`: a status, or (status, headers, body), or a word for what no server
    should do: hang, half, cut, rubbish."""

    def __init__(self, port=0):
        self.posts, self.connections, self.under_way, self.most = [], 0, 0, 0
        self.answer = lambda post: 204
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.server = HttpServer(("127.0.0.1", port), Handler)
        self.server.endpoint = self
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/mail"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def contents(self):
        return [post.message.get("content") for post in list(self.posts)]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def set_webhook(client, endpoint, agent="worker", **more):
    client.carry_out("webhook.set", agent=agent, url=getattr(endpoint, "url", endpoint), **{"secret": SECRET, **more})


def show(client, agent="worker"):
    return client.carry_out("webhook.show", agent=agent)


def signature(post, key):
    text = f"{post.id}.{post.headers['webhook-timestamp']}.".encode() + post.body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
