import base64
import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from models.reasons import TIPS, ReasonCode
from tasks.errors import WebhookUrlError
from tasks.events import MAX_NAME_CHARS, MAX_URL_BYTES
from tasks.webhook import RetakeRequest, WebhookSender, new_webhook_id, to_body

URL = "https://sellers.example.com/hooks"
SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
SCORED_AT = datetime(2026, 11, 23, 10, 15, 2, tzinfo=UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_request(
    name: str = "981234", image_url: str = "https://img.example.com/1.jpg", traceparent: str | None = None
) -> RetakeRequest:
    return RetakeRequest(
        webhook_id="msg_1",
        ad_id=name,
        image_id=name,
        seller_id=name,
        image_url=image_url,
        score=1.27,
        stars=1,
        threshold=2.5,
        reasons=(ReasonCode.TOO_DARK, ReasonCode.BLURRY),
        model="quality@0123456789ab",
        scored_at=SCORED_AT,
        traceparent=traceparent,
    )


def test_the_body_is_the_cloudevent_of_the_contract() -> None:
    event = from_structured_event(
        HTTPMessage({"content-type": "application/cloudevents+json"}, to_body(a_request(traceparent=TRACEPARENT)))
    )
    assert event.get_attributes() == {
        "specversion": "1.0",
        "id": "msg_1",
        "source": "/retake",
        "type": "ad.photo.retake_requested",
        "time": SCORED_AT,
        "datacontenttype": "application/json",
        "traceparent": TRACEPARENT,
    }
    assert event.get_data() == {
        "ad_id": "981234",
        "image_id": "981234",
        "seller_id": "981234",
        "image_url": "https://img.example.com/1.jpg",
        "score": 1.27,
        "stars": 1,
        "threshold": 2.5,
        "reasons": [
            {"code": "too_dark", "tip": TIPS[ReasonCode.TOO_DARK]},
            {"code": "blurry", "tip": TIPS[ReasonCode.BLURRY]},
        ],
        "model": "quality@0123456789ab",
        "scored_at": "2026-11-23T10:15:02Z",
    }


def test_without_a_trace_there_is_no_traceparent() -> None:
    assert "traceparent" not in json.loads(to_body(a_request()))


def test_times_are_written_in_utc() -> None:
    elsewhere = SCORED_AT.astimezone(timezone(timedelta(hours=2)))
    request = a_request()
    moved = RetakeRequest(**{**{name: getattr(request, name) for name in request.__slots__}, "scored_at": elsewhere})
    assert to_body(moved) == to_body(request)


@pytest.mark.parametrize("character", ["a", "é", "猫", "🐈", '"', "\\"])
def test_the_longest_valid_fields_stay_below_20_kb(character: str) -> None:
    longest_name = character * MAX_NAME_CHARS
    longest_url = character * (MAX_URL_BYTES // len(character.encode()))
    request = a_request(longest_name, longest_url, TRACEPARENT)
    assert len(to_body(request)) + max(map(len, TIPS.values())) < 20_000  # room for a third reason


@pytest.mark.parametrize("text", ['","score":5,"x":"', "\r\n\r\nPOST / HTTP/1.1", "</script>", "'; DROP TABLE ads; --"])
def test_hostile_text_stays_inside_its_field(text: str) -> None:
    data = json.loads(to_body(a_request(text, text)))["data"]
    assert (data["ad_id"], data["seller_id"], data["image_url"], data["score"]) == (text, text, text, 1.27)


def test_webhook_ids_are_unique_and_have_no_dot() -> None:
    ids = {new_webhook_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all("." not in each and len(each) <= 64 and each.isascii() for each in ids)


@pytest.mark.parametrize(
    "url", ["", "sellers.example.com", "ftp://x/", "http://", "https://u:p@x/", "http://[::1", "/hooks"]
)
def test_an_address_that_cannot_be_posted_to_is_refused(url: str) -> None:
    with pytest.raises(WebhookUrlError, match="RETAKE_NOTIFY_URL"):
        WebhookSender(url, [SECRET])


def test_the_sender_does_not_show_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sender = WebhookSender(URL, [SECRET])
    shown = f"{sender!r} {sender!s} {vars(sender)!r} {caplog.text}"
    assert SECRET not in shown
    assert "k" * 32 not in shown
