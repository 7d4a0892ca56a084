"""Passes connections to port 8766 on to port 8765 of loopback."""

import asyncio


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    beyond_reader, beyond_writer = await asyncio.open_connection("127.0.0.1", 8765)
    await asyncio.gather(copy(reader, beyond_writer), copy(beyond_reader, writer), return_exceptions=True)


async def main() -> None:
    server = await asyncio.start_server(relay, "0.0.0.0", 8766)
    await server.serve_forever()


asyncio.run(main())
