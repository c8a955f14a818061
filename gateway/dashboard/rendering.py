"""Templates to pages. Everything that goes into them is escaped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi.responses import HTMLResponse

from gateway.dashboard import figures
from gateway.types import Caller

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
PLACES = (("Overview", "/"), ("Traces", "/traces"))


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around every page."""

    path: str
    base_url: str = "/"
    viewer: Caller | None = None  # None: nobody is signed in, so there is nothing to navigate to

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        return PLACES if self.viewer else ()

    def within(self, place: str) -> bool:
        """Whether the page belongs to a place of the navigation."""
        return self.path == place or (place != "/" and self.path.startswith(place))


async def page(template: str, frame: Frame, status: int = 200, **values: Any) -> HTMLResponse:
    """A rendered page. Rendering takes milliseconds, so a thread does it."""
    work = partial(render, template, frame=frame, status=status, **values)
    return HTMLResponse(await anyio.to_thread.run_sync(work), status)


def render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(values)


@lru_cache
def _environment() -> Environment:
    # Only who opens the dashboard waits for this import.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for write in (
        *(figures.compact, figures.exact, figures.money, figures.duration, figures.percent),
        *(figures.score, figures.moment, figures.iso, figures.span, figures.pretty),
    ):
        environment.filters[write.__name__] = write
    environment.globals["asset"] = asset
    return environment


@lru_cache
def asset(name: str) -> str:
    """A static file's address; it changes with the content, so that no browser keeps an old one."""
    digest = sha256((HERE / "static" / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:12]}"
