"""The same import behind an HTTP API; scheduler and worker live and end with the web server."""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import durakit
from durakit.client import AsyncTaskHubGrpcClient, OrchestrationState, OrchestrationStatus
from durakit.errors import AlreadyExistsError
from durakit.web import add_arguments, explain_errors, serve
from fastapi import Body, FastAPI, HTTPException, Response

from hub import make_hub
from workflow import ANSWER, Night, Progress, Visits, import_id, visits_import

HERE = Path(__file__).parent


def make_app(inboxes: Path = HERE / "data", output: Path = HERE / "output") -> FastAPI:
    """Return the application; `inboxes` has a folder for each night."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with make_hub(output) as hub:
            app.state.client = hub.async_client
            yield

    app = FastAPI(title="Nightly import", lifespan=lifespan, docs_url=None, redoc_url=None)
    explain_errors(app)

    def client() -> AsyncTaskHubGrpcClient:
        found: AsyncTaskHubGrpcClient = app.state.client
        return found

    async def find(night: str) -> OrchestrationState:
        state = await client().get_orchestration_state(import_id(Path(night)))
        if state is None:
            raise HTTPException(404, f"There is no import of {night}.")
        return state

    @app.post("/imports/{night}", status_code=202)
    async def start(night: str, response: Response) -> dict[str, Any]:
        asked = await asyncio.to_thread(find_night, inboxes, output, night)
        run = import_id(Path(asked.inbox))
        try:
            await client().schedule_new_orchestration(visits_import, input=asked, instance_id=run)
        except AlreadyExistsError:  # asked for again: the same import, and if it has failed another try
            if (await find(night)).runtime_status is OrchestrationStatus.FAILED:
                await client().rewind_orchestration(run, reason="asked for again")
        response.headers["Location"] = f"/imports/{night}"
        return shown(await find(night))

    @app.get("/imports/{night}")
    async def look(night: str) -> dict[str, Any]:
        return shown(await find(night))

    @app.post("/imports/{night}/answer", status_code=202)
    async def answer(
        night: str, says: Annotated[Literal["go on", "again"], Body(embed=True)]
    ) -> dict[str, Any]:
        state = await find(night)
        if not shown(state)["question"]:
            raise HTTPException(409, f"The import of {night} asks nothing.")
        await client().raise_orchestration_event(state.instance_id, ANSWER, data=says)
        return shown(await find(night))

    return app


def find_night(inboxes: Path, output: Path, name: str) -> Night:
    """Return what to ask for; a name cannot lead out of the folder, because it has to be found in it."""
    found = {path.name: path for path in inboxes.iterdir() if path.is_dir()}
    if name not in found:
        raise HTTPException(404, f"There is no folder {name} in {inboxes}.")
    return Night(str(found[name].resolve()), str(output.resolve()), asks=True)


def shown(state: OrchestrationState) -> dict[str, Any]:
    """Return what visitors see of an import."""
    progress = state.get_custom_status(Progress) or Progress()
    is_running = state.runtime_status is OrchestrationStatus.RUNNING
    return {
        "status": state.runtime_status.name.lower(),
        "done": progress.done,
        "question": progress.question if is_running else None,
        "error": state.failure_details.message if state.failure_details else None,
        "result": state.get_output(Visits) if state.runtime_status is OrchestrationStatus.COMPLETED else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--inboxes", type=Path, default=HERE / "data", help="has a folder for each night")
    parser.add_argument("--output", type=Path, default=HERE / "output", help="folder for results and hub")
    options = parser.parse_args()
    with durakit.client_program("imports go on when it is started again"):
        serve(make_app(options.inboxes, options.output), host=options.host, port=options.port)


if __name__ == "__main__":
    main()
