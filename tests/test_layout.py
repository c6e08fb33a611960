"""The layout of gatewayd/: one name means one class, and every module and package says what it is for."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def modules() -> Iterator[tuple[str, ast.Module]]:
    """The path and syntax tree of every module under gatewayd/."""
    for path in sorted((ROOT / "gatewayd").rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def test_class_name_is_used_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_module_has_a_docstring() -> None:
    assert [path for path, tree in modules() if not ast.get_docstring(tree)] == []


def test_package_has_an_init_module() -> None:
    folders = {path.parent for path in (ROOT / "gatewayd").rglob("*.py")}
    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
