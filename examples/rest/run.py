"""A chat bot and a scraper at work over HTTP, with a page of this program's own.

usage: run.py PROGRAM        starts a server of its own in a folder that is removed again
"""

import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).parent
PAGE = b"""<!doctype html><title>Bikes</title><table>
<tr><th>Make</th><th>Model</th><th>Price</th></tr>
<tr><td>Honda</td><td>CB500F</td><td>6200</td></tr>
<tr><td>Yamaha</td><td>MT-07</td><td>7100</td></tr>
<tr><td>Ducati</td><td>Monster</td><td>11500</td></tr>
</table>"""


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        is_here = self.path == "/bikes"
        self.send_response(200 if is_here else 404)
        self.end_headers()
        self.wfile.write(PAGE if is_here else b"no such page")

    def log_message(self, *_):
        pass


def start(program, folder):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FOLKMOOT_")}
    for pair in os.environ.get("FOLKMOOT_TEST_SETTINGS", "").split():
        environment[f"FOLKMOOT_{pair.split('=')[0].upper().replace('.', '_')}"] = pair.split("=")[1]
    command = [program, "serve", "--listen", "127.0.0.1:0", "--data", str(folder), "--set", "history.store=sqlite"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    return server, server.stdout.readline().split()[2]


def agent(file, *arguments, **options):
    command = [sys.executable, "-B", str(HERE / file), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def main():
    page = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{page.server_port}/bikes"
    running = []
    with tempfile.TemporaryDirectory(prefix="rest-") as folder:
        server, address = start(sys.argv[1], Path(folder) / "data")
        running.append(server)
        try:
            scraper = agent("scraper.py", address, "scraper_bikes")
            running.append(scraper)
            print(scraper.stdout.readline(), end="", flush=True)
            bot = agent("bot.py", address, "discord_bot_001", "scraper_bikes", url, stdin=subprocess.PIPE)
            running.append(bot)
            said, _ = bot.communicate("!bikes honda yamaha\n!bikes vespa\n!broken\n", timeout=60)
        finally:
            for process in reversed(running):
                process.terminate()
                process.wait()
            page.shutdown()
    print(said, end="")
    first, none, broken = said.splitlines()
    assert first == "Honda CB500F for 6200; Yamaha MT-07 for 7100", first
    assert none == "There is none", none
    assert broken.startswith("Sorry") and "404" in broken, broken
    print("the bot was answered")


if __name__ == "__main__":
    main()
