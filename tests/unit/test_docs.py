"""The documents keep up with the code: links, errors, inferences, commands and parameters."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
import typer.main
import yaml
from airlift import errors
from airlift.plan import Plan
from airlift.plan_check import check
from airlift.readiness import CHECKS, VAULT_CHECKS
from airlift.restore import FAMILIES
from airlift.restore.common import OPTIONS
from airlift_cli.main import app
from botocore import xform_name

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(path for folder in ("", "docs/**/", "events/", "accounts/") for path in ROOT.glob(f"{folder}*.md"))
CHECKLIST = (ROOT / "docs/real-aws-checklist.md").read_text()
ROWS = [line for line in CHECKLIST.splitlines() if line.startswith("| ") and " how to verify " not in line]
_GLOBAL = {"region", "query", "output", "profile"}
_SERVICES = {"s3api": "s3"}
# What the aws CLI has of its own: commands, and an option that it calls otherwise.
_OWN_COMMANDS = [["cloudformation", "deploy"], ["s3", "cp"], ["sso", "login"]]
_RENAMED = {"endpoint": "notification-endpoint"}


def _names(document: Path) -> str:
    return str(document.relative_to(ROOT))


def _anchor(heading: str) -> str:
    """As GitHub makes it: lower case, spaces to hyphens, punctuation gone."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def _anchors(document: Path) -> set[str]:
    return {_anchor(line.lstrip("#")) for line in document.read_text().splitlines() if line.startswith("#")}


def _code(document: Path) -> list[str]:
    """All inline code and all lines of shell blocks, continued lines joined."""
    text = document.read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def _commands(document: Path, program: str) -> list[list[str]]:
    code = (part.strip() for line in _code(document) for part in line.split(" && "))
    return [shlex.split(part, comments=True) for part in code if part.startswith(f"{program} ")]


def _links(document: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", document.read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_links_resolve(document: Path) -> None:
    for target in _links(document):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), f"{target} leads nowhere"
        assert not anchor or anchor in _anchors(linked), f"{target}: no such heading"


def test_every_file_with_an_inference_has_a_row_in_the_checklist() -> None:
    marked = [
        str(path.relative_to(ROOT))
        for folder in ("functions", "local")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if re.search(r"\binferred\b", path.read_text())
    ]
    assert len(marked) > 40
    assert len(ROWS) > 100
    missing = [path for path in marked if not any(path in row for row in ROWS)]
    assert not missing, "docs/real-aws-checklist.md has no row for these"


def _defined(path: Path) -> set[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    names = {n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    return names | set(re.findall(r"^([A-Z_]+)\b.*=", path.read_text(), re.MULTILINE))


def test_places_that_the_checklist_names_exist() -> None:
    places = re.findall(r"`((?:functions|local)/[\w/.]+\.py):(\w+)`", CHECKLIST)
    assert len(places) > 150
    assert not [f"{path}:{name}" for path, name in places if name not in _defined(ROOT / path)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:50])
def test_rows_of_the_checklist_are_whole(row: str) -> None:
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
    assert len(cells) == 5
    assert all(cells)


RUNBOOK = ROOT / "docs/runbook.md"


def _in_rows(document: Path) -> set[str]:
    """What the first column of a document's tables gives in code."""
    rows = [line.split("|")[1] for line in document.read_text().splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def _in_code(pattern: str, files: str = "functions/airlift/**/*.py") -> set[str]:
    return {name for path in ROOT.glob(files) for name in re.findall(pattern, path.read_text())}


def _states(*kinds: str) -> set[str]:
    return {
        name
        for machine in ROOT.glob("statemachine/*.asl.json")
        for name, state in yaml.safe_load(machine.read_text())["States"].items()
        if state["Type"] in kinds
    }


def _named_ends() -> set[str]:
    """Everything that a red execution may be called: errors, Fail states and the endings of vaults."""
    defined = {
        name
        for name, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, errors.AirliftError) and error is not errors.AirliftError
    }
    given = _in_code(r'Ending\(\s*"(\w+)"', "functions/airlift/endings.py")
    return defined | given | {"TimedOut", "Failed", "States.Runtime", "States.TaskFailed"} | _states("Fail")


def _reasons_to_hold() -> set[str]:
    """The words after `held:`, as the table of failures and the checks before a start have them."""
    written = _in_code(r'(?:\bCause|_rule)\(\s*"(?:point|environment|unknown)",\s*"([^"]+)"')
    return written | {f"{kind} not ready" for kind in _in_code(r'\bLack\("(\w+)"')}


def _readiness_checks() -> set[str]:
    rows = {row.name for row in VAULT_CHECKS} | {row.name for row in CHECKS}
    return rows | _in_code(r'\bResult\(\s*"([^"]+)"')


@pytest.mark.parametrize("named", [_named_ends, _reasons_to_hold, _readiness_checks])
def test_everything_that_can_go_wrong_has_a_row_in_the_runbook(named: Callable[[], set[str]]) -> None:
    assert len(named()) > 10
    assert named() - _in_rows(RUNBOOK) == set()


def test_every_alarm_and_every_situation_has_its_section_in_the_runbook() -> None:
    alarms = re.findall(
        r"^  (\w+):.*\n    Type: AWS::CloudWatch::Alarm", (ROOT / "template.yaml").read_text(), re.MULTILINE
    )
    text = RUNBOOK.read_text()
    assert len(alarms) > 5
    assert {_anchor(alarm) for alarm in alarms} <= _anchors(RUNBOOK)
    index = set(re.findall(r"\(#([\w-]+)\) \|$", text, re.MULTILINE))
    told = {"who-is-told"}  # about notices, no situation
    assert {_anchor(title) for title in re.findall(r"^## (.*)", text, re.MULTILINE)} - told <= index


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_aws_commands_are_as_botocore_knows_them(document: Path) -> None:
    session = botocore.session.get_session()
    for command in _commands(document, "aws"):
        _, service, operation, *arguments = command
        if [service, operation] in _OWN_COMMANDS:
            continue
        model = session.get_service_model(_SERVICES.get(service, service))
        known = {xform_name(name, "-"): name for name in model.operation_names}
        assert operation in known, " ".join(command)
        shape = model.operation_model(known[operation]).input_shape
        members = {xform_name(name, "-") for name in (shape.members if shape else {})}
        options = {_RENAMED.get(name, name) for name in members} | _GLOBAL
        given = {word[2:] for word in arguments if word.startswith("--")}
        assert given <= options, " ".join(command)


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_airlift_commands_exist(document: Path) -> None:
    top = typer.main.get_command(app)
    for command in _commands(document, "airlift"):
        current, common = top, {option for parameter in top.params for option in parameter.opts}
        for word in command[1:]:
            if hasattr(current, "commands"):
                assert word.startswith("-") or word in current.commands, " ".join(command)
                current = current.commands.get(word, current)
            elif word.startswith("--"):
                options = common | {option for parameter in current.params for option in parameter.opts}
                assert word in options, " ".join(command)


_PLAN = Plan.model_json_schema(by_alias=True)
_EXAMPLE = yaml.safe_load((ROOT / "plans/example.yaml").read_text())


def _over(part: Any, whole: Any) -> Any:
    """A part of a plan laid over a whole one."""
    if not (isinstance(part, dict) and isinstance(whole, dict)):
        return part
    return whole | {key: _over(value, whole.get(key)) for key, value in part.items()}


def _members(schema: dict[str, Any]) -> dict[str, Any]:
    """The keys of a part of the plan, whatever may stand in for it or contain it."""
    reference = schema.get("$ref", "").rpartition("/")[2]
    found = dict(_PLAN["$defs"][reference] if reference else schema)
    parts = [*found.get("anyOf", ()), *filter(None, [found.get("items")])]
    own: dict[str, Any] = found.get("properties", {})
    return own | {key: one for part in parts for key, one in _members(part).items()}


def _keys(document: Path) -> list[str]:
    """Keys of the plan that a document gives with a dot."""
    names = re.findall(r"`([a-z]\w+(?:\.[a-z]\w+)+)[^`\n]*`", document.read_text())
    return [name for name in names if name.split(".")[0] in _PLAN["properties"] and not name.endswith(".py")]


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_keys_of_the_plan_exist(document: Path) -> None:
    for name in _keys(document):
        members = _PLAN["properties"]
        for key in name.split("."):
            assert key in members, name
            members = _members(members[key])


def _parts_of_plans(document: Path) -> list[str]:
    return re.findall(r"^```yaml\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=_names)
def test_parts_of_a_plan_pass_its_check(document: Path) -> None:
    for block in _parts_of_plans(document):
        plan = _over(yaml.safe_load(block), _EXAMPLE)
        assert [problem for problem in check(plan) if problem.severity == "error"] == []


def test_modules_that_documents_name_exist() -> None:
    folders = ("functions", "local", "cli", "bench", "checks", "tests")
    modules = {path.name for folder in folders for path in (ROOT / folder).rglob("*.py")}
    named = {name for path in DOCUMENTS for name in re.findall(r"`(?:[\w/<>]+/)?(\w+\.py)\b", path.read_text())}
    assert len(named) > 80
    assert named - modules == set()


def _deployments(path: Path) -> list[str]:
    return re.findall(r"^.*\bsam deploy --.*$", path.read_text().replace("\\\n", " "), re.MULTILINE)


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / "samconfig.toml"], ids=_names)
def test_every_deployment_that_is_documented_is_preceded_by_the_check(path: Path) -> None:
    for deployment in _deployments(path):
        assert re.search(r"airlift deploy-check --region (\S+) +&& +sam deploy --region \1\b", deployment), deployment


def test_the_guide_explains_every_parameter_of_the_template() -> None:
    template = (ROOT / "template.yaml").read_text()
    parameters = yaml.safe_load(template[template.index("Parameters:") : template.index("\nConditions:")])["Parameters"]
    guide = (ROOT / "docs/guide.md").read_text()
    assert len(parameters) > 10
    assert set(re.findall(r"^\| `(\w+)` \|", guide, re.MULTILINE)) >= set(parameters)


def test_each_type_and_option_is_told() -> None:
    text = (ROOT / "docs/resource-types.md").read_text()
    told = set(re.findall(r"`([\w ]+)`", text))
    for family in FAMILIES:
        assert {*family.resource_types, *family.option_keys, *OPTIONS} - told == set()


def test_the_architecture_shows_every_state() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    states = _states("Task", "Map", "Succeed", "Fail")
    assert len(states) > 15
    assert not [name for name in states if not re.search(rf"\b{name}\b", text)]


def test_tests_that_documents_name_exist() -> None:
    tests = {name for path in (ROOT / "tests").rglob("test_*.py") for name in _defined(path)}
    named = {name for path in DOCUMENTS for name in re.findall(r"`(test_\w+)`", path.read_text())}
    assert len(named) > 50
    assert named - tests == set()


@pytest.mark.parametrize(
    ("found", "least"),
    [
        (_links, 150),
        (_keys, 20),
        (_parts_of_plans, 2),
        (_deployments, 4),
        (lambda document: _commands(document, "aws"), 100),
        (lambda document: _commands(document, "airlift"), 150),
    ],
    ids=["links", "keys", "parts of plans", "deployments", "aws", "airlift"],
)
def test_there_is_something_to_look_at(found: Callable[[Path], list[Any]], least: int) -> None:
    """A pattern that no longer finds anything would let its test pass on every document."""
    assert sum(len(found(document)) for document in DOCUMENTS) >= least
