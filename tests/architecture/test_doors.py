"""What import-linter cannot say: domains have doors, and a room is entered by its face."""

import functools

import grimp

OPEN = {"kernel"}
# These put things together, so they may name every edge.
ASSEMBLY = {
    "app",
    "bootstrap",
    "catalog",
    "cli",
    "documents",
    "embedded",
    "events",
    "front",
    "health",
    "observability",
    "socket",
    "tables",
}
FACES = {"events", "tasks"}
REALTIME_FACES = {"transports", "pubsub", "telemetry", "testing"}


@functools.cache
def steps() -> list[tuple[list[str], list[str]]]:
    graph = grimp.build_graph("realtime", "server", "jobs", cache_dir=None)
    return [
        (importer.split("."), imported.split("."))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    ]


def arrows(found: list[tuple[list[str], list[str]]]) -> list[str]:
    return sorted(f"{'.'.join(a)} -> {'.'.join(b)}" for a, b in found)


def test_domains_are_entered_by_their_door_or_their_events() -> None:
    trespasses = [
        (importer, imported)
        for importer, imported in steps()
        if imported[0] == "server" and len(imported) > 2 and imported[1] not in OPEN
        if importer[:2] != imported[:2]
        if not (importer[0] == "server" and importer[1] in ASSEMBLY)
        if imported[2] not in FACES
    ]

    assert arrows(trespasses) == []


def test_edges_do_not_reach_past_actions() -> None:
    shortcuts = [
        (importer, imported)
        for importer, imported in steps()
        if importer[0] == "server" and importer[-1] in {"http", "channel"}
        if imported[0] == "server" and imported[-1] == "store"
    ]

    assert arrows(shortcuts) == []


def test_realtime_is_entered_by_its_face() -> None:
    trespasses = [
        (importer, imported)
        for importer, imported in steps()
        if importer[0] != "realtime" and imported[0] == "realtime"
        if imported[1:2] and imported[1] not in REALTIME_FACES
    ]

    assert arrows(trespasses) == []


def test_nothing_in_server_names_jobs_by_import() -> None:
    upward = [
        (importer, imported)
        for importer, imported in steps()
        if importer[0] == "server" and imported[0] == "jobs"
    ]

    assert arrows(upward) == []
