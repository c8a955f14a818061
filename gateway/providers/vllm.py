"""A vLLM server by URL: OpenAI's API, a health check, and LoRA adapters as names of models."""

from __future__ import annotations

from urllib.parse import urlsplit

from gateway.errors import ProviderError
from gateway.providers.config import VllmProvider
from gateway.providers.openai_compatible import OpenAICompatible
from gateway.providers.wire.client import Client, Endpoint


class Vllm(OpenAICompatible):
    """Completes chats with a base model or any adapter that the server has loaded."""

    def __init__(
        self,
        config: VllmProvider,
        client: Client,
        known_as: str | None = None,
        address: str | None = None,
    ) -> None:
        super().__init__(config, client, known_as, address)
        base = urlsplit(address or config.addresses[0])
        root = base.path.removesuffix("/v1")
        self._health = Endpoint.of("GET", f"{base.scheme}://{base.netloc}{root}/health")

    async def healthy(self) -> bool:
        """Whether the server's engine runs."""
        try:
            await self._fetched(self._health)
        except ProviderError:
            return False
        return True
