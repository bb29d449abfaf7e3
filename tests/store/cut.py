"""A wire to the database that can be cut right at the commit: before it arrives, or after it was done; or elsewhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal
from urllib.parse import parse_qs, urlsplit

Cut = Literal["before", "after"]


class Wire:
    """Passes everything on, until it is told to cut the next commits."""

    def __init__(self, database_url: str) -> None:
        self._parts = urlsplit(database_url)
        self._open: set[asyncio.StreamWriter] = set()
        self.cuts: list[Cut] = []
        self.breaks_at: bytes | None = None
        """Cut once, before the next message that has this in it arrives."""
        self.cut = 0
        self.down = False
        self.sent = 0
        """How often the program sent something: once for every answer that it then waits for."""

    @property
    def url(self) -> str:
        """The database's URL, through this wire."""
        login = self._parts.netloc.rpartition("@")[0]
        return f"postgresql://{login}@127.0.0.1:{self._port}{self._parts.path}?sslmode=disable"

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        query = parse_qs(self._parts.query)
        host = query.get("host", [self._parts.hostname or "127.0.0.1"])[0]
        port = int(query.get("port", [self._parts.port or 5432])[0])
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        return server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.close()
            return
        theirs, to_them = await self._reach()
        self._open |= {writer, to_them}
        answers = asyncio.create_task(self._pass(theirs, writer))
        try:
            while sent := await reader.read(65536):
                self.sent += 1
                if self.breaks_at is not None and self.breaks_at in sent:
                    self.breaks_at = None
                    break
                if b"COMMIT;" in sent and self.cuts:
                    self.cut += 1
                    if self.cuts.pop(0) == "after":
                        answers.cancel()
                        await asyncio.wait([answers])
                        to_them.write(sent)
                        await theirs.read(65536)  # the reply that nobody gets to hear
                    break
                to_them.write(sent)
                await to_them.drain()
        except OSError:
            pass
        finally:
            answers.cancel()
            self._open -= {writer, to_them}
            for end in (writer, to_them):
                end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while received := await reader.read(65536):
            writer.write(received)

    def close(self) -> None:
        for writer in self._open:
            writer.close()


@asynccontextmanager
async def wire_to(database_url: str) -> AsyncIterator[Wire]:
    """A wire that is up, until the end."""
    wire = Wire(database_url)
    server = await wire.serve()
    try:
        yield wire
    finally:
        wire.close()
        server.close()
