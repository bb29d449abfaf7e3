"""Payment methods named by id, path or full URL, brought to the one token. Nothing that a caller names is fetched."""

import re
from collections.abc import Collection
from urllib.parse import urlsplit

import msgspec

from billsmith.errors import Invalid

LONGEST_REFERENCE = 2000


class ReferenceRefused(Invalid):
    """A text that names no payment method of this gateway account."""

    code = "payment_method_reference_refused"


class ReferenceForm(msgspec.Struct, frozen=True):
    """How an account's payment methods are named: the shape of a token, the folders before it, the gateway's hosts."""

    token: re.Pattern[str]
    folders: Collection[str] = ("payment_methods",)
    hosts: Collection[str] = ()

    def read(self, reference: str) -> str:
        """The token in `tok_1`, `/v1/payment_methods/tok_1` or `https://host/v1/payment_methods/tok_1`.

        Raises ReferenceRefused: for another host, another kind of object, or anything more in the URL than that.
        """
        text = reference.strip(" ") if len(reference) <= LONGEST_REFERENCE else ""
        if not text or not text.isprintable() or not text.isascii():
            raise self._refused(reference, "it is empty, too long, or has characters that no reference has")
        path = self._path(text) if "://" in text else text
        *folders, token = path.rstrip("/").split("/")
        if folders and folders[-1] not in self.folders:
            raise self._refused(reference, f"only {', '.join(sorted(self.folders))} can be named by path")
        if any(folder in {".", ".."} for folder in folders) or not self.token.fullmatch(token):
            raise self._refused(reference, "it does not end in the id of a payment method")
        return token

    def _path(self, text: str) -> str:
        try:
            url = urlsplit(text)
            port = url.port
        except ValueError:
            raise self._refused(text, "it is not a URL") from None
        if url.scheme.lower() != "https" or port not in {None, 443} or url.username is not None:
            raise self._refused(text, "a full URL is https, with no port, user or password")
        if (url.hostname or "").rstrip(".") not in {host.lower() for host in self.hosts}:
            raise self._refused(text, f"{url.hostname!r} is not this gateway's host ({', '.join(sorted(self.hosts))})")
        if url.query or url.fragment or "?" in text or "#" in text:
            raise self._refused(text, "a reference has neither query nor fragment")
        return url.path

    def _refused(self, reference: str, why: str) -> ReferenceRefused:
        return ReferenceRefused(f"{reference[:100]!r} names no payment method: {why}", pointer="/payment_method")
