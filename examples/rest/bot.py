"""A chat bot that has an agent do the work: `!bikes MAKE...` on its input is what somebody types in the chat.

usage: bot.py HOST:PORT NAME SCRAPER URL
"""

import sys
from datetime import datetime, timedelta

from store import Refused, Store


def answer(store, scraper, url, makes):
    task = {"task_type": "scrape_motorcycle_data", "parameters": {"url": url, "filters": makes}}
    expires = datetime.utcnow() + timedelta(minutes=5)
    message_id = store.send(scraper, "task", task, priority=3, expires_at=expires.isoformat())
    try:
        bikes = store.outcome(message_id)["bikes"]
    except Refused as refused:
        return f"Sorry, that did not work ({refused})"
    if not bikes:
        return "There is none"
    return "; ".join(f"{bike['make']} {bike['model']} for {bike['price']}" for bike in bikes)


def main():
    address, name, scraper, url = sys.argv[1:]
    store = Store(address, name)
    store.register("discord_bot", "chat")
    for line in sys.stdin:
        command, *words = line.split()
        if command == "!bikes":
            print(answer(store, scraper, url, [word.lower() for word in words]), flush=True)
        elif command == "!broken":
            print(answer(store, scraper, url + "/nowhere", []), flush=True)


if __name__ == "__main__":
    main()
