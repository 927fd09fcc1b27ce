"""What README.md and docs/ point at is there: links, files, functions, flags."""

import ast
import re
from pathlib import Path

import pytest

from tests.support import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = [*ROOT.glob("*.py"), *(p for folder in ("lag", "libml", "scripts") for p in (ROOT / folder).rglob("*.py"))]
# absl's, TensorBoard's, sbatch's
FOREIGN_FLAGS = {"help", "logdir", "parsable", "requeue", "array", "wrap", "dependency"}

LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
FILE = re.compile(r"(?<![\w/.*-])((?:lag|libml|scripts|tests|runs|docs)/[\w./-]*[\w/]|[\w-]+\.(?:py|sh))(?![\w*])")
DEFINITION = re.compile(r"`([\w/]+\.py): ([\w.]+)`")
FLAG = re.compile(r"(?<![\w-])--([a-z]\w*)")
COMMAND = re.compile(r"\bpython (\S+\.py)\b([^\n#]*)")


def anchors(text: str) -> set[str]:
    """GitHub's names of a page's headings."""
    found: list[str] = []
    for heading in re.findall(r"^#+ +(.+)$", FENCED.sub("", text), re.M):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        found.append(slug if slug not in found else f"{slug}-{found.count(slug)}")
    return set(found)


def broken_links(page: Path, text: str) -> list[str]:
    wrong = []
    for target in (a or b for a, b in LINK.findall(FENCED.sub("", text))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        there = file == page or file.exists()
        if not there or (anchor and anchor not in anchors(text if file == page else file.read_text())):
            wrong.append(target)
    return wrong


def missing_files(text: str) -> list[str]:
    text = LINK.sub("", text)  # links start from the page, names of files from the root
    return [name for name in FILE.findall(text) if not (ROOT / name).exists()]


def missing_definitions(text: str) -> list[str]:
    """`file.py: name` or `file.py: Class.name` that the file does not define."""
    wrong = []
    for file, name in DEFINITION.findall(text):
        scope = ast.parse((ROOT / file).read_text()).body if (ROOT / file).exists() else []
        for part in name.split("."):
            scope = next((getattr(node, "body", [node]) for node in scope if part in defined(node)), None) or []
        if not scope:
            wrong.append(f"{file}: {name}")
    return wrong


def defined(node: ast.AST) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {name.id for target in targets if target for name in ast.walk(target) if isinstance(name, ast.Name)}


def flags_in(path: Path) -> set[str]:
    """Flags that a file defines with absl."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    of_absl = [c for c in calls if isinstance(c.func, ast.Attribute) and c.func.attr.startswith("DEFINE_")]
    return {c.args[0].value for c in of_absl if isinstance(c.args[0], ast.Constant)}


def config_fields() -> dict[str, set[str]]:
    """The options of each config class, with those of its bases."""
    own, bases = {}, {}
    for node in (n for path in SOURCES for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.ClassDef)):
        fields = [f for f in node.body if isinstance(f, ast.AnnAssign) and isinstance(f.value, ast.Call)]
        options = {f.target.id for f in fields if ast.unparse(f.value.func) == "option"}
        if options or node.name.endswith("Config"):
            own[node.name], bases[node.name] = options, [ast.unparse(b) for b in node.bases]

    def all_of(name: str) -> set[str]:
        name = name.split(".")[-1]
        return own.get(name, set()).union(*(all_of(base) for base in bases.get(name, [])))

    return {name: all_of(name) for name in own}


CONFIGS = config_fields()
ALL_FLAGS = set().union(*CONFIGS.values(), *(flags_in(path) for path in SOURCES)) | FOREIGN_FLAGS


def program_flags(program: Path) -> set[str]:
    """All flags of a program: its own and, where it trains, those of its config and of every training."""
    words = set(re.findall(r"\w+", program.read_text()))
    configs = [fields for name, fields in CONFIGS.items() if name in words]
    shared = flags_in(next(ROOT.rglob("libml/**/app.py"))) if configs else set()
    return flags_in(program).union(shared, *configs) | {"help"}


def unknown_flags(text: str) -> list[str]:
    """Flags that no program has, and flags of a command that its program has not."""
    wrong = [f"--{name}" for name in FLAG.findall(text) if not {name, name.removeprefix("no")} & ALL_FLAGS]
    for _, block in FENCED.findall(text):
        for program, arguments in COMMAND.findall(block.replace("\\\n", " ")):
            known = program_flags(ROOT / program)
            given = FLAG.findall(arguments)
            wrong += [f"{program} --{name}" for name in given if not {name, name.removeprefix("no")} & known]
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_what_a_page_names_is_there(page):
    text = page.read_text()
    assert not broken_links(page, text)
    assert not missing_files(text)
    assert not missing_definitions(text)
    assert not unknown_flags(text)


def test_the_readme_leads_to_every_page():
    linked = {target.partition("#")[0] for target, _ in LINK.findall((ROOT / "README.md").read_text())}
    assert {str(page.relative_to(ROOT)) for page in PAGES[1:]} <= linked


def test_what_is_not_there_is_found():
    page, text = ROOT / "docs/page.md", "# A `b` c, d\n[x](#a-b-c-d) [x](../LICENSE) [x](https://a.b/c)\n"
    assert not broken_links(page, text)
    broken = ["#a-b", "none.png", "../README.md#none"]
    assert broken_links(page, text + "[x](#a-b) ![x](none.png) [x](../README.md#none)") == broken

    named = "`lag/none.py`, `none.sh`, lag/ and libml/system/files.py, runs/none/, experiments/none.py"
    assert missing_files(named) == ["lag/none.py", "none.sh", "runs/none/"]

    named = "`libml/system/files.py: remove` `libml/system/files.py: none` `libml/rng.py: key.no`"
    named += " `libml/training/schedule.py: Phase.lod`"
    assert missing_definitions(named) == ["libml/system/files.py: none", "libml/rng.py: key.no"]

    command = "```bash\npython lag.py --dataset=x --noexport \\\n  --deterministic --inference\n```\n"
    assert unknown_flags(command + "`--scale` --none") == ["--none", "lag.py --inference"]


def test_the_citation_is_valid_and_of_the_paper():
    text = (ROOT / "CITATION.cff").read_text()
    keys = re.findall(r"^([\w-]+): *\S?", text, re.M)
    assert {"cff-version", "message", "title", "authors", "preferred-citation"} <= set(keys)
    assert len(keys) == len(set(keys)) and "\t" not in text
    (arxiv,) = set(re.findall(r"https://arxiv.org/abs/[\d.]+", text))
    assert arxiv in (ROOT / "README.md").read_text()
    assert re.findall(r"^version: *(.+)$", text, re.M) == re.findall(
        r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.M
    )
    try:
        import yaml
    except ImportError:
        return
    read = yaml.safe_load(text)
    assert [a["family-names"] for a in read["preferred-citation"]["authors"]] == ["Berthelot", "Milanfar", "Goodfellow"]
