import base64

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tasks.errors import WebhookSecretError
from tasks.signature import Signer

BODY = '{"id":"msg_1","tip":"Zu dunkel für uns"}'.encode()


def secret(size: int, letter: bytes = b"k") -> str:
    return "whsec_" + base64.b64encode(letter * size).decode()


@pytest.mark.parametrize("size", [24, 25, 32, 64])
def test_the_public_verifier_accepts_the_headers(size: int) -> None:
    headers = Signer([secret(size)]).headers("msg_1", BODY)
    assert Webhook(secret(size)).verify(BODY, headers)["id"] == "msg_1"


def test_padding_may_be_left_out() -> None:
    headers = Signer([secret(25).rstrip("=")]).headers("msg_1", BODY)
    assert Webhook(secret(25)).verify(BODY, headers)["id"] == "msg_1"


def test_a_changed_body_is_noticed() -> None:
    headers = Signer([secret(32)]).headers("msg_1", BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret(32)).verify(BODY + b" ", headers)


def test_each_secret_gives_one_signature_in_the_order_given() -> None:
    secrets = [secret(32, b"a"), secret(32, b"b")]
    headers = Signer(secrets).headers("msg_1", BODY)
    signatures = headers["webhook-signature"].split(" ")
    assert len(signatures) == 2
    for each, signature in zip(secrets, signatures, strict=True):
        Webhook(each).verify(BODY, headers | {"webhook-signature": signature})


@pytest.mark.parametrize(
    "wrong", [secret(23), secret(65), secret(32)[6:], "whsec_", "whsec_???", "", "whsec_" + "é" * 40, secret(32) + "\n"]
)
def test_a_malformed_secret_is_refused_and_not_shown(wrong: str) -> None:
    with pytest.raises(WebhookSecretError) as refused:
        Signer([secret(32), wrong])
    assert (str(refused.value), refused.value.code) == (WebhookSecretError.__doc__, "webhook_secret_invalid")


def test_there_must_be_a_secret() -> None:
    with pytest.raises(WebhookSecretError):
        Signer([])


def test_a_signer_does_not_show_its_secrets() -> None:
    signer = Signer([secret(32)])
    shown = f"{signer!r} {vars(signer)!r}"
    assert secret(32) not in shown
    assert "k" * 32 not in shown
