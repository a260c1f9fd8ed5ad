"""Which rule the call of a function breaks, by the function's qualified name."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_EXACT = {
    "clock": """
        datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today
        time.time time.time_ns time.monotonic time.monotonic_ns time.perf_counter time.perf_counter_ns
        time.process_time time.process_time_ns time.thread_time time.thread_time_ns time.clock_gettime
        pandas.Timestamp.now pandas.Timestamp.utcnow pandas.Timestamp.today arrow.now arrow.utcnow
        pendulum.now pendulum.today django.utils.timezone.now django.utils.timezone.localtime
    """,
    "random": "os.urandom os.getrandom builtins.hash builtins.id",
    "uuid": "uuid.uuid1 uuid.uuid4 uuid.uuid6 uuid.uuid7 uuid.getnode",
    "sleep": "time.sleep asyncio.sleep anyio.sleep trio.sleep gevent.sleep",
    "file": """
        builtins.open io.open io.FileIO codecs.open os.open os.listdir os.scandir os.walk os.fwalk os.mkdir
        os.makedirs os.remove os.removedirs os.rename os.renames os.replace os.rmdir os.unlink os.stat
        os.lstat os.link os.symlink os.readlink os.chmod os.chown os.utime os.truncate os.access
        os.path.exists os.path.lexists os.path.isfile os.path.isdir os.path.islink os.path.getsize
        os.path.getmtime os.path.getatime os.path.getctime os.path.realpath glob.glob glob.iglob
        fileinput.input linecache.getline zipfile.ZipFile tarfile.open gzip.open bz2.open lzma.open
        pandas.read_csv pandas.read_json pandas.read_excel pandas.read_parquet
    """,
    "process": "os.system os.popen os.fork os.forkpty os.kill os.killpg os.abort os.startfile",
    "environment": """
        os.getenv os.getenvb os.getcwd os.getcwdb os.getpid os.getppid os.getlogin os.uname os.cpu_count
        os.getuid os.path.expanduser os.path.expandvars os.path.abspath socket.gethostname socket.getfqdn
        getpass.getuser pathlib.Path.cwd pathlib.Path.home dotenv.load_dotenv dotenv.dotenv_values
        builtins.input time.localtime time.tzset locale.getlocale locale.getpreferredencoding
    """,
    "logging": """
        logging.debug logging.info logging.warning logging.warn logging.error logging.critical
        logging.exception logging.log
    """,
    "print": "builtins.print sys.stdout.write sys.stderr.write pprint.pprint",
}
_PREFIXES = {
    "random": "random. secrets. numpy.random.",
    "asyncio": "asyncio. anyio. trio. gevent. curio.",
    "thread": "threading. _thread. concurrent.futures. multiprocessing. multiprocess. joblib.",
    "network": """
        requests. httpx. urllib.request. urllib3. http.client. http.server. socket. socketserver. aiohttp.
        ssl. smtplib. ftplib. poplib. imaplib. nntplib. telnetlib. xmlrpc.client. websockets. websocket.
        paramiko. grpc. boto3. botocore. aioboto3. openai. anthropic. redis. kafka. pika. google.cloud.
        azure.storage. azure.servicebus. azure.identity. azure.cosmos. azure.keyvault. azure.ai.
    """,
    "database": """
        sqlite3. psycopg. psycopg2. asyncpg. pymysql. MySQLdb. mysql.connector. aiosqlite. apsw. oracledb.
        pyodbc. duckdb. pymongo. motor. sqlalchemy.create_engine sqlalchemy.ext.asyncio.
        sqlalchemy.orm.Session
    """,
    "file": "shutil. tempfile. aiofiles.",
    "process": "subprocess. os.spawn os.exec os.posix_spawn pty.",
    "environment": "platform.",
    "print": "rich.print click.echo click.secho",
    "logging": "structlog.get_logger().",
}
#: Raising, comparing or annotating with these is fine everywhere.
_HARMLESS = _words(
    """
    asyncio.CancelledError asyncio.TimeoutError asyncio.InvalidStateError ssl.SSLError socket.timeout
    socket.error grpc.RpcError requests.RequestException requests.HTTPError httpx.HTTPError
    concurrent.futures.TimeoutError concurrent.futures.CancelledError subprocess.CalledProcessError
    subprocess.TimeoutExpired sqlite3.Error sqlite3.IntegrityError sqlite3.OperationalError
    asyncio.iscoroutine asyncio.iscoroutinefunction shutil.Error shutil.SameFileError socket.inet_aton
    socket.inet_pton
    """
)
#: These read the clock only when they are given no time.
_CLOCK_WITHOUT_ARGUMENTS = {"time.gmtime": 0, "time.ctime": 0, "time.asctime": 0, "time.strftime": 1}
_LOGGER = "logging.getLogger()."
_LOGGER_NAMES = frozenset({"logger", "_logger", "log", "_log", "LOGGER", "LOG"})
"""What loggers are called; so one imported from another module is known as well."""
_LOGGER_METHODS = _words("debug info warning warn error critical exception log")
#: Methods of a path that touch the file system.
_PATH_METHODS = _words(
    """
    read_text read_bytes write_text write_bytes open exists is_file is_dir is_symlink iterdir glob rglob
    walk mkdir rmdir unlink touch stat lstat rename replace resolve samefile chmod symlink_to hardlink_to
    readlink owner group is_mount expanduser absolute
    """
)
#: Of these, the name alone tells that they are methods of a path.
UNMISTAKABLE_PATH_METHODS = _words(
    "read_text read_bytes write_text write_bytes iterdir rglob hardlink_to symlink_to"
)
PATH_INSTANCE = "pathlib.Path()"

_RULE_OF = {name: rule for rule, names in _EXACT.items() for name in names.split()}
_RULE_OF_PREFIX = {prefix: rule for rule, names in _PREFIXES.items() for prefix in names.split()}


def rule_of_call(name: str, arguments: int) -> str | None:
    """Return the rule that a call of the function of that qualified name breaks, with so many arguments.

    The instance that calling `X` returns is named `X()`, so its method is `X().method`.
    """
    if name in _HARMLESS or (name == "random.Random" and arguments):
        return None
    if name in _CLOCK_WITHOUT_ARGUMENTS:
        return "clock" if arguments <= _CLOCK_WITHOUT_ARGUMENTS[name] else None
    owner, _, method = name.rpartition(".")
    if method in _LOGGER_METHODS and (f"{owner}." == _LOGGER or owner.rpartition(".")[2] in _LOGGER_NAMES):
        return "logging"
    if name.startswith(f"{PATH_INSTANCE}."):
        return "file" if name.removeprefix(f"{PATH_INSTANCE}.") in _PATH_METHODS else None
    if name in _RULE_OF:
        return _RULE_OF[name]
    return next((rule for prefix, rule in _RULE_OF_PREFIX.items() if name.startswith(prefix)), None)


def rule_of_read(name: str) -> str | None:
    """Return the rule that merely reading the attribute of that qualified name breaks."""
    if name in ("os.environ", "os.environb", "sys.argv") or name.startswith(("os.environ.", "os.environb.")):
        return "environment"
    return None
