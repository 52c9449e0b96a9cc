"""A private RabbitMQ node with the virtual host, users and rights of a real deployment."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from pathlib import Path

from amqp.exceptions import NotFound
from kombu import Connection

from tests.servers.packages import program, require
from tests.servers.process import Process
from tests.servers.server import Server, free_port

SETUP = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "setup.sh"
VHOST = "pillarbox"

# Two schedulers that sleep when idle, and an Erlang distribution that nobody else can reach.
_ERL_ARGS = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"

# Queues and exchanges are deleted inside the node: one call, whatever they are and whoever uses them.
_DELETE_ALL = f"""
VHost = <<"{VHOST}">>,
[rabbit_amqqueue:delete(Q, false, false, <<"tests">>) || Q <- rabbit_amqqueue:list(VHost)],
[rabbit_exchange:delete(Name, false, <<"tests">>)
 || X <- rabbit_exchange:list(VHost), Name <- [element(2, X)],
    not lists:member(binary:part(element(4, Name), 0, min(4, byte_size(element(4, Name)))), [<<>>, <<"amq.">>])],
ok.
"""


class RabbitMQ(Server):
    """One node, set up by ``deploy/rabbitmq/setup.sh`` with random passwords."""

    def __init__(self) -> None:
        """Reserve ports for AMQP, for Erlang's distribution and for its port mapper."""
        require("rabbitmq-server")
        super().__init__()
        self._passwords = {user: secrets.token_hex(16) for user in ("gateway", "mailer", "admin")}
        self._epmd: Process | None = None
        self._environment = self._isolated_environment(free_port(), free_port())

    @property
    def gateway_url(self) -> str:
        """The gateway's way in, with the gateway's rights."""
        return self._url("gateway")

    @property
    def mailer_url(self) -> str:
        """The mailer's way in, with the mailer's rights."""
        return self._url("mailer")

    @property
    def admin_url(self) -> str:
        """A way in with all rights, for the tests themselves."""
        return self._url("admin")

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl against this node and return what it prints; costs about 0.3 s.

        Raises:
            subprocess.CalledProcessError: rabbitmqctl failed; ``stderr`` holds its words.
        """
        return self._run([self._program("rabbitmqctl"), "--quiet", *arguments], {})

    def fresh(self) -> None:
        """Delete every queue and exchange of the virtual host."""
        self.ctl("eval", _DELETE_ALL)

    def queue_depth(self, name: str) -> int:
        """How many messages are ready in a queue; 0 if there is no such queue.

        Messages that a consumer holds unacknowledged do not count.
        """
        with Connection(self.admin_url) as connection, connection.channel() as channel:
            try:
                return int(channel.queue_declare(name, passive=True).message_count)
            except NotFound:
                return 0

    def delete_queue(self, name: str) -> None:
        """Delete a queue with all its messages; nothing happens if there is none."""
        with Connection(self.admin_url) as connection, connection.channel() as channel:
            channel.queue_delete(name)

    def purge(self, name: str) -> int:
        """Remove the ready messages of a queue and return their number.

        Raises:
            amqp.exceptions.NotFound: There is no such queue.
        """
        with Connection(self.admin_url) as connection, connection.channel() as channel:
            return int(channel.queue_purge(name))

    def stop(self) -> None:
        """Shut the node and its port mapper down in order; data and ports stay."""
        super().stop()
        if self._epmd is not None:
            self._epmd.end(signal.SIGTERM, patience=5)
            self._epmd = None

    def prepare(self) -> None:
        """Write the node's settings; ``default_user`` is created at the first boot only."""
        home = self.folder / "home"
        home.mkdir()
        cookie = home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "rabbitmq.conf").write_text(
            f"default_user = admin\ndefault_pass = {self._passwords['admin']}\n"
        )

    def launch(self) -> Process:
        """Start the port mapper if it is gone, and the node."""
        if self._epmd is None:
            port = self._environment["ERL_EPMD_PORT"]
            command = [self._program("epmd"), "-port", port, "-address", "127.0.0.1"]
            self._epmd = Process(command, self._environment, self.folder)
        return Process([self._program("rabbitmq-server")], self._environment, self.folder)

    def answers(self) -> bool:
        """Whether a client can log in."""
        try:
            with Connection(self._url("admin", vhost=""), connect_timeout=5) as connection:
                connection.connect()
        except OSError:
            return False
        return True

    def set_up(self) -> None:
        """Run what an operator runs, and let the tests' own user into the virtual host."""
        self.run_setup()
        self.ctl("set_permissions", "--vhost", VHOST, "admin", ".*", ".*", ".*")

    def run_setup(self, **variables: str) -> str:
        """Run ``setup.sh`` with the users' passwords, or others, and return what it prints.

        Raises:
            subprocess.CalledProcessError: It refused or failed; ``stderr`` says why.
        """
        passwords = {f"{user.upper()}_PASSWORD": self._passwords[user] for user in ("gateway", "mailer")}
        ctl = {"RABBITMQCTL": self._program("rabbitmqctl")}
        return self._run([str(SETUP)], ctl | passwords | variables)

    def _run(self, command: list[str], variables: dict[str, str]) -> str:
        return subprocess.run(
            command,
            env=self._environment | variables,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    def _url(self, user: str, vhost: str = VHOST) -> str:
        return f"amqp://{user}:{self._passwords[user]}@127.0.0.1:{self.port}/{vhost}"

    @staticmethod
    def _program(name: str) -> str:
        return str(program(name))

    def _isolated_environment(self, distribution: int, port_mapper: int) -> dict[str, str]:
        """Every setting that would otherwise be shared with the machine's own RabbitMQ."""
        folder = str(self.folder)
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": f"{folder}/home",
            "ERL_EPMD_PORT": str(port_mapper),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"pillarbox{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_GENERATED_CONFIG_DIR": f"{folder}/config",
            "RABBITMQ_SCHEMA_DIR": f"{folder}/schema",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/rabbitmq-env.conf",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{folder}/advanced",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERL_ARGS,
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # The start script replaces itself by the Erlang machine, so that our child is the broker.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
