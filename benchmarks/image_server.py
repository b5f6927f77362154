"""An image host for benchmarks: `python -m benchmarks.image_server WAIT` prints its port and serves until killed.

Each path has its own bytes (a number behind the JPEG's end), so that no score can be reused. WAIT is in seconds.
"""

import asyncio
import sys
from functools import partial

from benchmarks.photo import jpeg


async def serve(wait: float) -> None:
    """Serve photos of one million pixels, each answer after `wait` seconds."""
    answer = partial(_answer, jpeg(1.0), wait)
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def _answer(photo: bytes, wait: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(wait)
            body = photo + request.split(b" ", 2)[1]
            head = f"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
