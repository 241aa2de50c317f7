"""Requests to submit: checked before they are sent, and refused if submitted before."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pipelines.ids.track import known_submissions, published_submissions
from pipelines.ledger.ledger import Ledger
from pipelines.service import CLIPUS, KLIPIT, SERVICES
from pipelines.settings import Settings, is_loopback, web_address
from sources.shared.errors import Unusable

_LOCAL_NAMES = ("localhost", "local", "internal")
_CREDENTIAL = re.compile(
    r"(^|[-_.])(token|auth|authorization|(api|access)[-_]?key|secret|sig|signature|password|passwd"
    r"|pwd|credentials?)$|AccessKeyId$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Request:
    """The fields to record, and those to send, which differ by secrets."""

    service: str
    fields: dict[str, Any]
    sent: dict[str, Any] = field(repr=False)
    file: Path | None = None

    @property
    def url(self) -> str | None:
        """What is submitted, as recorded; None for a file."""
        return self.fields.get(SERVICES[self.service].url_name)


def klipit_request(
    *,
    source_url: str | None = None,
    file: Path | None = None,
    show: str | None = None,
    guest: str | None = None,
    description: str | None = None,
    platforms: Iterable[str] = (),
) -> Request:
    """An episode: a link or a file, exactly one.

    Raises:
        Unusable: neither or both, not a web address, not a regular file with content, not UTF-8.
    """
    if (source_url is None) == (file is None):
        raise Unusable("Give --source-url or --file, exactly one. Nothing was sent.")
    about = _filled_in(
        show_name=show, guest_name=guest, description=description, platforms=list(platforms)
    )
    if file is None:
        url = _web_address("--source-url", source_url)
        fields = {"source_url": without_credentials(url), **about}
        return Request(KLIPIT.name, fields, {**fields, "source_url": url})
    if not file.is_file() or file.stat().st_size == 0:
        raise Unusable(f"{file} is not a file with content. Nothing was sent. Check --file.")
    return Request(KLIPIT.name, {**_filled_in(file_name=file.name), **about}, about, file)


def clipus_request(
    *,
    url: str,
    languages: Iterable[str] = (),
    title: str | None = None,
    webhook_url: str | None = None,
    token: str | None = None,
    api: str = CLIPUS.base_url,
) -> Request:
    """A page.

    Args:
        token: required in Clipus's calls; it is sent with the webhook's URL and not recorded.
        api: the API's address. An API on this machine may call this machine.

    Raises:
        Unusable: not a web address, not UTF-8, or a webhook that Clipus would not call: it must
            be a public https address. Source: clipus.io/developers.
    """
    page = _web_address("--url", url)
    fields = _filled_in(url=without_credentials(page), languages=list(languages), title=title)
    sent = {**fields, "url": page}
    if webhook_url is None:
        return Request(CLIPUS.name, fields, sent)
    called = _web_address("--webhook-url", webhook_url)
    if not _is_public(called) and not is_loopback(api):
        raise Unusable(
            f"--webhook-url should be a public https address, which Clipus can call; "
            f"{plain_url(called)} is not one. Nothing was sent. docs/webhooks.md shows a proxy for "
            "`clipmart listen`; without --webhook-url, `clipmart sync` polls the campaign."
        )
    fields["webhook_url"] = without_credentials(called)
    sent["webhook_url"] = with_token(called, token) if token else called
    return Request(CLIPUS.name, fields, sent)


class DuplicateCheck:
    """A call refuses a URL that a live or unknown submission already has.

    A submission is live if it is known and neither the published file nor an event in the ledger
    says that it failed. The published file is read once, the ledger at each call.
    """

    def __init__(self, settings: Settings, ledger: Ledger, request: Request) -> None:
        self._ledger = ledger
        self._request = request
        self._service = request.service
        if request.url is not None:
            self._published = published_submissions(settings, self._service)
            self._failed = _published_failures(settings, self._service)

    def __call__(self) -> None:
        """Check again with the ledger's newest events; raises Unusable."""
        url = self._request.url
        if url is None:
            return
        record = SERVICES[self._service]
        failed = self._failed | {
            event.body.get(record.id_name)
            for event in self._ledger.events(self._service, kinds=("webhook",))
            if event.body.get("event") == "job.failed"
        }
        for row in known_submissions(self._ledger, self._service, self._published):
            other = row.get(record.url_name)
            if other is None or not same_url(other, url):
                continue
            shown, submission_id = plain_url(url), row["submission_id"]
            if row["state"] == "known" and row[record.id_name] not in failed:
                raise Unusable(
                    f"{shown} has been submitted already: {record.thing} {row[record.id_name]} "
                    f"(submission {submission_id}, known). Nothing was sent. To submit it "
                    "again, at its price, add --again."
                )
            if row["state"] == "unknown":
                raise Unusable(
                    f"{shown} has a submission whose outcome is unknown: it may exist, or still be "
                    f"on its way (submission {submission_id}, unknown). Nothing was sent. If you "
                    f"find its id: `clipmart track {self._service} ID --intent {submission_id}`. "
                    "If it does not exist, add --again."
                )


def with_token(url: str, token: str) -> str:
    """A webhook's URL with this token, which replaces any other."""
    parts = urlsplit(url)
    query = [part for part in parts.query.split("&") if part and part.split("=")[0] != "token"]
    query.append(f"token={quote(token, safe='')}")
    return urlunsplit(parts._replace(query="&".join(query)))


def without_credentials(url: str) -> str:
    """A URL to record: without parameters that are named like a secret."""
    parts = urlsplit(url)
    query = parts.query.split("&")
    harmless = [each for each in query if not _CREDENTIAL.search(unquote(each.split("=")[0]))]
    if harmless == query:
        return url
    return urlunsplit(parts._replace(query="&".join(harmless)))


def plain_url(url: str) -> str:
    """A URL to show: without user, query and fragment, which may hold a secret."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def same_url(one: str, other: str) -> bool:
    """Whether two URLs name the same page, ignoring the host's case, a final slash, credentials."""
    return _normal(one) == _normal(other)


def _normal(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(without_credentials(url.strip()))
    except ValueError:
        return (url.strip(),)
    return (parts.scheme, parts.netloc.lower(), parts.path.rstrip("/"), parts.query)


def _web_address(option: str, url: str | None) -> str:
    text = (url or "").strip()
    parts = web_address(text)
    if parts is None or not text.isprintable() or " " in text:
        raise Unusable(
            f"{option} should be a web address such as https://example.com/page. Nothing was sent."
        )
    if "@" in parts.netloc:
        raise Unusable(
            f"{option} has a user name or password before its host, which the vendor would get and "
            "store. Nothing was sent or recorded. Give an address that needs neither."
        )
    return text


def _is_public(url: str) -> bool:
    """Whether a service elsewhere can call this address, judged by its text alone."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme != "https":
        return False
    try:
        return ip_address(host).is_global
    except ValueError:
        domain, dot, top = host.rpartition(".")
        # A name that ends in a number is a short form of an address, such as 127.1.
        return bool(domain and dot) and top not in _LOCAL_NAMES and not top[:1].isdigit()


def _filled_in(**fields: str | list[str] | None) -> dict[str, Any]:
    """The fields that have a value."""
    given: dict[str, Any] = {}
    for name, value in fields.items():
        texts = value if isinstance(value, list) else [value or ""]
        try:
            "".join(texts).encode()
        except UnicodeEncodeError as error:
            raise Unusable(f"{name} is not UTF-8 text. Nothing was sent. Retype it.") from error
        if any(text.strip() for text in texts):
            given[name] = value
    return given


def _published_failures(settings: Settings, service: str) -> set[str | None]:
    from pipelines.warehouse.read import NotPublished, open_published

    record = SERVICES[service]
    table, name = record.api.records.name, record.api.records.key[0]
    try:
        with open_published(settings) as con:
            rows = con.execute(
                f"SELECT {name} FROM {service}.{table} WHERE lower(status) IN (SELECT unnest(?))",
                [sorted(record.failed)],
            ).fetchall()
    except NotPublished:
        return set()
    return {id_ for (id_,) in rows}
