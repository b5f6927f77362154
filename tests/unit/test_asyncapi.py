"""The AsyncAPI document says what the code does: neither can change without the other."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from jsonschema import Draft202012Validator

from models.reasons import ReasonCode
from tasks.events import MAX_EVENT_BYTES, ImageUploaded, parse_event
from tasks.webhook import CONTENT_TYPE, RetakeRequest, to_body

Schema = dict[str, Any]
DOCUMENT: Schema = yaml.safe_load((Path(__file__).parents[2] / "ops/asyncapi.yaml").read_text())
UPLOADED = DOCUMENT["components"]["messages"]["imageUploaded"]
REQUESTED = DOCUMENT["components"]["messages"]["retakeRequested"]
PROSE = {"title", "description", "default", "$defs"}


def resolved(schema: object, root: Schema) -> Any:
    """The schema without references and prose."""
    if isinstance(schema, list):
        return [resolved(part, root) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target: object = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = cast("Schema", target)[step]
        return resolved(target, root)
    names_fields = "properties" in schema
    return {
        key: {name: resolved(each, root) for name, each in value.items()}
        if names_fields and key == "properties"
        else resolved(value, root)
        for key, value in schema.items()
        if key not in PROSE
    }


def examples(message: Schema) -> list[Any]:
    return [pytest.param(example, id=example["name"]) for example in message["examples"]]


def assert_valid(value: object, schema: object) -> None:
    validator = Draft202012Validator(resolved(schema, DOCUMENT), format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(value)] == []


def test_the_upload_event_is_the_one_that_the_parser_takes() -> None:
    model = ImageUploaded.model_json_schema()
    assert resolved(UPLOADED["payload"], DOCUMENT) == resolved(model, model)
    assert f"{MAX_EVENT_BYTES:,} bytes" in UPLOADED["description"]


@pytest.mark.parametrize("example", examples(UPLOADED))
def test_examples_of_upload_events_are_valid_and_parsed(example: Schema) -> None:
    assert_valid(example["payload"], UPLOADED["payload"])
    event = parse_event(json.dumps(example["payload"]).encode())
    data = example["payload"]["data"]
    assert event.data.model_dump(exclude_none=True) == data
    assert event.traceparent == example["payload"].get("traceparent")


@pytest.mark.parametrize("example", examples(REQUESTED))
def test_examples_of_retake_requests_are_valid_and_just_what_is_sent(example: Schema) -> None:
    assert_valid(example["payload"], REQUESTED["payload"])
    assert_valid(example["headers"], REQUESTED["headers"])
    data = example["payload"]["data"]
    fields = data | {
        "webhook_id": example["headers"]["webhook-id"],
        "reasons": tuple(ReasonCode(reason["code"]) for reason in data["reasons"]),
        "scored_at": datetime.fromisoformat(data["scored_at"]),
    }
    assert json.loads(to_body(RetakeRequest(**fields))) == example["payload"]


@pytest.mark.parametrize("traceparent", [None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
@pytest.mark.parametrize("reason", ReasonCode)
def test_whatever_is_sent_is_valid(reason: ReasonCode, traceparent: str | None) -> None:
    request = RetakeRequest(
        webhook_id="msg_1",
        ad_id="1",
        image_id="2",
        seller_id="3",
        image_url="https://img.example.com/1.jpg",
        score=0.0,
        stars=0,
        threshold=5.0,
        reasons=(reason,),
        model="quality@0123456789ab",
        scored_at=datetime.fromisoformat("2026-11-23T10:15:02Z"),
        traceparent=traceparent,
    )
    assert_valid(json.loads(to_body(request)), REQUESTED["payload"])


def test_the_document_names_every_reason_in_order() -> None:
    assert DOCUMENT["components"]["schemas"]["Reason"]["properties"]["code"]["enum"] == [*ReasonCode]


def test_both_messages_travel_as_cloudevents() -> None:
    assert UPLOADED["contentType"] == REQUESTED["contentType"] == DOCUMENT["defaultContentType"] == CONTENT_TYPE


def test_a_missing_field_would_be_noticed() -> None:
    broken = json.loads(json.dumps(REQUESTED["examples"][0]["payload"]))
    del broken["data"]["score"]
    broken["data"]["mark"] = 3
    with pytest.raises(AssertionError, match="score"):
        assert_valid(broken, REQUESTED["payload"])
