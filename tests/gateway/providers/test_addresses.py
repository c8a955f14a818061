"""Addresses in messages: found wherever they stand in for data, not in what is to be read."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.providers.addresses import addresses

URL = "http://10.0.0.1/x"


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "image_url", "image_url": URL},
        {"type": "video_url", "video_url": {"url": URL}},
        {"type": "input_audio", "input_audio": {"data": URL}},
        {"type": "file", "file": {"file_data": URL}},
        {"type": "file", "file": {"file_id": "gs://bucket/x"}},
        {"type": "document", "source": {"type": "url", "url": URL}, "title": "a"},
        {"type": "tool_result", "content": [{"type": "image", "source": {"url": URL}}]},
        {"type": "image_url", "image_url": {"url": f"data:image/png,{URL}"}},
    ],
)
def test_found_in_parts(part: dict[str, Any]) -> None:
    [address] = addresses([{"role": "user", "content": [{"type": "text", "text": "Hi"}, part]}])
    assert "://" in address


def test_found_in_pictures_of_an_assistant() -> None:
    message = {"role": "assistant", "content": "", "images": [{"image_url": {"url": URL}}]}
    assert list(addresses([message])) == [URL]


@pytest.mark.parametrize(
    "content",
    [
        f"See {URL}.",
        [{"type": "text", "text": f"See {URL}."}],
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}],
        [{"type": "document", "source": {"type": "text", "data": "a"}, "title": URL}],
        None,
    ],
)
def test_words_and_data_are_none(content: Any) -> None:
    assert list(addresses([{"role": "user", "content": content}])) == []
