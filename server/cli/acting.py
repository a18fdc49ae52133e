"""How a command does one thing as the operator: over services, refusals told plainly."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import click

from server.bootstrap import services_of
from server.cli import given
from server.kernel.problems import Problem
from server.kernel.services import Services
from server.kernel.viewer import Viewer

# Whoever may start this command holds the keys of the database already.
OPERATOR = Viewer(role="admin")

Result = TypeVar("Result")


def act(work: Callable[[Services], Awaitable[Result]]) -> Result:
    """Run one piece of work over services of its own."""
    settings = given.reachable()

    async def within() -> Result:
        async with services_of(settings) as services:
            return await work(services)

    try:
        return asyncio.run(within())
    except Problem as problem:
        raise click.ClickException(problem.detail or problem.title()) from problem
