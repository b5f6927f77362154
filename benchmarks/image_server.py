"""An image host for benchmarks: `python -m benchmarks.image_server WAIT SIZE...` prints its port, serves until killed.

Each path has its own bytes (a number behind the JPEG's end), so that no score can be reused. WAIT is in seconds, each
SIZE in million pixels; paths take turns at the sizes.
"""

import asyncio
import sys
from functools import partial

from benchmarks.photo import jpeg


async def serve(wait: float, *megapixels: float) -> None:
    """Serve photos of these sizes, each answer after `wait` seconds."""
    answer = partial(_answer, [jpeg(size) for size in megapixels], wait)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def _answer(photos: list[bytes], wait: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(wait)
            path = request.split(b" ", 2)[1]
            body = photos[int(path.rpartition(b"/")[2]) % len(photos)] + path
            head = f"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


if __name__ == "__main__":
    asyncio.run(serve(*map(float, sys.argv[1:])))
