"""Google's Vertex AI: generateContent for a service account, which trades its key for tokens."""

from __future__ import annotations

import json
from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from gateway.providers.config import LiteLlmProvider, ModelConfig
from tests.gateway.providers.clouds.cloud import SECRET, told
from tests.gateway.providers.clouds.gemini import Gemini


class Vertex(Gemini):
    name = "vertex"

    def config(self, port: int) -> LiteLlmProvider:
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
            models=(ModelConfig(name="vertex_ai/gemini-2.5-pro"),),
            api_base=f"http://127.0.0.1:{port}",
            options={
                "vertex_project": SecretStr("parcels"),
                "vertex_location": SecretStr("europe-west1"),
                "vertex_credentials": SecretStr(json.dumps(account)),
            },
        )

    def before(self) -> tuple[bytes, ...]:
        return (told({"access_token": SECRET, "token_type": "Bearer", "expires_in": 3600}),)

    def _authenticated(self, head: str) -> bool:
        return f"authorization: Bearer {SECRET}" in head


@cache
def _private_key() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()
