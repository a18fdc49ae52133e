import io

import pytest

from server.cli.console import Console


def test_a_step_is_one_line():
    out = io.StringIO()
    with Console(out).step("Starting Redis"):
        pass
    assert out.getvalue() == "  Starting Redis ... 0.0 s\n"


def test_a_line_that_comes_in_between_stands_alone_and_the_step_is_named_again():
    out = io.StringIO()
    console = Console(out)
    with console.step("Starting the web server"):
        console.relay("web", "hello")
    assert out.getvalue().splitlines() == [
        "  Starting the web server ... ",
        "web      | hello",
        "  Starting the web server: 0.0 s",
    ]


def test_a_step_that_fails_says_so():
    out = io.StringIO()
    console = Console(out)
    with pytest.raises(ValueError, match="why"), console.step("Starting"):
        raise ValueError("why")
    assert out.getvalue() == "  Starting ... stopped\n"


def test_nobody_reading_is_no_reason_to_end():
    out = io.StringIO()
    console = Console(out)
    out.close()
    console.say("anybody?")
    assert out.closed
