"""What stands in deploy/ for those who run a server for good, judged by the tools that would read it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose
from program import PROGRAM, environment
from test_metrics import metrics, work

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/folkmoot.rules.yml"
BOARD = DEPLOY / "grafana/folkmoot.json"
COMPOSE = sorted((DEPLOY / "compose").glob("*.yaml"))
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
KUBERNETES = ("1.29", "1.37")
OURS = re.compile(r"\b(?:folkmoot|messages?|transport|circuit)_[a-z0-9_]+\b")
OF_SETTINGS = re.compile(r"^FOLKMOOT_")


def promtool(*arguments, **options):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules():
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def targets():
    """The expressions of the board's panels, and of its variables."""
    board = json.loads(BOARD.read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    queries = [each["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    return found, [re.fullmatch(r"label_values\((.*), \w+\)", query)[1] for query in queries]


def test_B10_promtool_takes_the_rules_and_they_are_alarmed_by_what_they_should():
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    promtool("test", "rules", "folkmoot.test.yml", cwd=RULES.parent)


def test_B10_each_alarm_is_tested():
    tested = yaml.safe_load((RULES.parent / "folkmoot.test.yml").read_text())["tests"]
    named = {each["alertname"] for test in tested for each in test["alert_rule_test"] if each.get("exp_alerts")}
    assert {rule["alert"] for rule in rules() if "alert" in rule} == named
    for rule in rules():
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("warning", "critical")
            assert {"summary", "description"} <= rule["annotations"].keys()


def test_X7_promtool_takes_the_configuration(tmp_path):
    for name in ("prometheus.yml", "folkmoot.rules.yml"):
        shutil.copy(RULES.parent / name, tmp_path)
    (tmp_path / "token").write_text("x")
    promtool("check", "config", "prometheus.yml", cwd=tmp_path)


def test_X7_each_expression_of_the_board_is_one(tmp_path):
    expressions, _ = targets()
    assert len(expressions) > 20
    filled = [
        each.replace("$__rate_interval", "1m").replace("$job", "folkmoot").replace("$instance", ".*")
        for each in expressions
    ]
    recorded = [{"record": f"board:{number}", "expr": each} for number, each in enumerate(filled)]
    file = tmp_path / "board.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "board", "rules": recorded}]}))
    promtool("check", "rules", str(file))


def test_X7_the_board_is_whole():
    board = json.loads(BOARD.read_text())
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids) and board["uid"] == "folkmoot"
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }  # yapf: disable
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or (panel["targets"] and panel["description"]), panel["title"]


def test_B9_B10_a_server_that_runs_has_every_metric_that_board_and_rules_name(make_server):
    server = make_server("--set", "history.store=sqlite")
    work(server).close()
    known = {key[0] for key in metrics(server)[0]}
    expressions, variables = targets()
    for text in [*expressions, *variables, *(rule["expr"] for rule in rules())]:
        for name in OURS.findall(re.sub(r"folkmoot:\w+:\w+", "", re.sub(r'"[^"]*"', "", text))):
            assert name in known, f"{name} in {text}"


@pytest.mark.parametrize("file", COMPOSE, ids=lambda each: each.name)
def test_B8_a_compose_file_is_one(file):
    text = file.read_text()
    PyCompose.from_yaml(text).to_spec()
    services = yaml.safe_load(text)["services"]
    volumes = yaml.safe_load(text)["volumes"]
    for name, service in services.items():
        assert set(service.get("depends_on", {})) <= services.keys(), name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in volumes, name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} can be reached from other machines"


def test_B8_compose_files_are_alone_and_with_a_database_and_redis():
    assert [each.name for each in COMPOSE] == ["folkmoot-postgres-redis.yaml", "folkmoot.yaml"]


def serve_help():
    command = [PROGRAM, "serve", "--help"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment()).stdout


def test_B8_settings_of_the_files_are_settings():
    help_text = serve_help()
    for file in [*COMPOSE, *MANIFESTS]:
        for name in re.findall(r"^\s*(?:- name: )?(FOLKMOOT_[A-Z_]+)\b", file.read_text(), re.M):
            if name == "FOLKMOOT_ADDRESS":
                continue  # of clients
            words = name.removeprefix("FOLKMOOT_").lower().split("_")
            names = {words[0] + "." + "_".join(words[1:]), "_".join(words)}
            assert any(re.search(rf"^  {re.escape(each)} ", help_text, re.M) for each in names), name


def objects():
    for file in MANIFESTS:
        yield from yaml.safe_load_all(file.read_text())


@pytest.mark.parametrize("version", KUBERNETES)
def test_B8_kubernetes_takes_the_manifests(version):
    kinds = set()
    for each in objects():
        kubernetes_validate.validate(each, version, strict=True)
        kinds.add(each["kind"])
    assert {"StatefulSet", "Service", "PodDisruptionBudget", "ConfigMap", "NetworkPolicy"} <= kinds


def test_B8_the_manifests_fit_together():
    by_kind = {}
    for each in objects():
        by_kind.setdefault(each["kind"], []).append(each)
    (stateful,) = by_kind["StatefulSet"]
    labels = stateful["spec"]["template"]["metadata"]["labels"].items()
    assert stateful["spec"]["selector"]["matchLabels"].items() <= labels
    assert stateful["spec"]["serviceName"] in {each["metadata"]["name"] for each in by_kind["Service"]}
    for each in by_kind["Service"]:
        assert each["spec"]["selector"].items() <= labels
    (budget,) = by_kind["PodDisruptionBudget"]
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    mounts = {each["name"] for each in container["volumeMounts"]}
    volumes = {each["name"] for each in stateful["spec"]["template"]["spec"]["volumes"]}
    assert mounts == volumes | {each["metadata"]["name"] for each in stateful["spec"]["volumeClaimTemplates"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] in {each["name"] for each in container["ports"]}


def test_B8_a_server_starts_on_what_the_manifests_give_it_and_its_probes_are_answered(make_server, tmp_path):
    settings = tmp_path / "folkmoot.toml"
    (config,) = [each for each in objects() if each["kind"] == "ConfigMap"]
    settings.write_text(config["data"]["folkmoot.toml"])
    (stateful,) = [each for each in objects() if each["kind"] == "StatefulSet"]
    (container,) = stateful["spec"]["template"]["spec"]["containers"]
    assert container["args"][:1] == ["serve"] and "--config" in container["args"]
    server = make_server("--config", str(settings), "--token", "secret")
    from test_http import Http

    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert Http(server)("GET", container[probe]["httpGet"]["path"])[0] == 200
