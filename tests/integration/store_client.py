"""The asyncio client of the older system, as those who have one run it: not a word is changed. Only what it leaves to
its surroundings is defined here (`List`)."""

# fmt: off
import aiohttp
import asyncio
import json
from typing import Dict, Any, List, Optional
from datetime import datetime, timedelta

class AgentMessagingClient:
    def __init__(self, agent_id: str, api_base_url: str, api_key: str):
        self.agent_id = agent_id
        self.api_base_url = api_base_url
        self.api_key = api_key
        self.session = None

    async def __aenter__(self):
        self.session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self.api_key}"}
        )
        return self

    async def __aexit__(self, exc_type, exc_val, exc_tb):
        if self.session:
            await self.session.close()

    async def send_message(
        self,
        to_agent_id: str,
        message_type: str,
        content: Dict[str, Any],
        priority: int = 5,
        expires_in: Optional[timedelta] = None
    ) -> str:
        """Send a message to another agent"""
        message_data = {
            "to_agent_id": to_agent_id,
            "message_type": message_type,
            "content": content,
            "priority": priority
        }

        if expires_in:
            expires_at = datetime.utcnow() + expires_in
            message_data["expires_at"] = expires_at.isoformat()

        async with self.session.post(
            f"{self.api_base_url}/api/messages",
            json=message_data
        ) as response:
            result = await response.json()
            return result["id"]

    async def get_messages(self, status: str = "pending") -> List[Dict[str, Any]]:
        """Get messages for this agent"""
        async with self.session.get(
            f"{self.api_base_url}/api/messages",
            params={"to_agent_id": self.agent_id, "status": status}
        ) as response:
            return await response.json()

    async def mark_processed(self, message_id: str, result: Optional[Dict[str, Any]] = None):
        """Mark a message as processed"""
        status_data = {
            "status": "processed",
            "result": result
        }

        async with self.session.put(
            f"{self.api_base_url}/api/messages/{message_id}/status",
            json=status_data
        ) as response:
            return response.status == 200
