"""The list of operations, walked at every door: each operation, with each of its fields missing, wrong, out of bounds
and unknown, is answered as the list says - natively, on WebSockets, over HTTP and at the command line, with one shard
and three.

What there is to walk comes from the server's own OpenAPI document, so that an operation more needs no line here. With
FOLKMOOT_MORE the program is one whose list has an operation more than the product's: it must be everywhere too.
"""

import json
import os
import urllib.error
import urllib.request
import uuid

import pytest
from native import Client, Refused
from test_websocket import run

MORE = os.environ.get("FOLKMOOT_MORE")
SAMPLES = {
    "sequences": [1],
    "name": "walked", "id": str(uuid.uuid4()), "conversation": "c", "agent": "ann", "targets": ["box"],
    "every_ms": "1h", "message": {"to": "box", "content": "x"}, "load": 3, "all": True, "how": "hook",
    "agents": ["ann"], "wake": "1", "account": "ann", "subject": "ann", "action": "send", "resource": "box",
    "rights": ["publish"], "lease": "1",
    "url": "http://127.0.0.1:9/", "secret": "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
}
# What an operation says to good arguments where there is nothing of that name or id.
EMPTY = {"not_found"}
FIRST = {"account.add"}  # which must be an admin's: not_permitted


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def walked(make_server, request):
    return make_server("--set", f"shards={request.param}")


def http(server, method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://{server.address}{path}", data=data, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=20) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())


class Operation:
    def __init__(self, document, path, method, row):
        self.name, self.path, self.method = row["operationId"], path, method.upper()
        self.fields = {p["name"]: p["schema"] for p in row["parameters"] if p["in"] != "header"}
        self.in_path = [p["name"] for p in row["parameters"] if p["in"] == "path"]
        self.required = [p["name"] for p in row["parameters"] if p.get("required")]
        if "requestBody" in row:
            schema = row["requestBody"]["content"]["application/json"]["schema"]
            self.fields.update(schema["properties"])
            self.required += schema["required"]

    def sample(self):
        wanted = set(self.required) | ({"every_ms", "all", "agent", "sequences"} & set(self.fields))
        wanted |= {"secret"} & set(self.fields if "url" in self.required else ())
        return {name: SAMPLES[name] if name in SAMPLES else example(self.fields[name]) for name in wanted}

    def wrong(self):
        """(arguments, what the error must name), each wrong in one way."""
        good = self.sample()
        for name in set(self.required) - {"agent"}:  # left out, it is the one who asks
            yield {other: value for other, value in good.items() if other != name}, name
        for name, schema in self.fields.items():
            for value in wrong_values(schema):
                yield {**good, name: value}, name
        yield {**good, "surprise": 1}, "surprise"

    def over_http(self, server, arguments):
        path = self.path
        for name in self.in_path:
            path = path.replace("{%s}" % name, urllib.request.quote(str(arguments[name]), safe=""))
        rest = {name: value for name, value in arguments.items() if name not in self.in_path}
        if self.method in ("GET", "DELETE"):
            query = "&".join(f"{name}={urllib.request.quote(text(value), safe='')}" for name, value in rest.items())
            return http(server, self.method, f"{path}?{query}" if query else path)
        return http(server, self.method, path, rest)


def text(value):
    return value if isinstance(value, str) else json.dumps(value)


def kinds(schema):
    return [schema, *schema.get("anyOf", [])]


def example(schema):
    types = [kind.get("type") for kind in kinds(schema)]
    return 1 if "integer" in types else True if "boolean" in types else ["x"] if "array" in types else "x"


def wrong_values(schema):
    """Values of another type, and just outside the bounds."""
    for kind in kinds(schema):
        if kind.get("type") == "integer":
            if "maximum" in kind:
                yield kind["maximum"] + 1
            yield -1
            if kind.get("minimum"):
                yield kind["minimum"] - 1
        if kind.get("type") == "string" and "maxLength" in kind:
            yield "x" * (kind["maxLength"] + 1)
        if kind.get("format") == "uuid":
            yield "no-id"
        if "enum" in kind:
            yield "no such word"
    if schema.get("type") == "boolean":
        yield 7
    if schema.get("type") != "object" and "$ref" not in schema:
        yield {"an": "object"}


def operations(server):
    status, document = http(server, "GET", "/openapi.json")
    assert status == 200 and document["openapi"].startswith("3.1")
    found = [Operation(document, path, method, row) for path, methods in document["paths"].items()
             for method, row in methods.items() if "." in row["operationId"]]
    assert len(found) >= 16
    return found


def undo(server, operation, answer):
    """There is one backup at a time: what was begun at one door ends before the next door is tried."""
    if operation.name == "backup.begin":
        number = answer.get("result", answer)["backup"]
        assert http(server, "DELETE", f"/api/backups/{number}")[0] == 200


def test_every_operation_does_its_work_at_every_door(walked):
    with_client = Client(("127.0.0.1", walked.port), agent="walker")
    for operation in operations(walked):
        good = operation.sample()
        seen = []
        try:
            undo(walked, operation, with_client.carry_out(operation.name, **good))
            seen.append("done")
        except Refused as refused:
            seen.append(refused.name)
        for ask in operation.over_http, lambda server, body: http(server, "POST", f"/api/call/{operation.name}", body):
            status, body = ask(walked, good)
            seen.append("done" if status < 300 else body["code"])
            undo(walked, operation, body)
        # What the shell begins ends with its connection.
        done = walked.cli("call", operation.name, *[f"{name}={part}" for name, value in good.items()
                                                    for part in (value if isinstance(value, list) else [text(value)])])
        seen.append("done" if done.returncode == 0 else done.stderr.split(": ")[1])

        async def steps(me, _):
            for ask in ({"op": operation.name, "request": 1, **good},
                        {"op": "call", "request": 2, "name": operation.name, "arguments": good}):
                answer = await me.ask(ask.pop("op"), **ask)
                seen.append("done" if answer["op"] in ("ok", "confirm") else answer["code"])
                undo(walked, operation, answer)

        run(walked, steps)
        may_be = {"not_permitted"} if operation.name in FIRST else {"done"} | EMPTY
        assert set(seen) <= may_be, (operation.name, seen)


def test_what_is_wrong_is_refused_by_its_name_at_every_door(walked):
    client = Client(("127.0.0.1", walked.port), agent="walker")
    tried = 0
    for operation in operations(walked):
        for arguments, named in operation.wrong():
            tried += 1
            with pytest.raises(Refused) as met:
                client.carry_out(operation.name, **arguments)
            assert f"`{named}`" in str(met.value), (operation.name, arguments, str(met.value))
            status, body = http(walked, "POST", f"/api/call/{operation.name}", arguments)
            assert 400 <= status < 500 and f"`{named}`" in body["error"], (operation.name, arguments, body)
            # In a query everything is text.
            is_told = operation.method not in ("GET", "DELETE") or not isinstance(arguments.get(named), dict)
            if is_told and all(name in arguments and isinstance(arguments[name], str) and arguments[name]
                               for name in operation.in_path):
                status, body = operation.over_http(walked, arguments)
                assert 400 <= status < 500, (operation.name, arguments, status, body)
    assert tried > 100

    async def steps(me, _):
        for operation in operations(walked):
            for arguments, named in operation.wrong():
                for answer in [await me.ask(operation.name, request=1, **arguments),
                               await me.ask("call", request=2, name=operation.name, arguments=arguments)]:
                    assert answer["op"] == "error" and f"`{named}`" in answer["error"], (operation.name, arguments,
                                                                                         answer)

    run(walked, steps)


def test_what_is_wrong_is_refused_by_its_name_at_the_command_line(server):
    for operation in operations(server):
        for arguments, named in operation.wrong():
            if isinstance(arguments.get(named), dict):
                continue  # in FIELD=VALUE everything is text
            done = server.cli(
                "call", operation.name, *[
                    f"{name}={part}" for name, value in arguments.items()
                    for part in (value if isinstance(value, list) else [text(value)])
                ])
            assert done.returncode in (1, 2) and named in done.stderr, (operation.name, arguments, done)


def test_an_unknown_operation_is_refused_with_the_nearest_one(walked):
    client = Client(("127.0.0.1", walked.port), agent="walker")
    with pytest.raises(Refused, match="did you mean `dead.list`"):
        client.carry_out("dead.lst")
    status, body = http(walked, "POST", "/api/call/dead.lst", {})
    assert status == 404 and "did you mean `dead.list`" in body["error"]
    wrong = walked.cli("call", "dead.lst")
    assert wrong.returncode == 2 and "did you mean `dead.list`" in wrong.stderr

    async def steps(me, _):
        answer = await me.ask("dead.lst", request=5)
        assert (answer["op"], answer["request"], answer["code"]) == ("error", 5, "unknown_opcode")
        assert "did you mean `dead.list`" in answer["error"]

    run(walked, steps)


@pytest.mark.parametrize("path", [
    "/api/messages?agent=a&limt=3", "/health?verbose=1", "/api/routes?nmae=x", "/api/messages/x?full=1",
    "/api/events?patern=a"
])
def test_an_unknown_query_parameter_is_refused(server, path):
    status, body = http(server, "GET", path)
    assert status == 400 and body["code"] == "invalid_field", body
    assert "is no parameter of" in body["error"]


def test_a_duration_without_a_unit_is_refused_where_a_person_writes_it(server):
    wrong = server.cli("call", "mailbox.configure", "name=a", "default_ttl_ms=300")
    assert wrong.returncode == 2 and "without a unit" in wrong.stderr and "300ms" in wrong.stderr
    assert server.cli("call", "mailbox.configure", "name=a", "default_ttl_ms=300ms").returncode == 0


def test_an_operation_more_is_everywhere_with_no_further_line(make_server):
    """The program of this test has one more in its list: tests/integration/one_more_operation.hpp."""
    if not MORE:
        pytest.fail("FOLKMOOT_MORE names no program with an operation more")
    import program
    usual, program.PROGRAM = program.PROGRAM, MORE
    try:
        for shards in 1, 3:
            server = make_server("--set", f"shards={shards}")
            client = Client(("127.0.0.1", server.port), agent="walker")
            sums = {"text": "hi", "shards": shards}
            assert client.carry_out("test.echo", text="hi") == sums
            with pytest.raises(Refused, match="`times` is 9; it may be 1 to 3"):
                client.carry_out("test.echo", text="hi", times=9)
            assert http(server, "GET", "/api/test/hi") == (200, sums)
            assert http(server, "POST", "/api/call/test.echo", {"text": "hi"}) == (200, sums)
            assert json.loads(server.cli("call", "test.echo", "text=hi").stdout) == sums
            assert "test.echo" in server.cli("describe").stdout
            assert "/api/test/{text}" in http(server, "GET", "/openapi.json")[1]["paths"]

            async def steps(me, _):
                assert (await me.ask("test.echo", request=1, text="hi"))["result"] == sums

            run(server, steps)
    finally:
        program.PROGRAM = usual
