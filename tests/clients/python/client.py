"""Follows the WebSocket contract with the `websockets` package, against a running server.

Takes DOORBOOK_URL (http://host:port) and DOORBOOK_TOKEN (a caller who may create events). Prints
what it checked; exits 1 with the reason at the first thing that is not as the contract says.
"""

import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

URL = os.environ["DOORBOOK_URL"].rstrip("/")
TOKEN = os.environ["DOORBOOK_TOKEN"]
WS_URL = "ws" + URL.removeprefix("http")
PATIENCE_S = 20
PARTICIPANT_FIELDS = (
    "id event_id event_pax_id user ticket_type external_id note status checked_in "
    "check_in_time check_out_time last_gate entries offset"
).split()


class Wrong(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Wrong(what)


def done(what):
    print("ok:", what)


def http(method, path, body=None, expect=200):
    request = urllib.request.Request(
        URL + path,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        status, text = refusal.code, refusal.read()
    check(status == expect, f"{method} {path} answered {status}, not {expect}: {text[:300]!r}")
    return json.loads(text) if text else None


def stream(path, start=None, **options):
    options.setdefault("additional_headers", {"Authorization": f"Bearer {TOKEN}"})
    query = "" if start is None else "?" + urllib.parse.urlencode({"from": start})
    return connect(WS_URL + path + query, proxy=None, **options)


def receive(socket, kind):
    text = socket.recv(timeout=PATIENCE_S)
    check(isinstance(text, str), "messages are text")
    message = json.loads(text)
    check(message.get("type") == kind, f"wanted {kind}, got {text[:300]}")
    return message


def fields(message, *names):
    for name in names:
        check(name in message, f"{message['type']} lacks {name}: {message}")


def refused(status, path, **options):
    try:
        stream(path, **options).close()
    except InvalidStatus as refusal:
        got = refusal.response.status_code
        check(got == status, f"{path} was refused with {got}, not {status}")
        problem = json.loads(refusal.response.body)
        fields({"type": "problem"} | problem, "title", "status", "detail", "code")
        return problem
    raise Wrong(f"{path} was let in, not refused with {status}")


def register(event_id, code, first_name, last_name):
    body = {"first_name": first_name, "last_name": last_name, "email": f"{code}@example.org", "event_pax_id": code}
    return http("POST", f"/api/events/{event_id}/register/", body, expect=201)


def check_in(code, body=None, expect=200):
    return http("POST", f"/api/events/participants/{code}/check-in/", body, expect)


def prepare():
    gathering = http(
        "POST", "/api/events/", {"name": "Python interop", "start_date": "2026-05-01T18:00:00Z"}, expect=201
    )
    event_id = gathering["id"]
    tag = event_id.replace("-", "")[-12:]
    codes = [f"{tag}-{name}" for name in ("ada", "ben", "cleo")]
    for code, (first, last) in zip(codes, (("Ada", "Lovelace"), ("Ben", "Franklin"), ("Cléo", "de Mérode"))):
        register(event_id, code, first, last)
    return event_id, codes


def refusals(path):
    refused(401, path, additional_headers={})
    refused(401, path + "?" + urllib.parse.urlencode({"token": TOKEN}), additional_headers={})
    refused(403, path, origin="https://elsewhere.example")
    refused(404, "/ws/events/checkin/00000000-0000-7000-8000-000000000000/")
    refused(422, path, start="soon")
    done("no token, token in the URL, foreign origin, unknown event and a wrong start are refused before the upgrade")


def first_words(socket, event_id, codes):
    hello = receive(socket, "initial_data")
    fields(hello, "event", "participants", "cursor")
    check(hello["event"]["id"] == event_id, "initial_data is about another event")
    check(hello["event"]["name"] == "Python interop", "initial_data lacks the event's name")
    check(hello["event"]["participant_count"] == 3, f"participant_count: {hello['event']}")
    check(sorted(p["event_pax_id"] for p in hello["participants"]) == sorted(codes), "the participants are others")
    for participant in hello["participants"]:
        missing = [name for name in PARTICIPANT_FIELDS if name not in participant]
        check(not missing, f"a participant lacks {missing}")
    done("initial_data has event, participants and cursor")
    return hello["cursor"]


def conversation(socket):
    socket.send(json.dumps({"type": "ping", "timestamp": "2026-05-01T18:00:00Z"}))
    pong = receive(socket, "pong")
    check(pong["timestamp"] == "2026-05-01T18:00:00Z" and "server_time" in pong, f"pong: {pong}")
    socket.send(json.dumps({"type": "get_participants"}))
    answer = receive(socket, "participants")
    fields(answer, "participants", "cursor")
    check(len(answer["participants"]) == 3, "get_participants gives all")
    for bad in ("no json", "[]", json.dumps({"type": "dance"}), json.dumps({"type": "resume"}), b"\x00\x01"):
        socket.send(bad)
        fields(receive(socket, "error"), "code", "message")
    socket.send(json.dumps({"type": "ping", "timestamp": 1}))
    check(receive(socket, "pong")["timestamp"] == 1, "a bad message must not end the connection")
    socket.ping().wait(PATIENCE_S)
    done("ping, get_participants, errors that leave the connection open, and a protocol ping")


def an_evening(event_id, codes, sockets):
    """Each command by HTTP, and its message on every socket. Returns the messages."""
    ada, ben, cleo = codes
    seen = []

    def everywhere(kind, *names):
        messages = [receive(socket, kind) for socket in sockets]
        check(all(message == messages[0] for message in messages), f"{kind} differs between connections")
        fields(messages[0], "timestamp", "offset", *names)
        seen.append(messages[0])
        return messages[0]

    answer = check_in(ada, {"gate": "North", "scan_id": f"{ada}-1"})
    update = everywhere("checkin_update", "participant", "action", "gate", "occupancy")
    check(update["offset"] == answer["offset"], "the stream's offset is the answer's")
    check(update["participant"] == answer["participant"], "the stream's participant is the answer's")
    check(update["action"] == "checkin" and update["gate"] == "North", f"checkin_update: {update}")
    check(update["participant"]["checked_in"] is True, "checked_in is true after a check-in")
    check(update["participant"]["user"]["first_name"] == "Ada", "the name is in the message")
    check(update["occupancy"]["inside"] == 1, f"occupancy: {update['occupancy']}")

    check_in(ada, {"gate": "South", "scan_id": f"{ada}-2"}, expect=409)
    refusal = everywhere("scan_refused", "participant", "code", "previous", "gate")
    check(refusal["code"] == "already_checked_in", f"scan_refused: {refusal}")
    check(refusal["previous"]["gate"] == "North", f"previous: {refusal['previous']}")

    http("POST", f"/api/events/participants/{ada}/check-out/", {"gate": "South"})
    update = everywhere("checkout_update", "participant", "action", "gate", "occupancy")
    check(update["action"] == "checkout" and update["occupancy"]["inside"] == 0, f"checkout_update: {update}")

    check_in(ben)
    everywhere("checkin_update", "participant")
    http("POST", f"/api/events/participants/{ben}/undo/", {"reason": "wrong ticket"})
    update = everywhere("participant_updated", "participant", "reason")
    check(update["reason"] == "undone" and update["participant"]["checked_in"] is False, f"undo: {update}")
    http("POST", f"/api/events/participants/{cleo}/cancel/", {})
    update = everywhere("participant_updated", "participant", "reason")
    check(update["reason"] == "cancelled" and update["participant"]["status"] == "cancelled", f"cancel: {update}")

    register(event_id, f"{ada}-guest", "Dora", "Maar")
    update = everywhere("participant_registered", "participant")
    check(update["participant"]["user"]["last_name"] == "Maar", f"participant_registered: {update}")

    offsets = [message["offset"] for message in seen]
    check(offsets == sorted(set(offsets)), f"offsets must rise: {offsets}")
    done(f"{len(seen)} commands by HTTP arrived as messages, equal on {len(sockets)} connections")
    return seen


def replay(path, cursor, seen, live_socket, ben):
    with stream(path, start=cursor) as socket:
        for message in seen:
            again = receive(socket, message["type"])
            check(again == message, f"replayed {again} is not what was live {message}")
        caught_up = receive(socket, "caught_up")
        fields(caught_up, "offset", "cursor")
        check(caught_up["offset"] >= seen[-1]["offset"], "caught_up is at the head")
        check_in(ben, {"scan_id": f"{ben}-later"})
        now = receive(live_socket, "checkin_update")
        check(receive(socket, "checkin_update") == now, "live after replay differs")
    with stream(path, start=seen[2]["offset"]) as socket:
        for message in seen[3:] + [now]:
            check(receive(socket, message["type"]) == message, "replay from an offset differs")
        receive(socket, "caught_up")
    done("replay from a cursor and from an offset equals what was live, then caught_up, then live")


def other_starts(path, cursor):
    with stream(path, start="latest") as socket:
        receive(socket, "caught_up")
    with stream(path, start="earliest") as socket:
        kinds = []
        while not kinds or kinds[-1] != "caught_up":
            kinds.append(json.loads(socket.recv(timeout=PATIENCE_S))["type"])
        check(kinds.count("participant_registered") == 4, f"earliest: {kinds}")
    epoch, offset = cursor.split(":")
    other_epoch = ("0" if epoch[0] != "0" else "1") + epoch[1:]
    for start, reason in ((f"{other_epoch}:{offset}", "log_changed"), (10**15, "ahead")):
        with stream(path, start=start) as socket:
            check(receive(socket, "reset")["reason"] == reason, f"reset must say {reason}")
            receive(socket, "initial_data")
    done("latest, earliest, a cursor of another log and one ahead of it")


def dashboard(event_id, code):
    with stream("/ws/events/dashboard/") as socket:
        hello = receive(socket, "initial_data")
        fields(hello, "events", "cursor")
        row = next((event for event in hello["events"] if event["id"] == event_id), None)
        check(row is not None and row["participant_count"] == 3, f"the dashboard's row: {row}")
        answer = http("POST", f"/api/events/participants/{code}/check-out/")
        update = receive(socket, "event_update")
        fields(update, "event_id", "update_type", "data", "counts", "timestamp", "offset")
        check(update["event_id"] == event_id, "event_update is about another event")
        check(update["update_type"] == "participant_checked_out", f"update_type: {update}")
        check(update["data"]["participant_id"] == answer["participant"]["id"], f"data: {update}")
        check(update["counts"].keys() >= {"registered", "checked_in", "inside"}, f"counts: {update}")
    done("the dashboard: initial_data, event_update")


def main():
    event_id, codes = prepare()
    path = f"/ws/events/checkin/{event_id}/"
    refusals(path)
    protocols = ["doorbook.v1", f"bearer.{TOKEN}"]
    with stream(path) as socket, stream(path, additional_headers={}, subprotocols=protocols) as second:
        check(second.subprotocol == "doorbook.v1", f"the subprotocol is {second.subprotocol}")
        cursor = first_words(socket, event_id, codes)
        first_words(second, event_id, codes)
        conversation(socket)
        seen = an_evening(event_id, codes, [socket, second])
        replay(path, cursor, seen, socket, codes[1])
        other_starts(path, cursor)
        dashboard(event_id, codes[1])
        receive(socket, "checkout_update")
        socket.send("x" * 5000)
        try:
            socket.recv(timeout=PATIENCE_S)
            raise Wrong("a message over 4 KiB must end the connection")
        except Exception as end:
            if isinstance(end, Wrong):
                raise
            code = getattr(getattr(end, "rcvd", None), "code", None)
            check(code == 1009, f"a message over 4 KiB was answered with {end!r}")
        done("a message over 4 KiB closes with 1009")


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"not as the contract says: {wrong}")
