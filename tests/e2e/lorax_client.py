"""What LoRAX's own client makes of the gateway, as JSON. Runs where that client is installed, which
pins old versions of much: `python lorax_client.py BASE_URL QUESTION`."""

import asyncio
import json
import sys
from collections.abc import Callable

from lorax import AsyncClient, Client  # type: ignore[import-not-found]
from lorax.errors import GenerationError, NotFoundError, ValidationError  # type: ignore


def told(act: Callable[[], object]) -> list[str] | None:
    """The error that comes of it, by its name."""
    try:
        act()
    except (GenerationError, NotFoundError, ValidationError) as error:
        return [type(error).__name__, str(error)]
    return None


async def awaited(base: str, question: str) -> list[str]:
    client = AsyncClient(base)
    whole = await client.generate(question, max_new_tokens=64)
    texts = [each.token.text async for each in client.generate_stream(question, max_new_tokens=64)]
    return [whole.generated_text, "".join(texts)]


base, question = sys.argv[1:]
client = Client(base, headers={"Authorization": "Bearer any"})
whole = client.generate(question, max_new_tokens=64, seed=7, stop_sequences=["@@"])
streamed = list(client.generate_stream(question, max_new_tokens=64))
merged = {"ids": ["a", "b"], "weights": [0.5, 0.5], "density": 0.5}
print(
    json.dumps(
        {
            "text": whole.generated_text,
            "finish": whole.details.finish_reason.value,
            "generated": whole.details.generated_tokens,
            "tokens": "".join(token.text for token in whole.details.tokens),
            "streamed": "".join(each.token.text for each in streamed),
            "last": streamed[-1].generated_text,
            "awaited": asyncio.run(awaited(base, question)),
            "unknown": told(lambda: client.generate(question, adapter_id="nobody")),
            "merged": told(lambda: client.generate(question, merged_adapters=merged)),
            "token": told(lambda: client.generate(question, api_token="hf_secret")),
            "stream": told(
                lambda: list(client.generate_stream(question, adapter_id="nobody")),
            ),
        }
    )
)
