import pytest

from server.kernel.problems import CursorInvalid, Malformed, NotFound, Problem, uuid_from


def test_a_refusal_is_a_problem_document() -> None:
    problem = NotFound("No item has this id.", id="x")

    assert problem.body() == {
        "type": "/problems/not_found",
        "title": "There is no such thing, or the viewer may not see it.",
        "status": 404,
        "reason": "not_found",
        "detail": "No item has this id.",
        "id": "x",
    }


def test_a_forged_cursor_has_the_name_that_clients_know() -> None:
    assert (CursorInvalid.reason(), CursorInvalid.status) == ("cursor_invalid", 400)


def test_a_wrong_uuid_is_refused_by_name() -> None:
    with pytest.raises(Malformed, match="id must be a UUID, not 'nope'"):
        uuid_from("nope")


def test_reasons_are_distinct() -> None:
    def every(kind: type[Problem]) -> list[type[Problem]]:
        return [kind, *(e for sub in kind.__subclasses__() for e in every(sub))]

    kinds = {kind for kind in every(Problem) if kind.__module__.startswith("server.")}

    assert len({kind.reason() for kind in kinds}) == len(kinds)
