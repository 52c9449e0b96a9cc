"""Amazon SES, API v2: https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html."""

from __future__ import annotations

import base64
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from services.mailer.outcome import Accepted, Outcome, Uncertain, reason
from services.mailer.providers import fields, letter, ses_answers, ses_bulk, ses_tags
from services.mailer.providers.base import AwsCredentials, Request, Response, Traits, UnsupportedError
from services.mailer.providers.replies import identifier, of_the_whole, parse
from shared.signatures import SendEmail

_RECIPIENTS = 50
_LETTER_BYTES = 40 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Ses:
    """One Amazon SES account in one region.

    It honours no idempotency key, and cannot be searched by an id of ours: a message in doubt stays so.
    It also puts a ``Message-ID`` and ``Date`` of its own in the place of ours, so that a server which
    gets a message twice cannot tell (https://docs.aws.amazon.com/ses/latest/dg/header-fields.html).

    A message goes as the letter that it is (``Content.Raw``), which keeps everything in it; Bcc stands in
    its envelope alone.  Tags and metadata become message tags, together with our message id.  A batch is
    of up to 50 messages that share sender, Reply-To, subject, text and HTML, without files, without
    ``{{``, and with at most 15 headers in ASCII.

    It cannot carry more than 50 recipients, 40 MB, or tags and metadata that are not made of ASCII
    letters, digits, ``_`` and ``-``, or that give a name twice.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    session_token: str | None = field(default=None, repr=False)
    configuration_set: str | None = None
    """Which publishes the events; without it Amazon reports bounces and complaints alone."""
    base_url: str | None = None
    """None for the public endpoint of the region."""

    kind: ClassVar[str] = "ses"
    traits: ClassVar[Traits] = Traits(batch_size=50, counts_messages=True)

    def build(self, message: SendEmail) -> Request:
        """See :meth:`.Provider.build`.

        Limits: https://docs.aws.amazon.com/ses/latest/dg/quotas.html
        """
        groups = {"ToAddresses": message.to, "CcAddresses": message.cc, "BccAddresses": message.bcc}
        if sum(map(len, groups.values())) > _RECIPIENTS:
            raise UnsupportedError(f"Amazon SES takes at most {_RECIPIENTS} recipients")
        raw = letter.compose(message, disclosed=False)
        if len(raw) > _LETTER_BYTES:
            raise UnsupportedError("Amazon SES takes messages of at most 40 MB")
        document = {
            "Destination": {kind: [each.email for each in group] for kind, group in groups.items() if group},
            "Content": {"Raw": {"Data": base64.b64encode(raw).decode()}},
            "EmailTags": ses_tags.tags(message),
        }
        return self._request("outbound-emails", document)

    def read(self, response: Response) -> Outcome:
        """See :meth:`.Provider.read`."""
        if response.status != 200:
            return ses_answers.refusal(response, secrets=self._secrets)
        document = parse(response.body)
        if isinstance(document, dict) and isinstance(document.get("MessageId"), str):
            return Accepted(identifier(document["MessageId"]))
        return Uncertain(reason("HTTP 200", "without a message id, so not Amazon's answer"))

    def shared(self, message: SendEmail) -> Hashable | None:
        """See :meth:`.Batchable.shared`."""
        return ses_bulk.shared(message)

    def build_batch(self, messages: Sequence[SendEmail]) -> Request:
        """See :meth:`.Batchable.build_batch`.

        https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendBulkEmail.html
        """
        return self._request("outbound-bulk-emails", ses_bulk.document(messages))

    def read_batch(self, response: Response, messages: Sequence[SendEmail]) -> list[Outcome]:
        """See :meth:`.Batchable.read_batch`."""
        if response.status != 200:
            refused = ses_answers.refusal(response, secrets=self._secrets)
            return of_the_whole(refused, len(messages))
        document = parse(response.body)
        entries = document.get("BulkEmailEntryResults") if isinstance(document, dict) else None
        if not isinstance(entries, list) or len(entries) != len(messages):
            unknown = Uncertain(reason("HTTP 200", "without a result for each message of the batch"))
            return of_the_whole(unknown, len(messages))
        return [ses_answers.entry(entry, secrets=self._secrets) for entry in entries]

    @property
    def _secrets(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.secret_access_key, self.session_token, self.access_key_id)))

    def _request(self, path: str, document: dict[str, object]) -> Request:
        if self.configuration_set:
            document["ConfigurationSetName"] = self.configuration_set
        base_url = self.base_url or f"https://email.{self.region}.amazonaws.com"
        return Request(
            url=f"{base_url.rstrip('/')}/v2/email/{path}",
            body=fields.compact(document),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            signed_by=AwsCredentials(
                access_key_id=self.access_key_id,
                secret_access_key=self.secret_access_key,
                session_token=self.session_token,
                region=self.region,
                service="ses",
            ),
        )
