"""What never waits in a channel is a plain function: an `async def` costs a task each time."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
_WAITS = ast.Await, ast.AsyncWith, ast.AsyncFor


def idle_coroutines(source: str) -> list[str]:
    """Name the coroutine methods that wait for nothing, but for those that only raise."""
    return [
        f"{owner.name}.{method.name}"
        for owner in ast.walk(ast.parse(source))
        if isinstance(owner, ast.ClassDef)
        and any(ast.unparse(base).endswith("Channel") for base in owner.bases)
        for method in owner.body
        if isinstance(method, ast.AsyncFunctionDef)
        and not any(isinstance(node, _WAITS) for node in ast.walk(method))
        and not isinstance(method.body[-1], ast.Raise)
    ]


def test_no_channel_makes_a_task_for_what_never_waits() -> None:
    files = [
        path
        for path in ROOT.joinpath("server").rglob("*.py")
        if "Channel" in path.read_text("utf-8") and path.name != "asyncapi.py"
    ]
    assert len(files) > 4
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in idle_coroutines(path.read_text("utf-8"))
    }
    assert found == set()
