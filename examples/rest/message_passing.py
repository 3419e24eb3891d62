"""The old message passing, `send_message(target, content)`, over this server: a few lines of HTTP, nothing to install.

    async def work(sender, content): return {"sum": sum(content["numbers"])}

    adder = LegacyMessagePassingSystem("adder", address="127.0.0.1:7470")
    adder.on_message = work
    asyncio.create_task(adder.serve())
    ...
    await LegacyMessagePassingSystem("asker", address="127.0.0.1:7470").send_message("adder", {"numbers": [1, 2]})

An agent of the old system had a port of its own, where others posted. Here it takes its messages from its mailbox, so
it needs none: `port` is taken and not used, and two agents of one machine never want the same one.
"""

import asyncio
import http.client
import json
import os
import urllib.parse


class LegacyMessagePassingSystem:
    def __init__(self, agent_id, port=None, address=None):
        self.agent_id = agent_id
        self.address = address or os.environ.get("FOLKMOOT_ADDRESS", "127.0.0.1:7470")
        self.on_message = None

    async def send_message(self, target, content):
        """What the target answers. Raises TimeoutError if it is not there, or does not answer within 30 s."""
        message = {"to": target, "type": "query", "content": content}
        status, said = await self._ask("POST", "/message?wait=30s", message)
        if status in (503, 504):
            raise TimeoutError(said["error"])
        if status != 200:
            raise RuntimeError(said["error"])
        return said["response"]["content"]

    async def serve(self):
        """Answers what comes, until it is cancelled."""
        mailbox = urllib.parse.quote(self.agent_id, safe="")
        while True:
            _, taken = await self._ask("GET", f"/api/messages?agent={mailbox}&wait=5s&limit=1&ack=true")
            for message in taken.get("messages", []):
                answer = await self.on_message(message["from"], message["content"])
                if message.get("reply_to"):
                    said = {"to": message["reply_to"], "type": "response", "correlation": message["id"]}
                    await self._ask("POST", "/api/messages", {**said, "content": answer})

    async def _ask(self, method, path, body=None):
        def ask():
            connection = http.client.HTTPConnection(self.address, timeout=60)
            headers = {"X-Agent": self.agent_id, "Content-Type": "application/json"}
            if token := os.environ.get("FOLKMOOT_TOKEN"):
                headers["Authorization"] = f"Bearer {token}"
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

        return await asyncio.to_thread(ask)
