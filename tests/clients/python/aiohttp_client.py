"""Follows both streams with `aiohttp`, against a running server: snapshot, live, and resuming with nothing
missing and nothing twice, over WebSocket and over server-sent events.

Takes DOORBOOK_URL (http://host:port) and DOORBOOK_TOKEN (a caller who may create events). Prints
what it checked; exits 1 with the reason at the first thing that is not as the contract says.
"""

import asyncio
import json
import os
import sys

import aiohttp

URL = os.environ["DOORBOOK_URL"].rstrip("/")
AUTHORIZATION = {"Authorization": f"Bearer {os.environ['DOORBOOK_TOKEN']}"}
PATIENCE_S = 20


class Wrong(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Wrong(what)


class WebSocketStream:
    """Messages of one connection."""

    def __init__(self, session, event_id):
        self.session = session
        self.path = f"{URL}/ws/events/checkin/{event_id}/"

    async def open(self, cursor=None):
        params = {} if cursor is None else {"from": cursor}
        self.socket = await self.session.ws_connect(self.path, params=params, max_msg_size=0)

    async def next(self):
        message = await self.socket.receive()
        check(message.type == aiohttp.WSMsgType.TEXT, f"messages are text: {message}")
        return json.loads(message.data)

    async def close(self):
        await self.socket.close()
        check(self.socket.close_code == 1000, f"an orderly close is answered with {self.socket.close_code}")


class EventStream:
    """Events of one answer; each has its cursor as id and its type as name."""

    def __init__(self, session, event_id):
        self.session = session
        self.path = f"{URL}/api/events/{event_id}/stream"

    async def open(self, cursor=None):
        headers = {} if cursor is None else {"Last-Event-ID": cursor}
        self.answer = await self.session.get(self.path, headers=headers)
        check(self.answer.status == 200, f"{self.path} answered {self.answer.status}")
        check(self.answer.content_type == "text/event-stream", f"the type is {self.answer.content_type}")

    async def next(self):
        fields = {}
        while True:
            line = (await self.answer.content.readline()).decode()
            check(line != "", "the stream has ended")
            if line == "\n":
                if "data" in fields:
                    break
                fields = {}
                continue
            name, _, value = line.rstrip("\n").partition(": ")
            fields[name] = value
        message = json.loads(fields["data"])
        check(fields["event"] == message["type"], f"the name of {message} is {fields['event']}")
        cursor = message.get("cursor")
        offset = message.get("offset")
        # A reset has no place in the log, and no id.
        right = fields.get("id") == cursor if cursor or offset is None else fields["id"].endswith(f":{offset}")
        check(right, f"the id of {message} is {fields.get('id')}")
        return message

    async def close(self):
        self.answer.close()


async def command(session, path, expected, body=None):
    async with session.post(URL + path, json=body or {}) as answer:
        text = await answer.text()
        check(answer.status == expected, f"{path} answered {answer.status}: {text[:300]}")
        return json.loads(text)


async def an_evening(session, kind):
    gathering = await command(session, "/api/events/", 201, {"name": "aiohttp", "start_date": "2026-05-01T18:00:00Z"})
    event_id = gathering["id"]
    codes = [f"{kind.__name__}-{n}" for n in range(4)]
    for code in codes:
        guest = {"first_name": "Ada", "last_name": code, "email": f"{code}@example.org", "event_pax_id": code}
        await command(session, f"/api/events/{event_id}/register/", 201, guest)

    async def check_in(code):
        answer = await command(session, f"/api/events/participants/{code}/check-in/", 200)
        return answer["offset"]

    stream = kind(session, event_id)
    await stream.open()
    hello = await stream.next()
    check(hello["type"] == "initial_data" and len(hello["participants"]) == 4, f"the snapshot is {hello}")
    here = await check_in(codes[0])
    update = await stream.next()
    check((update["type"], update["offset"]) == ("checkin_update", here), f"live: {update}")
    await stream.close()

    missed = [await check_in(code) for code in codes[1:3]]
    epoch = hello["cursor"].split(":")[0]
    await stream.open(f"{epoch}:{here}")
    replayed = [await stream.next() for _ in missed]
    check([message["offset"] for message in replayed] == missed, f"replayed: {replayed}")
    caught_up = await stream.next()
    check((caught_up["type"], caught_up["offset"]) == ("caught_up", missed[-1]), f"after the replay: {caught_up}")
    last = await check_in(codes[3])
    update = await stream.next()
    check((update["type"], update["offset"]) == ("checkin_update", last), f"live again: {update}")
    await stream.close()

    await stream.open(caught_up["cursor"])
    check((await stream.next())["offset"] == last, "the cursor of caught_up resumes")
    await stream.close()
    await stream.open(f"{'0' * len(epoch)}:{here}")
    reset = await stream.next()
    check((reset["type"], reset["reason"]) == ("reset", "log_changed"), f"another log: {reset}")
    await stream.close()
    print("ok:", kind.__name__)


async def main():
    async with aiohttp.ClientSession(headers=AUTHORIZATION) as session:
        for kind in (WebSocketStream, EventStream):
            async with asyncio.timeout(PATIENCE_S):
                await an_evening(session, kind)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except Wrong as wrong:
        sys.exit(f"not as the contract says: {wrong}")
