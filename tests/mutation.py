"""Breaks the protocol core in every small way there is, and sees whether its examples notice.

    python -m tests.mutation [MODULE ...]     e.g. session serializer

One change at a time: a comparison, a constant, a condition, a statement left out. Each mutant runs
the module's own examples in a fork of this process. Those that none of them kills are shown.
"""

import ast
import copy
import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import hypothesis.strategies  # noqa: F401 - imported here, it need not be by each mutant
import pytest

ROOT = Path(__file__).parents[1]
UNIT = "tests/unit/realtime"
# The sans-I/O core, and what judges each part of it.
MODULES = {
    "session": ("test_session_examples.py", "test_session.py"),
    "serializer": ("test_serializer_examples.py", "test_serializer.py"),
    "topic": ("test_topic.py",),
    "message": ("test_message.py", "test_serializer.py"),
    "frame": ("test_frame_examples.py", "test_serializer.py"),
    "close": ("test_message.py",),
    "rates": ("test_meter.py",),
    "meter": ("test_meter.py",),
    "handshake": ("test_handshake.py",),
    "token": ("test_token.py",),
    "transports.frames": ("test_frames.py", "test_upgrade.py"),
    "presence.state": ("presence/test_state.py",),
    "presence.tracker": ("presence/test_tracker.py",),
    "presence.diffs": ("presence/test_tracker.py", "presence/test_presence.py"),
}
ENOUGH = 0.95
_LONGEST_S = 60  # a mutant that loops for ever is noticed too
_AT_ONCE = 2
_EXAMPLES = "20"  # drawn by each property, after the examples that are written down
# No plugin and no setting: a mutant costs what its examples cost.
_FLAGS = [
    "-q",
    "-x",
    "--tb=no",
    "-c",
    os.devnull,
    "--rootdir",
    str(ROOT),
    "--import-mode=importlib",
]
_OTHER: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt,
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult,
}  # fmt: skip
_SILENT = ast.Pass, ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.AnnAssign


class Mutants(ast.NodeVisitor):
    """Changes a tree in one place at a time, and back."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self.found: list[tuple[int, str, ast.Module]] = []
        self.visit(tree)

    def _add(self, line: int, what: str) -> None:
        self.found.append((line, what, copy.deepcopy(self._tree)))

    def _swap(self, node: ast.AST, field: str, new: Any, what: str) -> None:
        old = getattr(node, field)
        setattr(node, field, new)
        self._add(getattr(node, "lineno", 0), what)
        setattr(node, field, old)

    def visit_Compare(self, node: ast.Compare) -> None:
        for place, operator in enumerate(node.ops):
            if other := _OTHER.get(type(operator)):
                ops = [*node.ops[:place], other(), *node.ops[place + 1 :]]
                self._swap(node, "ops", ops, f"{type(operator).__name__} -> {other.__name__}")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        other = _OTHER[type(node.op)]
        self._swap(node, "op", other(), f"{type(node.op).__name__} -> {other.__name__}")
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if (other := _OTHER.get(type(node.op))) and not _is_type(node):
            self._swap(node, "op", other(), f"{type(node.op).__name__} -> {other.__name__}")
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            twice = ast.UnaryOp(ast.Not(), node.operand)
            self._swap(node, "operand", twice, "not left out")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._conditions(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._conditions(node)

    def visit_While(self, node: ast.While) -> None:
        self._swap(node, "test", ast.Constant(value=False), "while False")
        self.generic_visit(node)
        self._blocks(node)

    def visit_For(self, node: ast.For) -> None:
        self._swap(node, "iter", ast.Tuple(elts=[], ctx=ast.Load()), "for nothing")
        self.generic_visit(node)
        self._blocks(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not _is(node.value, None):
            self._swap(node, "value", ast.Constant(value=None), "return None")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        """Leave the words of a refusal alone: the statement itself is left out elsewhere."""

    def visit_Constant(self, node: ast.Constant) -> None:
        old = node.value
        new: Any
        if isinstance(old, bool):
            new = not old
        elif isinstance(old, int | float):
            new = old + 1
        elif isinstance(old, str | bytes):
            new = old + old[:1] if old else "x" if isinstance(old, str) else b"x"
        else:
            return
        self._swap(node, "value", new, f"{old!r} -> {new!r}")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        self._body(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._body(node)

    def visit_Module(self, node: ast.Module) -> None:
        self._body(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # A Literal or a TypeAlias says what may be, which nothing looks at while it runs.
        if node.value is not None and "TypeAlias" not in ast.unparse(node.annotation):
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        if "__slots__" not in ast.unparse(node.targets[0]):
            self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func) != "TypeVar":
            self.generic_visit(node)

    def _conditions(self, node: ast.If | ast.IfExp) -> None:
        for value in (True, False):
            self._swap(node, "test", ast.Constant(value=value), f"if {value}")
        self.generic_visit(node)
        if isinstance(node, ast.If):
            self._blocks(node)

    def _body(self, node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        for statement in body:
            self.visit(statement)
        if isinstance(node, ast.FunctionDef):
            self._blocks(node)

    def _blocks(self, node: Any) -> None:
        """Leave out each statement by itself."""
        for field in ("body", "orelse"):
            block = getattr(node, field, [])
            for place, statement in enumerate(block):
                told = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                if not told and not isinstance(statement, (*_SILENT, ast.Return)):
                    without = [*block[:place], ast.Pass(), *block[place + 1 :]]
                    self._swap(node, field, without, f"{ast.unparse(statement)[:50]!r} left out")


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_type(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr)


class Replaced(MetaPathFinder, Loader):
    """Imports a mutant in the place of a module."""

    def __init__(self, name: str, tree: ast.Module) -> None:
        self._name = name
        self._code = compile(ast.fix_missing_locations(tree), name, "exec")

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(self._code, module.__dict__)  # noqa: S102 - that is what a mutant is for


def _survives(name: str, tree: ast.Module, tests: list[str]) -> int:
    """Run the examples against a mutant in this process, which is a fork; 0 if none fails."""
    signal.alarm(_LONGEST_S)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.meta_path.insert(0, Replaced(name, tree))
    return int(pytest.main([*_FLAGS, *tests]))


def _survivors(module: str) -> Iterator[tuple[str | None, bool]]:
    """Try every mutant of a module: where it is, and whether it lives."""
    file = ROOT / "realtime" / f"{module.replace('.', '/')}.py"
    mutants = Mutants(ast.parse(file.read_text("utf-8"))).found
    tests = [path for test in MODULES[module] if (ROOT / (path := f"{UNIT}/{test}")).exists()]
    running: dict[int, str] = {}
    while mutants or running:
        while mutants and len(running) < _AT_ONCE:
            line, what, tree = mutants.pop()
            if not (child := os.fork()):
                os._exit(_survives(f"realtime.{module}", tree, tests))
            running[child] = f"realtime/{module.replace('.', '/')}.py:{line} {what}"
        ended, status = os.wait()
        yield running.pop(ended), status == 0


def main() -> None:
    os.chdir(ROOT)
    os.environ.update(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", EXAMPLES=_EXAMPLES)
    gc.freeze()  # nothing that was imported so far is copied by a mutant
    began, total, alive = time.monotonic(), 0, 0
    for module in sys.argv[1:] or MODULES:
        count, left = 0, []
        for what, lives in _survivors(module):
            count += 1
            if lives:
                left.append(what)
        for what in sorted(filter(None, left)):
            sys.stdout.write(f"alive  {what}\n")
        sys.stdout.write(f"{module}: {count - len(left)} of {count} killed\n")
        sys.stdout.flush()
        total, alive = total + count, alive + len(left)
    rate = 1 - alive / max(total, 1)
    seconds = time.monotonic() - began
    sys.stdout.write(f"{rate:.1%} of {total} mutants killed in {seconds:.0f} s\n")
    sys.exit(rate < ENOUGH)


if __name__ == "__main__":
    main()
