"""An agent that fetches pages for others and says what is in them.

usage: scraper.py HOST:PORT NAME
"""

import sys
import time
import urllib.request
from html.parser import HTMLParser

from store import Store

PAGE_BYTES_MAX = 1 << 20


class Bikes(HTMLParser):
    """The rows of a page's table: its cells, one list each."""

    def __init__(self):
        super().__init__()
        self.rows, self.is_in_cell = [], False

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        self.is_in_cell = tag == "td"

    def handle_data(self, data):
        if self.is_in_cell:
            self.rows[-1].append(data.strip())
            self.is_in_cell = False


def scrape(url, filters):
    with urllib.request.urlopen(url, timeout=10) as answer:
        page = answer.read(PAGE_BYTES_MAX).decode()
    parser = Bikes()
    parser.feed(page)
    bikes = [dict(zip(("make", "model", "price"), row)) for row in parser.rows if len(row) == 3]
    return [bike for bike in bikes if not filters or bike["make"].lower() in filters]


def main():
    address, name = sys.argv[1:]
    store = Store(address, name)
    store.register("scraper", "scrape")
    print(f"{name} is there", flush=True)
    while True:
        for message in store.pending():
            parameters = message["content"].get("parameters", {})
            try:
                bikes = scrape(parameters["url"], parameters.get("filters", []))
            except (OSError, KeyError, ValueError) as error:
                store.failed(message["id"], f"{type(error).__name__}: {error}")
            else:
                store.processed(message["id"], {"bikes": bikes})
        store.heartbeat()
        time.sleep(0.2)


if __name__ == "__main__":
    main()
