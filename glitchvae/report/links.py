"""Links from events on the page to a web site of the user's choice."""

from __future__ import annotations

from dataclasses import dataclass
from string import Formatter
from urllib.parse import quote, urlsplit

from glitchvae.errors import InputError
from glitchvae.report.times import utc_date

FIELDS = ("gps", "ifo", "event_id", "date")
"""Fields of a template: GPS seconds to a millisecond, detector, identifier, YYYYMMDD (UTC)."""

_EXAMPLE = "https://example.org/{ifo}/{date}/?gps={gps}"


@dataclass(frozen=True)
class Link:
    """Template of a link with fields of an event.

    Args:
        template: Such as "https://example.org/?gps={gps}"; `FIELDS` may stand in braces behind the
            host, and are percent-encoded.

    Raises:
        InputError: no address of http or https, or a field that is not known.
    """

    template: str

    def __post_init__(self) -> None:
        try:
            parts = list(Formatter().parse(self.template))
            address = urlsplit(self.template)
            host = address.hostname
        except ValueError as error:
            raise self._refused(str(error)) from error
        if address.scheme not in {"http", "https"} or not host or set("{}") & set(address.netloc):
            raise self._refused("no address that begins with https:// and the name of a host")
        for _, name, form, conversion in parts:
            if name is not None and (name not in FIELDS or form or conversion):
                raise self._refused(f"the field {{{name}}}")
        if any(letter.isspace() or not letter.isprintable() for letter in self.template):
            raise self._refused("a blank in it")

    def of(self, *, gps: float, ifo: str, event_id: str) -> str:
        """Link of one event."""
        values = {
            "gps": f"{gps:.3f}",
            "ifo": ifo,
            "event_id": event_id,
            "date": utc_date(gps),
        }
        return self.template.format(**{k: quote(v, safe="") for k, v in values.items()})

    def _refused(self, found: str) -> InputError:
        return InputError(
            "the template of a link is not valid",
            where=repr(self.template),
            expected=f"{_EXAMPLE}, with {', '.join(f'{{{name}}}' for name in FIELDS)}",
            found=found,
        )
