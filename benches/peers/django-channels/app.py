"""The origin design, in one file: Django Channels with a Redis channel layer over SQLite.

Doorbook keeps the URLs and messages of an application built this way, so the same load generator
drives both. Rows are in SQLite with WAL and a full sync per commit, since an answer of doorbook is on
the disk before it leaves. Started by the benchmark program; to start it by hand:

    python app.py migrate && uvicorn app:application --port 8900     # with a Redis at $REDIS_URL
"""
import json
import os
import sys
import uuid
from pathlib import Path

import django
from django.conf import settings

HERE = Path(os.environ.get("PEER_DIR", Path(__file__).parent / ".data"))
HERE.mkdir(parents=True, exist_ok=True)
SECRET = os.environ.get("JWT_SECRET", "development-secret-at-least-32-bytes!")
REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:8901/0")

if os.environ.get("PG"):
    DB = {"ENGINE": "django.db.backends.postgresql", "NAME": os.environ["PG"], "CONN_MAX_AGE": None}
else:
    DB = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(HERE / "db.sqlite3"),
          "CONN_MAX_AGE": None,
          "OPTIONS": {"timeout": 20, "transaction_mode": "IMMEDIATE",
                      "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"}}

settings.configure(
    SECRET_KEY=SECRET, DEBUG=False, ALLOWED_HOSTS=["*"], USE_TZ=True, ROOT_URLCONF=__name__,
    INSTALLED_APPS=["channels"], DATABASES={"default": DB}, APPEND_SLASH=True,
    LOGGING={"version": 1, "handlers": {"console": {"class": "logging.StreamHandler"}},
             "loggers": {"django": {"handlers": ["console"], "level": "ERROR"}}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    CHANNEL_LAYERS={"default": (
        {"BACKEND": "channels.layers.InMemoryChannelLayer"} if os.environ.get("INMEM") else
        {"BACKEND": "channels_redis.core.RedisChannelLayer",
         # Without a socket timeout: redis-py's default is as short as the layer's blocking read, so a
         # stream that is silent for 5 s would be closed.
         "CONFIG": {"hosts": [{"address": REDIS, "socket_timeout": None}], "capacity": 100000}})},
)
django.setup()

import jwt
from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.db import connection, models, transaction
from django.http import JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt


class Event(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.TextField()
    start_date = models.DateTimeField(null=True)
    class Meta: app_label = "peer"


class Pax(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    event = models.ForeignKey(Event, on_delete=models.CASCADE)
    event_pax_id = models.CharField(max_length=64, unique=True)
    first_name = models.TextField()
    last_name = models.TextField()
    email = models.TextField()
    checked_in = models.BooleanField(default=False)
    check_in_time = models.DateTimeField(null=True)
    class Meta: app_label = "peer"


def create_tables():
    with connection.schema_editor() as s:
        have = connection.introspection.table_names()
        for m in (Event, Pax):
            if m._meta.db_table not in have:
                s.create_model(m)


def claims(token):
    return jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_aud": False})


def ser(p):
    return {"id": str(p.id), "event_pax_id": p.event_pax_id,
            "user": {"first_name": p.first_name, "last_name": p.last_name, "email": p.email},
            "checked_in": p.checked_in,
            "check_in_time": p.check_in_time.isoformat() if p.check_in_time else None}


def notify(event_id, message, update_type, pid):
    layer, ts = get_channel_layer(), timezone.now().isoformat()
    message["timestamp"] = ts
    send = async_to_sync(layer.group_send)
    send(f"event_{event_id}", {"type": "relay", "message": message})
    send("dashboard", {"type": "relay", "message": {
        "type": "event_update", "event_id": str(event_id), "update_type": update_type,
        "data": {"participant_id": str(pid)}, "timestamp": ts}})


def authed(view):
    @csrf_exempt
    def inner(request, *a, **k):
        try:
            request.claims = claims(request.headers.get("authorization", "").removeprefix("Bearer "))
        except Exception:
            return JsonResponse({"detail": "unauthorized"}, status=401)
        return view(request, *a, **k)
    return inner


@authed
def create_event(request):
    b = json.loads(request.body)
    e = Event.objects.create(name=b["name"], start_date=b.get("start_date"))
    return JsonResponse({"id": str(e.id), "name": e.name}, status=201)


@authed
def register(request, event_id):
    b = json.loads(request.body)
    p = Pax.objects.create(event_id=event_id, event_pax_id=b.get("event_pax_id") or uuid.uuid4().hex[:10],
                           first_name=b["first_name"], last_name=b["last_name"], email=b["email"])
    notify(event_id, {"type": "participant_registered", "participant": ser(p)}, "participant_registered", p.id)
    return JsonResponse(ser(p), status=201)


def _scan(request, event_pax_id, value):
    with transaction.atomic():
        p = Pax.objects.select_for_update().get(event_pax_id=event_pax_id)
        if p.checked_in == value:
            return JsonResponse({"detail": "already"}, status=409)
        p.checked_in = value
        p.check_in_time = timezone.now() if value else None
        p.save()
    kind = "checkin" if value else "checkout"
    notify(p.event_id, {"type": f"{kind}_update", "participant": ser(p), "action": kind},
           f"participant_checked_{'in' if value else 'out'}", p.id)
    return JsonResponse(ser(p))


@authed
def check_in(request, event_pax_id): return _scan(request, event_pax_id, True)


@authed
def check_out(request, event_pax_id): return _scan(request, event_pax_id, False)


urlpatterns = [
    path("api/events/", create_event),
    path("api/events/<uuid:event_id>/register/", register),
    path("api/events/participants/<str:event_pax_id>/check-in/", check_in),
    path("api/events/participants/<str:event_pax_id>/check-out/", check_out),
]


class Base(AsyncJsonWebsocketConsumer):
    async def connect(self):
        headers = dict(self.scope["headers"])
        try:
            self.claims = claims(headers[b"authorization"].decode().removeprefix("Bearer "))
        except Exception:
            return await self.close(code=4401)
        self.group = self.group_name()
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.hello()

    async def disconnect(self, code):
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def relay(self, event): await self.send_json(event["message"])

    async def receive_json(self, content):
        if content.get("type") == "ping":
            await self.send_json({"type": "pong", "timestamp": content.get("timestamp")})


class CheckIn(Base):
    def group_name(self): return f"event_{self.scope['url_route']['kwargs']['event_id']}"

    @database_sync_to_async
    def load(self):
        e = Event.objects.get(pk=self.scope["url_route"]["kwargs"]["event_id"])
        return e, [ser(p) for p in Pax.objects.filter(event=e)]

    async def hello(self):
        e, ps = await self.load()
        await self.send_json({"type": "initial_data", "event": {
            "id": str(e.id), "name": e.name, "participant_count": len(ps)}, "participants": ps})


class Dashboard(Base):
    def group_name(self): return "dashboard"
    async def hello(self): pass


application = ProtocolTypeRouter({
    "http": get_asgi_application(),
    "websocket": URLRouter([
        path("ws/events/checkin/<uuid:event_id>/", CheckIn.as_asgi()),
        path("ws/events/dashboard/", Dashboard.as_asgi()),
    ]),
})

if __name__ == "__main__" and sys.argv[1:] == ["migrate"]:
    create_tables()
