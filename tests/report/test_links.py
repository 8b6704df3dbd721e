"""Links: addresses of http and https alone, and fields that cannot leave their place."""

import pytest

from glitchvae.errors import InputError
from glitchvae.report.links import Link


def of(template, *, gps=1238166018.1234, ifo="H1", event_id="H1-1238166018.1234"):
    return Link(template).of(gps=gps, ifo=ifo, event_id=event_id)


def test_the_fields_of_an_event_are_put_in():
    found = of("https://a.org/{ifo}/{date}/?t={gps}&id={event_id}#{{x}}")
    assert found == "https://a.org/H1/20190401/?t=1238166018.123&id=H1-1238166018.1234#{x}"


def test_what_stands_in_a_field_is_encoded():
    found = of("https://a.org/?id={event_id}&i={ifo}", ifo="H1/../x", event_id='"><script>&b=1')
    assert found == "https://a.org/?id=%22%3E%3Cscript%3E%26b%3D1&i=H1%2F..%2Fx"


@pytest.mark.parametrize(
    "template",
    [
        "javascript:alert({gps})",
        "ftp://a.org/{gps}",
        "//a.org/{gps}",
        "a.org/{gps}",
        "",
        "https://",
        "https://{ifo}/{gps}",
        "https://{ifo}@a.org/{gps}",
        "https://a.org/{time}",
        "https://a.org/{}",
        "https://a.org/{gps!r}",
        "https://a.org/{gps:f}",
        "https://a.org/{gps.__class__}",
        "https://a.org/{gps",
        "https://[a/{gps}",
        "https://a.org/ {gps}",
        "https://a.org/\n{gps}",
    ],
)
def test_anything_else_is_refused(template):
    with pytest.raises(InputError, match=r"the template of a link is not valid.*expected https://"):
        Link(template)
