"""The servers under the tests start, keep what they confirmed, and leave nothing behind."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from amqp import Message
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from redis import Redis as Client

from tests.servers.proc import is_alive

if TYPE_CHECKING:
    from tests.servers.postgresql import PostgreSQL
    from tests.servers.rabbitmq import RabbitMQ
    from tests.servers.redis import Redis
    from tests.servers.server import Server

# A test run that starts a server, says where it is, and then hangs until it is killed.
_RUN = """
from tests.servers.redis import Redis
server = Redis()
server.start()
print(server.process.pid, server.folder, flush=True)
input()
"""


@pytest.fixture(params=["rabbitmq", "redis", "postgresql"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers in turn."""
    running: Server = request.getfixturevalue(request.param)
    return running


def test_confirmed_message_survives_kill(rabbitmq: RabbitMQ) -> None:
    """A persistent message in a quorum queue is there after SIGKILL and a restart."""
    rabbitmq.fresh()
    connection = Connection(rabbitmq.admin_url, transport_options={"confirm_publish": True})
    channel = connection.channel()
    arguments = {"x-queue-type": "quorum"}
    Queue("kept", Exchange("pillarbox", "topic"), "kept", queue_arguments=arguments)(channel).declare()
    rabbitmq.settle()
    channel.basic_publish_confirm(Message("{}", delivery_mode=2), "pillarbox", "kept", mandatory=True)
    rabbitmq.kill()
    connection.collect()
    rabbitmq.start()
    deadline = time.monotonic() + 5
    while rabbitmq.queue_depth("kept") == 0 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert 1 == rabbitmq.queue_depth("kept")
    rabbitmq.fresh()
    assert 0 == rabbitmq.queue_depth("kept")


def test_written_key_survives_kill(redis: Redis) -> None:
    """A key that was answered with OK is there after SIGKILL and a restart."""
    with Client.from_url(redis.url) as client:
        client.set("kept", "yes")
    redis.kill()
    redis.start()
    with Client.from_url(redis.url) as client:
        assert b"yes" == client.get("kept")
        redis.fresh()
        assert None is client.get("kept")


async def test_committed_row_survives_kill(postgresql: PostgreSQL) -> None:
    """A row that was committed is there after SIGKILL and a restart."""
    url = postgresql.create_database()
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 'yes'::text AS word")
    await asyncio.to_thread(postgresql.kill)
    connection.terminate()
    await asyncio.to_thread(postgresql.start)
    assert "yes" == postgresql.execute("SELECT word FROM kept", url)
    assert "on" == postgresql.execute("SHOW fsync", url)


def test_databases_are_separate(postgresql: PostgreSQL) -> None:
    """Every test that asks for a database gets an empty one of its own."""
    one, other = postgresql.create_database(), postgresql.create_database()
    postgresql.execute("CREATE TABLE mine ()", one)
    assert "t" == postgresql.execute("SELECT to_regclass('mine') IS NULL", other)


def test_stop_leaves_no_process(server: Server) -> None:
    """After a stop neither the server nor one of its children is left, nor does anybody listen."""
    tree = server.process.tree()
    server.stop()
    try:
        assert [] == [pid for pid in tree if is_alive(pid)]
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", server.port)) != 0
    finally:
        server.start()


def test_frozen_server_hangs_and_thaws(server: Server) -> None:
    """A frozen server accepts connections, as the kernel does that, but answers nobody."""
    server.freeze()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=0.3) as client:
            client.sendall(b"PING\r\n\0\0\0\0\0\0\0\0")
            with pytest.raises(TimeoutError):
                client.recv(1)
    finally:
        server.thaw()
    assert server.answers()


def test_server_dies_with_the_test_run() -> None:
    """A test run that is killed takes its servers and their folders with it."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", _RUN], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        pid, folder = run.stdout.readline().split()
        run.kill()
    deadline = time.monotonic() + 5
    while (is_alive(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (False, False) == (is_alive(int(pid)), Path(folder).exists())
