"""A link that can get slow: a proxy on loopback which lets so many bytes a second through, each way."""

from __future__ import annotations

import asyncio
import contextlib
import threading

_PIECE_BYTES = 16_384


class SlowLink:
    """Carries TCP connections to `port`, from `self.port` on, in a thread of its own.

    `share` of the full rate is what passes now; setting it takes effect with the next piece.
    """

    def __init__(self, port: int, *, bytes_per_s: float) -> None:
        self._target = port
        self._bytes_per_s = bytes_per_s
        self.share = 1.0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-link", daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._listens.wait(10), "the proxy did not start"

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._carry, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._listens.set()
        self._loop.run_forever()
        server.close()
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.close()

    async def _carry(self, there: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        writers = [back]
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            writers.append(far_writer)
            await asyncio.gather(self._pump(there, far_writer), self._pump(far_reader, back))
        except (OSError, asyncio.CancelledError):  # nobody there, broken off, or the end of the link
            return
        finally:
            for writer in writers:
                writer.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Until one side has no more to say, or breaks; then the other hears that it is over."""
        with contextlib.suppress(OSError):
            while piece := await source.read(_PIECE_BYTES):
                await asyncio.sleep(len(piece) / (self._bytes_per_s * self.share))
                sink.write(piece)
                await sink.drain()
        sink.close()
