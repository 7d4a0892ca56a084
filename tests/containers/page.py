"""Opens the first page as a browser does and prints what it shows. Runs inside the `streamlit` container."""

import asyncio

import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

PAGE = "ws://localhost:8501/_stcore/stream"


async def shown() -> list[str]:
    request = BackMsg()
    request.rerun_script.query_string = ""
    texts = []
    async with websockets.connect(PAGE, subprotocols=["streamlit"], max_size=None) as page:
        await page.send(request.SerializeToString())
        async with asyncio.timeout(60):
            async for answer in page:
                message = ForwardMsg.FromString(answer)
                if message.HasField("delta"):
                    texts.append(str(message.delta.new_element))
                if message.HasField("script_finished"):
                    break
    return texts


print("\n".join(asyncio.run(shown())))
