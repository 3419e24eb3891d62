"""Messages over HTTP as a table is used: send, look, set a status. Nothing but Python's own library."""

import json
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode


class Refused(Exception):
    """The server said no; `code` is its word for why."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


class Store:
    def __init__(self, address, agent, key=""):
        self.base = f"http://{address}"
        self.agent = agent
        self.headers = {"X-Agent": agent, "Content-Type": "application/json"}
        if key:
            self.headers["Authorization"] = f"Bearer {key}"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, self.headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            error = json.load(refused)
            raise Refused(error["code"], error["error"]) from None

    def register(self, kind, *capabilities):
        about = {"agent": self.agent, "type": kind, "capabilities": list(capabilities)}
        return self.ask("POST", "/api/agents", about)["id"]

    def heartbeat(self):
        self.ask("POST", f"/api/agents/{self.agent}/heartbeat", {})

    def send(self, to, message_type, content, **more):
        message = {"to_agent_id": to, "message_type": message_type, "content": content, **more}
        return self.ask("POST", "/api/messages", message)["id"]

    def pending(self):
        return self.ask("GET", "/api/messages?" + urlencode({"to_agent_id": self.agent, "status": "pending"}))

    def processed(self, message_id, result=None):
        self.ask("PUT", f"/api/messages/{message_id}/status", {"status": "processed", "result": result})

    def failed(self, message_id, reason):
        self.ask("PUT", f"/api/messages/{message_id}/status", {"status": "failed", "reason": reason[:1000]})

    def outcome(self, message_id, seconds=30):
        """What became of a message: its result. The history has it a moment after it was settled."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self.ask("GET", f"/api/messages/{message_id}")
            if message["status"] == "processed" and "result" in message:
                return message["result"]
            if message["status"] in ("failed", "expired"):
                raise Refused(message["status"], message.get("error", ""))
            time.sleep(0.05)
        raise TimeoutError(f"nobody has settled {message_id} in {seconds} s")
