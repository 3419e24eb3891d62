"""The documents that the server writes about itself, OpenAPI 3.1 of its HTTP door and AsyncAPI 3.0 of its WebSockets:
judged by packages made for it, and driven against the server. Everything that they name is asked, rightly and wrongly,
and whatever is answered must be what they say.

This runs in an environment of its own, that ctest makes (make_venv.py, documents_requirements.txt).
"""

import copy
import itertools
import json
import re
import time
import urllib.request

import pytest
import requests

try:
    import schemathesis
    from asyncapi3.models.asyncapi import AsyncAPI3
    from hypothesis import HealthCheck, given, settings
    from jsonschema import Draft7Validator
    from openapi_spec_validator import validate
    from pydantic import ValidationError
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import (content_type_conformance, response_headers_conformance,
                                                   response_schema_conformance, status_code_conformance)
    from websockets.exceptions import ConnectionClosed
    from websockets.sync.client import connect as connect_websocket
except ImportError as missing:
    raise ImportError(f"{missing}: this test runs with what documents_requirements.txt names; "
                      "ctest -R documents makes an environment with it, as make_venv.py does") from missing

CHECKS = [status_code_conformance, content_type_conformance, response_headers_conformance, response_schema_conformance]
# The server may say no more than these of what it cannot do (docs/protocol.md, section 10).
UNABLE = {503: {"no_consumer", "busy"}, 504: {"timed_out"}, 507: {"disk_full"}}
WAITS = {"wait", "wait_ms", "timeout_ms"}  # cut short, so that the tests end
DURATION = re.compile(r"^[0-9.]+(ms|s|m|h|d)?$")


def examples(strategy, count):
    """So many, the same ones at each run. They are asked outside of hypothesis: a server has a state, and cannot be
    asked again."""
    found = []

    @settings(max_examples=count, deadline=None, database=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(strategy)
    def each(example):
        found.append(example)

    each()
    return found


@pytest.fixture(params=[1, 3], ids=["one_shard", "three_shards"])
def driven(make_server, request):
    return make_server("--set", f"shards={request.param}")


def fetch(server, path):
    with urllib.request.urlopen(f"http://{server.address}{path}", timeout=20) as answer:
        assert answer.headers["Content-Type"] == "application/json"
        return json.load(answer)


def resolve(document, reference):
    assert reference.startswith("#/"), reference
    found = document
    for step in reference[2:].split("/"):
        found = found[step]
    return found


def references(value):
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = value.values()
    if not isinstance(value, str) and hasattr(value, "__iter__"):
        for inner in value:
            yield from references(inner)


def test_X7_the_openapi_document_is_valid_and_the_same_everywhere(server):
    document = fetch(server, "/openapi.json")
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert document == json.loads(server.cli("describe", "--openapi").stdout)
    broken = copy.deepcopy(document)
    del broken["paths"]["/api/messages"]["post"]["responses"]["201"]["description"]
    with pytest.raises(Exception, match="description"):
        validate(broken)


def test_X7_the_asyncapi_document_is_valid_and_the_same_everywhere(server):
    document = fetch(server, "/asyncapi.json")
    AsyncAPI3.model_validate(document)
    assert document["asyncapi"] == "3.0.0"
    assert document == json.loads(server.cli("describe", "--asyncapi").stdout)
    refused = server.cli("describe", "--asyncapi", "--openapi")
    assert refused.returncode and "excludes" in refused.stderr
    for wrong in [lambda it: it["operations"]["publish"].pop("action"), lambda it: it["info"].pop("title"),
                  lambda it: it["operations"]["publish"].update(surprise=1),
                  lambda it: it["channels"]["websocket"].update(messages=[])]:
        broken = copy.deepcopy(document)
        wrong(broken)
        with pytest.raises(ValidationError):
            AsyncAPI3.model_validate(broken)


def test_X7_what_the_asyncapi_document_refers_to_is_there(server):
    document = fetch(server, "/asyncapi.json")
    for reference in references(document):
        resolve(document, reference)
    messages = document["channels"]["websocket"]["messages"]
    used = set()
    for name, operation in document["operations"].items():
        assert operation["action"] == ("send" if "reply" not in operation else "receive"), name
        for reference in references(operation["messages"] + operation.get("reply", {}).get("messages", [])):
            start, _, message = reference.rpartition("/")
            assert start == "#/channels/websocket/messages", reference
            used.add(message)
    assert used == set(messages)
    for message in messages.values():
        Draft7Validator.check_schema(message["payload"])
    for schema in document["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


# -- HTTP


def cut_short(value):
    """What would be waited for, where it is a duration at all."""
    if isinstance(value, bool) or not (isinstance(value, int) or isinstance(value, str) and DURATION.match(value)):
        return value
    return 20 if isinstance(value, int) else "20ms"


def shortened(fields, known):
    """The same without long waits: for messages, for answers, and between those that are sent again."""
    short = {name: cut_short(value) if name in WAITS else value for name, value in fields.items()}
    if "timeout_ms" in known:
        short.setdefault("timeout_ms", 20)
    if isinstance(short.get("per_second"), int):
        short["per_second"] = max(short["per_second"], 10_000)
    return short


def meaningful(body):
    """The same, to agents that are there or that others write to: else everything would end in empty mailboxes."""
    for message in [body, body.get("message"), *(body["messages"] if isinstance(body.get("messages"), list) else [])]:
        if isinstance(message, dict) and isinstance(message.get("to"), str) and message["to"]:
            message["to"] = "box"
    return body


def properties_of_body(operation):
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("schema", {}).get("properties", {})


def shorten(case):
    case.query = shortened(dict(case.query or {}), {})
    if isinstance(case.body, dict):
        case.body = shortened(case.body, properties_of_body(case.operation.definition.raw))
        if case.meta.generation.mode == GenerationMode.POSITIVE:
            case.body = meaningful(case.body)
    return case


def check_events(case, base):
    """Events have no end: their beginning is all that is looked at."""
    with requests.request(**case.as_transport_kwargs(base_url=base), stream=True, timeout=10) as answer:
        if answer.status_code == 200:
            assert answer.headers["Content-Type"] == "text/event-stream"
        else:
            assert 400 <= answer.status_code < 500 and {"code", "error"} <= set(answer.json()), answer.text


def check_answer(case, base):
    answer = case.call(base_url=base, timeout=20)
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code < 500:
        return
    documented = case.operation.definition.raw["responses"]
    assert str(answer.status_code) in documented, f"{case.method} {case.path}: {answer.status_code} {answer.text}"
    code = answer.json()["code"]
    assert code in UNABLE[answer.status_code], f"{case.method} {case.path}: {answer.text}"
    assert code in documented[str(answer.status_code)]["description"]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "wrong"])
def test_X7_every_path_answers_what_the_openapi_document_says(driven, mode):
    base = f"http://{driven.address}"
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    seen = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        is_stream = operation.path == "/api/events" and operation.method == "get"
        check = check_events if is_stream else check_answer
        if mode == GenerationMode.NEGATIVE and not (operation.query or operation.body or operation.path_parameters):
            continue  # nothing that could be wrong
        for case in examples(operation.as_strategy(generation_mode=mode), 8):
            check(shorten(case), base)
        seen.add(operation.label)
    assert len(seen) >= 25
    assert driven.running()


@pytest.mark.parametrize("role", ["agent", "observer", "nobody"])
def test_X7_U11_the_document_also_holds_for_those_who_may_not_do_all(make_server, role):
    """Without credentials, and with those of an account that may do little: the document says 401 and 403, too."""
    server = make_server()
    base = f"http://{server.address}"
    root = json.loads(server.cli("account", "add", "root", "--role", "admin", "--json").stdout)["key"]
    headers = {}
    if role != "nobody":
        made = server.cli("account", "add", "one", "--role", role, "--json", env={"FOLKMOOT_TOKEN": root})
        headers["Authorization"] = f"Bearer {json.loads(made.stdout)['key']}"
    document = requests.get(f"{base}/openapi.json", headers={"Authorization": f"Bearer {root}"}, timeout=20).json()
    refused = set()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        if (operation.path, operation.method) == ("/api/events", "get"):
            continue
        for case in examples(operation.as_strategy(generation_mode=GenerationMode.POSITIVE), 2):
            shorten(case).headers = {**dict(case.headers or {}), **headers}
            answer = case.call(base_url=base, timeout=20)
            case.validate_response(answer, checks=CHECKS)
            assert answer.status_code not in (500, 501, 502), f"{case.method} {case.path}: {answer.text}"
            if answer.status_code in (401, 403):
                refused.add(operation.label)
    assert len(refused) >= (20 if role != "nobody" else 60), sorted(refused)
    assert server.running()


# -- WebSockets


class Talk:
    """A connection that speaks JSON, and holds every answer against the document."""

    def __init__(self, server, document):
        self.address = f"ws://{server.address}/ws?agent=box"
        self.document = document
        self.messages = document["channels"]["websocket"]["messages"]
        self.validators = {}
        self.numbers = itertools.count(1)
        self.leases, self.seen = [], set()
        self.open()

    def open(self):
        self.asked = {}  # number -> the word it was asked with
        self.socket = connect_websocket(self.address, max_size=2**24)

    def close(self):
        self.socket.close()

    def allowed(self, word):
        """The messages that may answer a word, by their `op`."""
        reply = self.document["operations"][word.replace(".", "_")]["reply"]["messages"]
        names = [reference["$ref"].rpartition("/")[2] for reference in reply]
        return {self.messages[name]["payload"]["properties"]["op"]["const"]: name for name in names}

    def check(self, said):
        """Whether the answer is one that the document has for what was asked."""
        op, number = said["op"], said.get("request")
        unasked = op in ("goodbye", "withdrawn") or (op == "error" and number == 0)
        name = op if unasked else self.allowed(self.asked[number]).get(op)
        assert name, f"{self.asked[number]} is answered by {op}: {said}"
        payload = self.messages[name]["payload"]
        if name not in self.validators:
            self.validators[name] = Draft7Validator({**payload, "components": self.document["components"]})
        self.validators[name].validate(said)
        assert set(said) <= set(payload["properties"]), f"{name} has more than it says: {said}"
        self.seen.add(name)
        if "lease" in said:
            self.leases.append(said["lease"])
        return said

    def say(self, fields):
        """Until it is answered. What has no answer is told from what is late by a ping behind it."""
        number, behind = next(self.numbers), next(self.numbers)
        fields = {**fields, "request": number}
        self.asked[number], self.asked[behind] = fields["op"], "ping"
        may_be_silent = fields["op"] == "credit" or fields.get("quiet") is True
        try:
            self.socket.send(json.dumps(fields))
            self.socket.send(json.dumps({"op": "ping", "request": behind}))
            waiting = {behind} if may_be_silent else {number, behind}
            until = time.monotonic() + 20
            while waiting:
                said = self.check(json.loads(self.socket.recv(timeout=max(0, until - time.monotonic()))))
                waiting.discard(said.get("request"))
                if said["op"] == "error" and said["request"] == 0:
                    waiting.discard(number)
        except ConnectionClosed:
            assert "goodbye" in self.seen, f"no goodbye after {fields}"
            self.open()
        except TimeoutError:
            raise AssertionError(f"no answer to {fields}") from None


def objects(payload, schemas):
    """Objects of a schema, as bodies of a request that takes them: schemathesis knows no AsyncAPI."""
    body = {"required": True, "content": {"application/json": {"schema": payload}}}
    row = {"requestBody": body, "responses": {"200": {"description": "Done"}}}
    document = {"openapi": "3.1.0", "info": {"title": "", "version": ""}, "paths": {"/": {"post": row}},
                "components": {"schemas": schemas}}
    [operation] = schemathesis.openapi.from_dict(document).get_all_operations()
    return operation.ok().as_strategy(generation_mode=GenerationMode.POSITIVE)


def likely(fields, talk, payload):
    """The same, about what is there, every other time: so that not everything is refused."""
    fields = shortened(fields, payload["properties"])
    if next(talk.numbers) % 4 < 2:
        return fields
    fields = meaningful(fields)
    for name in {"mailbox", "agent"} & set(fields):
        fields[name] = "box"
    if "lease" in fields and talk.leases:
        fields["lease"] = talk.leases.pop()
    if fields.get("leases") and talk.leases:
        fields["leases"] = [talk.leases.pop()]
    if fields["op"] in ("publish", "request", "request_many") and isinstance(fields.get("message"), dict):
        fields["message"] = {"to": "box", "content": fields["message"].get("content", "")}
    return fields


def test_X7_every_word_is_answered_as_the_asyncapi_document_says(driven):
    document = fetch(driven, "/asyncapi.json")
    talk = Talk(driven, document)
    words = [word for word, operation in document["operations"].items() if operation["action"] == "receive"]
    # What sends comes first, so that there is something to take; what takes, before what settles.
    first = ["publish", "consume", "receive", "subscribe"]
    for word in [*first, *words]:
        payload = talk.messages[word]["payload"]
        for case in examples(objects(payload, document["components"]["schemas"]), 10):
            talk.say(likely(case.body, talk, payload))
    talk.close()
    assert {"confirm", "deliver", "settled", "ok", "error"} <= talk.seen, talk.seen
    assert len(words) >= 40
    assert driven.running()


def test_X7_words_that_are_wrong_are_refused_as_the_asyncapi_document_says(server):
    document = fetch(server, "/asyncapi.json")
    talk = Talk(server, document)
    for word, operation in document["operations"].items():
        if operation["action"] == "send":
            continue
        talk.seen.discard("error")
        talk.say({"op": talk.messages[word]["name"], "surprise": 1})
        assert "error" in talk.seen, f"{word} takes a field that its schema does not have"
    talk.close()
