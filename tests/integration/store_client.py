"""Clients of the older system's REST interface. `CLIENTS` has one that says what such clients say, and beside it the
class of the older system's own document, run as it stands there, where that document is beside the checkout."""

import re
from datetime import datetime
from pathlib import Path
from typing import List

import aiohttp

DOCUMENTS = Path(__file__).resolve().parents[3] / "shared" / "seeds"


class StoreClient:
    """Posts rows, looks at what is pending for it, sets statuses by id. Dates have no zone; a result may be null."""

    def __init__(self, agent_id, api_base_url, api_key):
        self.agent = agent_id
        self.messages = api_base_url + "/api/messages"
        self.session = aiohttp.ClientSession(headers={"Authorization": "Bearer " + api_key})

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.session.close()

    async def send_message(self, to_agent_id, message_type, content, priority=5, expires_in=None):
        row = {"to_agent_id": to_agent_id, "message_type": message_type, "content": content, "priority": priority}
        if expires_in is not None:
            row["expires_at"] = (datetime.utcnow() + expires_in).isoformat()
        async with self.session.post(self.messages, json=row) as answer:
            return (await answer.json())["id"]

    async def get_messages(self, status="pending"):
        async with self.session.get(self.messages, params={"to_agent_id": self.agent, "status": status}) as answer:
            return await answer.json()

    async def mark_processed(self, message_id, result=None):
        said = {"status": "processed", "result": result}
        async with self.session.put(f"{self.messages}/{message_id}/status", json=said) as answer:
            return answer.status == 200


def classes_of_document():
    for document in sorted(DOCUMENTS.glob("002_*.txt")):
        for listing in re.findall(r"^```python\n(.*?)^```", document.read_text(), flags=re.M | re.S):
            if "class AgentMessagingClient" in listing:
                scope = {"List": List}  # what it leaves to its surroundings
                exec(compile(listing, str(document), "exec"), scope)  # noqa: S102 - it is what is to be tested
                yield scope["AgentMessagingClient"]


CLIENTS = [StoreClient, *classes_of_document()]
