"""The bus as the team sees it: HTTP with nothing but Python's standard library. A server that is away is waited for."""

import http.client
import json
import time
import urllib.parse


class Refused(Exception):
    def __init__(self, status, answer):
        self.status, self.code = status, answer.get("code", "")
        super().__init__(f"{status} {answer.get('error', answer)}")


class Bus:
    """`address` is host:port. Calls are repeated until the server answers, so what was sent may arrive twice."""

    def __init__(self, address, agent):
        self.address, self.agent = address, agent
        self.connection = None

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        while True:
            try:
                if self.connection is None:
                    self.connection = http.client.HTTPConnection(self.address, timeout=30)
                self.connection.request(method, path, data, {"Content-Type": "application/json", "X-Agent": self.agent})
                answer = self.connection.getresponse()
                status, text = answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                time.sleep(0.05)
                continue
            parsed = json.loads(text)
            if status == 503:  # it is stopping, or has no room just now
                time.sleep(0.05)
            elif status >= 400:
                raise Refused(status, parsed)
            else:
                return parsed

    def send(self, messages):
        """One message or a list of them; returns when all are on the server's disk."""
        answers = self.call("POST", "/api/messages", messages)
        for answer in answers if isinstance(messages, list) else [answers]:
            if "error" in answer:
                raise Refused(200, answer)

    def receive(self, limit, wait, lease):
        query = urllib.parse.urlencode({"agent": self.agent, "limit": limit, "wait": wait, "lease": lease})
        return self.call("GET", f"/api/messages?{query}")["messages"]

    def done(self, message):
        """Settles a message for good; False if it had gone to somebody else meanwhile."""
        try:
            self.call("PUT", f"/api/messages/{message['id']}/status",
                      {"status": "processed", "lease": message["lease"]})
            return True
        except Refused as refused:
            if refused.code == "lease_lost":
                return False
            raise

    def event(self, topic, content):
        self.send({"topic": topic, "content": content})
