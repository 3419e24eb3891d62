"""A collector of OpenTelemetry that takes OTLP/HTTP in JSON, and reads it by the protocol's own messages."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

# In OTLP's JSON these are hexadecimal; in that of protobuf, which reads it here, base64.
IDS = ("traceId", "spanId", "parentSpanId")


def read_request(body):
    """ExportTraceServiceRequest; what is not in the protocol is an error."""
    document = json.loads(body)
    for resource in document["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in IDS:
                    digits = span[name]
                    assert digits == digits.lower()
                    span[name] = base64.b64encode(bytes.fromhex(digits)).decode()
    return json_format.ParseDict(document, ExportTraceServiceRequest())


def value_of(any_value):
    return getattr(any_value, any_value.WhichOneof("value"))


class Span:
    def __init__(self, span, resource):
        self.trace = span.trace_id.hex()
        self.id = span.span_id.hex()
        self.parent = span.parent_span_id.hex()
        self.name = span.name
        self.kind = span.kind
        self.began, self.ended = span.start_time_unix_nano, span.end_time_unix_nano
        self.attributes = {each.key: value_of(each.value) for each in span.attributes}
        self.status = span.status
        self.resource = resource

    def __repr__(self):
        return f"{self.name} {self.id} below {self.parent} {self.attributes} {self.status.message}"


class Collector:
    """`answers`: statuses that the next requests get; then 200. A status of 0 is no answer at all."""

    def __init__(self):
        self.spans, self.requests, self.answers = [], [], []
        self.lock = threading.Lock()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with collector.lock:
                    status = collector.answers.pop(0) if collector.answers else 200
                    collector.requests.append((self.path, dict(self.headers), status))
                    if status == 200:
                        collector.take(body)
                if status == 0:
                    return self.connection.close()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.http.server_port}/v1/traces"

    def take(self, body):
        for resource in read_request(body).resource_spans:
            of = {each.key: value_of(each.value) for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                assert scope.scope.name == "folkmoot"
                self.spans += [Span(span, of) for span in scope.spans]

    def wait_for(self, count, seconds=20):
        """At least so many spans, once no more come for a moment."""
        end = time.monotonic() + seconds
        while True:
            with self.lock:
                spans = list(self.spans)
            if len(spans) >= count:
                time.sleep(1.5)
                with self.lock:
                    if len(self.spans) == len(spans):
                        return spans
            assert time.monotonic() < end, spans
            time.sleep(0.05)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
