"""A private RabbitMQ node with the virtual host, users and rights of a real deployment."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

import amqp
from amqp.exceptions import NotFound

from tests.servers.node import environment, write_settings
from tests.servers.packages import program, require
from tests.servers.process import Process, run
from tests.servers.server import Server, free_port

SETUP = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "setup.sh"
VHOST = "pillarbox"

# Deleted inside the node, in one call, whatever it is and whoever uses it. Every virtual host has
# the nameless exchange and those called amq.something.
_DELETE_ALL = f"""
VHost = <<"{VHOST}">>,
BuiltIn = fun(<<>>) -> true; (<<"amq.", _/binary>>) -> true; (_) -> false end,
[rabbit_amqqueue:delete(Q, false, false, <<"tests">>) || Q <- rabbit_amqqueue:list(VHost)],
[rabbit_exchange:delete(Name, false, <<"tests">>)
 || X <- rabbit_exchange:list(VHost), Name <- [element(2, X)], not BuiltIn(element(4, Name))],
ok.
"""


class RabbitMQ(Server):
    """One node, set up by ``deploy/rabbitmq/setup.sh`` with random passwords."""

    def __init__(self) -> None:
        """Reserve ports for AMQP, for Erlang's distribution and for its port mapper."""
        require("rabbitmq-server")
        super().__init__()
        self._passwords = {user: secrets.token_hex(16) for user in ("gateway", "mailer", "admin")}
        self._environment = environment(self.folder, self.port, free_port(), free_port())
        self._port_mapper: Process | None = None
        self._is_set_up = False

    @property
    def gateway_url(self) -> str:
        """The gateway's way in, with the gateway's rights."""
        return self.url("gateway")

    @property
    def mailer_url(self) -> str:
        """The mailer's way in, with the mailer's rights."""
        return self.url("mailer")

    @property
    def admin_url(self) -> str:
        """A way in with all rights, for the tests themselves."""
        return self.url("admin")

    def url(self, user: str, password: str | None = None) -> str:
        """A user's way into the virtual host, with another password if one is given."""
        return f"amqp://{user}:{password or self._passwords[user]}@127.0.0.1:{self.port}/{VHOST}"

    def start(self) -> None:
        """Start node and port mapper; the first time also create virtual host and users."""
        super().start()
        if not self._is_set_up:
            self.run_setup()
            self.ctl("set_permissions", "--vhost", VHOST, "admin", ".*", ".*", ".*")
            self._is_set_up = True

    def stop(self) -> None:
        """Shut node and port mapper down in order; data and ports stay."""
        super().stop()
        if self._port_mapper is not None:
            self._port_mapper.end(signal.SIGTERM, patience=5)
            self._port_mapper = None

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl against this node and return what it prints; costs about 0.3 s.

        Raises:
            subprocess.CalledProcessError: rabbitmqctl failed; ``stderr`` holds its words.
        """
        command = [str(program("rabbitmqctl")), "--quiet", *arguments]
        return run(command, self._environment, self.folder)

    def run_setup(self, **variables: str) -> str:
        """Run ``setup.sh`` with the users' passwords, or with what is given, and return what it prints.

        Raises:
            subprocess.CalledProcessError: It refused or failed; ``stderr`` says why.
        """
        passwords = {f"{user.upper()}_PASSWORD": self._passwords[user] for user in ("gateway", "mailer")}
        ctl = {"RABBITMQCTL": str(program("rabbitmqctl"))}
        return run([str(SETUP)], self._environment | ctl | passwords | variables, self.folder)

    def fresh(self) -> None:
        """Delete every queue and exchange of the virtual host; costs about 0.3 s."""
        self.ctl("eval", _DELETE_ALL)

    def settle(self) -> None:
        """Make new quorum queues survive a :meth:`kill`; costs about 0.3 s.

        RabbitMQ 3.10 writes down which quorum queues it has only about a second later.  One that is
        younger when the node dies comes back without a leader: it takes declares, but no message, and
        those it had confirmed are lost.
        """
        self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()], ok.")

    def queue_depth(self, name: str) -> int:
        """How many messages are ready in a queue; 0 if there is no such queue.

        Messages that a consumer holds unacknowledged do not count.  In the first half second after
        a start the answer is 0 until the queue has a leader.
        """
        with self._admin() as connection:
            try:
                return int(connection.channel().queue_declare(name, passive=True).message_count)
            except NotFound:
                return 0

    def consumers(self, name: str) -> int:
        """How many consumers a queue has.

        A passive declare would also count those that were cancelled and still hold messages.
        """
        listed = self.ctl("list_consumers", "--vhost", VHOST, "queue_name").split()
        return listed.count(name)

    def delete_queue(self, name: str) -> None:
        """Delete a queue with all its messages; nothing happens if there is none."""
        with self._admin() as connection:
            connection.channel().queue_delete(name)

    def purge(self, name: str) -> int:
        """Remove the ready messages of a queue and return their number.

        Raises:
            amqp.exceptions.NotFound: There is no such queue.
        """
        with self._admin() as connection:
            return int(connection.channel().queue_purge(name))

    def prepare(self) -> None:
        """Write the node's settings."""
        write_settings(self.folder, self._passwords["admin"])

    def launch(self) -> Process:
        """Start the port mapper if it is not there, and the node."""
        if self._port_mapper is None:
            command = [str(program("epmd")), "-port", self._environment["ERL_EPMD_PORT"]]
            self._port_mapper = Process([*command, "-address", "127.0.0.1"], self._environment, self.folder)
        return Process([str(program("rabbitmq-server"))], self._environment, self.folder)

    def answers(self) -> bool:
        """Whether a client can log in."""
        try:
            self._admin("/").close()
        except OSError:
            return False
        return True

    def _admin(self, vhost: str = VHOST) -> amqp.Connection:
        connection = amqp.Connection(
            f"127.0.0.1:{self.port}",
            userid="admin",
            password=self._passwords["admin"],
            virtual_host=vhost,
            connect_timeout=5,
            read_timeout=10,
        )
        connection.connect()
        return connection
