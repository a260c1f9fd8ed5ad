import pytest
from durakit.errors import SettingsError
from durakit.wire.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "secure", "expected"),
    [
        ("http://localhost:8080", True, Address("localhost:8080", False, is_loopback=True)),
        ("grpc://127.0.0.1:4001", True, Address("127.0.0.1:4001", False, is_loopback=True)),
        ("https://hub.westeurope.durabletask.io", False, Address("hub.westeurope.durabletask.io:443", True)),
        ("HTTPS://Hub.example/", False, Address("Hub.example:443", True)),
        ("grpcs://hub.example:8443", False, Address("hub.example:8443", True)),
        ("http://scheduler", True, Address("scheduler:80", False)),
        ("localhost:4001", False, Address("localhost:4001", False, is_loopback=True)),
        ("localhost:4001", True, Address("localhost:4001", True, is_loopback=True)),
        ("http://[::1]:8080", False, Address("[::1]:8080", False, is_loopback=True)),
        (" hub.example:1 ", False, Address("hub.example:1", False)),
        ("unix:/run/durakit.sock", False, Address("unix:/run/durakit.sock", False)),
    ],
)
def test_the_scheme_decides_about_tls_and_the_callers_wish_where_there_is_none(
    text: str, secure: bool, expected: Address
) -> None:
    assert parse_address(text, secure=secure) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The scheduler's address is empty; expected for example http://localhost:8080."),
        (
            "http://localhost:8080/hubs?x=1",
            "The scheduler's address 'http://localhost:8080/hubs?x=1' has more than scheme, host and port; "
            "write http://localhost:8080 instead.",
        ),
        (
            "Endpoint=http://localhost:8080;TaskHub=default",
            "The scheduler's address is a whole connection string; expected only its Endpoint part, "
            "here http://localhost:8080. Put the whole text into DURABLE_TASK_SCHEDULER_CONNECTION_STRING "
            "instead.",
        ),
        (
            "tcp://localhost:1",
            "The scheduler's address 'tcp://localhost:1' begins with tcp://; "
            "expected http:// (plaintext) or https:// (TLS).",
        ),
        (
            "http://localhost:99999",
            "The scheduler's address 'http://localhost:99999' is not a host and port; "
            "expected for example http://localhost:8080 or http://[::1]:8080.",
        ),
        (
            "https://me:secret@hub.example",
            "The scheduler's address contains user information before '@'; "
            "expected only scheme, host and port; pass a token by DURAKIT_TOKEN.",
        ),
    ],
)
def test_an_address_that_is_more_or_less_than_that_is_refused_with_the_correction(
    text: str, message: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        parse_address(text)

    assert str(refusal.value) == message


def test_an_address_reads_as_people_write_it() -> None:
    assert str(parse_address("grpcs://hub.example")) == "https://hub.example:443"
