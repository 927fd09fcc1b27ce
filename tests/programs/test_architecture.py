"""Who may import whom, and where flags and the environment are read."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

from tests.support import ROOT


def compared_methods() -> dict[str, str]:
    """lag.any_method.COMPARED, read without importing TensorFlow."""
    for node in ast.parse((ROOT / "lag/any_method.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPARED":
            return ast.literal_eval(node.value)
    raise AssertionError("lag/any_method.py has no table COMPARED")


COMPARED = [
    ROOT / f"{place.split(':')[0]}.py" for place in compared_methods().values()
]  # programs that hold a method each
LIBRARY = [*ROOT.glob("lag/**/*.py"), *ROOT.glob("libml/**/*.py")]
DEFINITIONS = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.Assign, ast.AnnAssign)


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def forbidden(path: Path, *modules: str) -> set[str]:
    return {i for i in imports(path) for m in modules if i == m or i.startswith(f"{m}.")}


# The wings from the ground up: their folders and files, and the wings that they import besides the ground.
FLOORS = {
    "ground": ("libml/__init__ libml/errors libml/seeds libml/philox libml/rng libml/color_profiles", ""),
    "system": ("libml/system", ""),
    "images": ("libml/images libml/page", "system"),
    "layers": ("libml/layers", "system"),
    "metrics": ("libml/metrics", "layers"),
    "sampler": ("libml/sampler", "images layers"),
    "toyfaces": ("libml/datasets/toyfaces", "system images"),
    "originals": ("libml/datasets/originals", "system images"),
    "datasets": ("libml/datasets", "system images layers toyfaces"),
    "making": ("libml/datasets/making", "system images originals datasets"),
    "training": ("libml/training", "system images layers metrics sampler datasets"),
    "app": ("libml/app", "system datasets training"),
    "compared": ("libml/compared", "system images layers sampler datasets training app"),
    "config": ("lag/config", "training"),
    "model": ("lag/model", "system layers training config"),
    "trained": ("lag/sampling lag/trained lag/any_method", "system layers sampler training compared config model"),
    "upscaling": ("lag/upscaling", "system images making trained"),
    "formats": ("lag/formats", "system images training config model trained upscaling"),
    "performance": ("lag/performance", "system layers datasets training config model trained formats"),
    "figures": ("lag/figures", "system images layers sampler datasets training trained"),
    "evaluation": (
        "lag/evaluation",
        "system images layers metrics sampler datasets training config trained figures",
    ),
    "explorer": (
        "lag/explorer",
        "system images layers toyfaces datasets making training trained upscaling formats",
    ),
    "box": ("lag/box", ""),
    "api": ("lag/__init__ lag/api lag/commands", "system images training trained upscaling formats box"),
    "program": ("lag/program", "system layers datasets training config model trained formats performance"),
}
WING_OF = {place: wing for wing, (places, _) in FLOORS.items() for place in places.split()}


def wing_of(path: Path) -> str:
    """The wing of a module, that of the longest path that it lies in."""
    place = path.relative_to(ROOT).with_suffix("")
    return next(WING_OF[str(p)] for p in (place, *place.parents) if str(p) in WING_OF)


def by_name() -> dict[Path, list[Path]]:
    """Modules that import others by their names, and which those are."""
    originals, formats, figures = (ROOT / name for name in ("libml/datasets/originals", "lag/formats", "lag/figures"))
    return {
        ROOT / "lag/any_method.py": COMPARED,
        ROOT / "libml/datasets/making/standard.py": sorted(originals.glob("[!_]*.py")),
        formats / "registry.py": [path for path in sorted(formats.glob("[!_]*.py")) if path.stem != "registry"],
        figures / "registry.py": [path for path in sorted(figures.glob("[!_]*.py")) if path.stem != "registry"],
    }


def graph() -> dict[Path, set[Path]]:
    """Which of our modules each imports, wherever the import stands, those imported by name included."""
    files = {str(p.relative_to(ROOT).with_suffix("")).replace("/", "."): p for p in [*LIBRARY, *COMPARED]}
    files |= {name.removesuffix(".__init__"): p for name, p in files.items() if name.endswith(".__init__")}
    found = {}
    for path in set(files.values()):
        names = imports(path) & files.keys()
        names = {name for name in names if not any(other.startswith(f"{name}.") for other in names)}
        found[path] = {files[name] for name in names} - {path} | set(by_name().get(path, ()))
    return found


def test_wings_import_those_below_them_alone():
    """As the table says, and no more stands in the table than there is."""
    used = {wing: set() for wing in FLOORS}
    for path, others in graph().items():
        if path in LIBRARY:
            used[wing_of(path)] |= {wing_of(other) for other in others if other in LIBRARY} - {"ground"}
    names = list(FLOORS)
    assert {wing: wings - {wing} for wing, wings in used.items()} == {
        wing: set(below.split()) for wing, (_, below) in FLOORS.items()
    }
    for wing, (_, below) in FLOORS.items():
        assert all(names.index(other) < names.index(wing) for other in below.split())


def test_no_modules_import_each_other_in_a_circle():
    tuple(graphlib.TopologicalSorter(graph()).static_order())


def test_the_documents_have_the_same_wings():
    text = (ROOT / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| \*\*(\w+)\*\* \| (.+?): .* \| (.*) \|$", text, re.MULTILINE)
    said = {wing: (places.replace("`", "").split(", "), below.split(", ")) for wing, places, below in rows}
    expected = {}
    for wing, (places, below) in FLOORS.items():
        files = [f"{p}.py" if (ROOT / f"{p}.py").is_file() else f"{p}/" for p in places.split()]
        expected[wing] = ([f for f in files if not f.endswith("__init__.py")], below.split() or ["-"])
    assert said == expected and list(said) == list(expected)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_library_imports_no_program_and_libml_no_method(path):
    assert not forbidden(path, "scripts", "tests")
    if path.is_relative_to(ROOT / "libml"):
        assert not forbidden(path, "lag")


@pytest.mark.parametrize(
    "name, modules",
    [
        ("lag/model/networks.py", ["lag.model.losses", "lag.model.training", "lag.config", "libml.datasets.catalogue"]),
        ("lag/model/losses.py", ["lag.model.networks", "lag.model.training"]),
        ("lag/config.py", ["tensorflow", "keras", "libml.layers.scaled_conv", "libml.datasets.catalogue"]),
        ("libml/training/schedule.py", ["tensorflow", "numpy"]),
        ("libml/training/config.py", ["tensorflow"]),
        ("libml/training/run_folder.py", ["tensorflow"]),
        ("libml/app.py", ["tensorflow", "keras"]),
        ("libml/system/workers.py", ["tensorflow"]),
        ("lag.py", ["tensorflow", "keras"]),
    ],
)
def test_layers_of_the_house(name, modules):
    assert not forbidden(ROOT / name, *modules)


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(ROOT)))
def test_flags_and_environment_are_read_at_the_entry_only(path):
    if path.name in ("app.py", "environment.py"):  # both read when an entry file or lag.load calls them
        return
    assert not forbidden(path, "absl.flags")
    names = {n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)}
    assert not names & {"environ", "getenv", "FLAGS"}


@pytest.mark.parametrize("path", [*ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")], ids=lambda p: p.name)
def test_a_path_that_a_user_gives_may_be_on_a_store(path):
    """Or is refused there: Path("gs://bucket") would be a folder of the disk. --work is what a program gives itself."""
    assert not re.findall(r"\bPath\((?:FLAGS(?!\.work\b)|flags|data_dir|run|output)\b", path.read_text())


def test_one_module_knows_the_names_of_a_runs_files():
    names = {"args.json", "tf", "metrics.jsonl", "preview.png", "summaries"}

    def named(path: Path) -> set[str]:
        return names & {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}

    knowing = {path: named(path) for path in LIBRARY if named(path)}
    assert knowing == {ROOT / "libml/training/run_folder.py": names}


@pytest.mark.parametrize("path", sorted((ROOT / "libml/datasets/toyfaces").rglob("*.py")), ids=lambda p: p.name)
def test_what_worker_processes_import_starts_fast(path):
    assert not forbidden(path, "tensorflow", "libml.datasets.catalogue", "libml.datasets.records")


@pytest.mark.parametrize("name, place", compared_methods().items())
def test_the_table_of_methods_names_their_classes(name, place):
    module, cls = place.split(":")
    body = ast.parse((ROOT / f"{module}.py").read_text()).body
    classes = {node.name: ast.unparse(node) for node in body if isinstance(node, ast.ClassDef)}
    assert cls in classes and f"method = '{name}'" in classes[f"{cls}Config"]


def test_one_module_asks_whether_there_are_gpus():
    def asks(path: Path) -> bool:
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        return any(isinstance(a, ast.Constant) and a.value == "GPU" for call in calls for a in call.args)

    programs = [*ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")]
    assert [path for path in [*LIBRARY, *programs] if asks(path)] == [ROOT / "libml/system/hardware.py"]


def test_no_other_module_of_the_library_imports_a_module_by_its_name():
    """But for packages of others, looked for before a dataset is fetched."""
    callers = {path for path in LIBRARY if "import_module" in path.read_text()}
    assert callers == {*by_name(), ROOT / "libml/datasets/making/fetched.py"}


@pytest.mark.parametrize("path", COMPARED, ids=lambda p: p.name)
def test_a_compared_method_needs_only_libml(path):
    mine = {ROOT / name for name in ("lag", "scripts", "tests")} | set(ROOT.glob("*.py"))
    assert not forbidden(path, *(other.stem for other in mine))


@pytest.mark.parametrize("path", COMPARED, ids=lambda p: p.name)
def test_a_compared_method_does_nothing_when_it_is_imported(path):
    """Definitions and constants only."""
    assert not forbidden(path, "absl")
    *body, last = ast.parse(path.read_text()).body
    assert ast.unparse(last).startswith("if __name__ == '__main__':\n    main(")
    done = [ast.unparse(node) for node in body if not isinstance(node, DEFINITIONS)]
    begin = "if __name__ == '__main__':\n    from libml.system import entry\n    entry.begin_with_tensorflow()"
    assert done == [ast.unparse(body[0]), begin]
    assert ast.get_docstring(ast.parse(path.read_text()))
