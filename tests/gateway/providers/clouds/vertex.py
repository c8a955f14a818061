"""Google's Vertex AI: generateContent for a service account, which trades its key for tokens."""

from __future__ import annotations

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from gateway.providers.config import LiteLlmProvider, ModelConfig
from tests.gateway.providers.clouds.anthropic import Anthropic
from tests.gateway.providers.clouds.cloud import SECRET, told
from tests.gateway.providers.clouds.gemini import Gemini

TOKEN = (told({"access_token": SECRET, "token_type": "Bearer", "expires_in": 3600}),)
BEARER = f"authorization: Bearer {SECRET}"


class Vertex(Gemini):
    name = "vertex"

    def config(self, port: int) -> LiteLlmProvider:
        return _config("vertex_ai/gemini-2.5-pro", port)

    def before(self) -> tuple[bytes, ...]:
        return TOKEN

    def _authenticated(self, head: str) -> bool:
        return BEARER in head


class VertexAnthropic(Anthropic):
    """Anthropic's Messages, where Google serves them."""

    name = "vertex-anthropic"

    def config(self, port: int) -> LiteLlmProvider:
        return _config("vertex_ai/claude-sonnet-4-5@20250929", port)

    def before(self) -> tuple[bytes, ...]:
        return TOKEN

    def _authenticated(self, head: str) -> bool:
        return BEARER in head


def _config(model: str, port: int) -> LiteLlmProvider:
    account = {
        "type": "service_account",
        "project_id": "parcels",
        "private_key_id": "k1",
        "private_key": _private_key(),
        "client_email": "gateway@parcels.iam.gserviceaccount.com",
        "token_uri": f"http://127.0.0.1:{port}/token",
    }
    return LiteLlmProvider(
        kind="litellm",
        models=(ModelConfig(name=model),),
        api_base=f"http://127.0.0.1:{port}",
        options={
            "vertex_project": SecretStr("parcels"),
            "vertex_location": SecretStr("europe-west1"),
            "vertex_credentials": SecretStr(json.dumps(account)),
        },
    )


@cache
def _private_key() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()
