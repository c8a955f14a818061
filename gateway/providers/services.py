"""Known services that speak OpenAI's format, a row each: data that a configuration starts from.

A row says where a service listens, which variable usually holds its key, how its models are called
in the price list, and in what it departs from OpenAI. Nothing else in the house names a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from gateway.providers.capabilities import Prefill

OutputLimit: TypeAlias = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Service:
    """What is known of a service."""

    base_url: str
    key: str = ""  # the environment variable that usually holds it; local servers need none
    listed: str = ""  # what the price list writes before its models' names
    output_limit: OutputLimit | None = "max_tokens"  # the name it knows; None: both
    stream_usage: bool = True  # takes `stream_options`; the others say their usage unasked
    free: bool = False  # whoever runs it pays for a machine, not for tokens
    prefill: Prefill = "instruction"  # how its models go on with the beginning of an answer


def _local(
    base_url: str, output_limit: OutputLimit | None = "max_tokens", prefill: Prefill = "instruction"
) -> Service:
    url = f"http://127.0.0.1:{base_url}"
    return Service(url, output_limit=output_limit, free=True, prefill=prefill)


SERVICES: Mapping[str, Service] = {
    # clouds
    "baseten": Service("https://inference.baseten.co/v1", "BASETEN_API_KEY", "baseten/"),
    "cerebras": Service(
        "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", "cerebras/", "max_completion_tokens"
    ),
    "dashscope": Service(
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY", "dashscope/"
    ),
    "deepinfra": Service("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", "deepinfra/"),
    "deepseek": Service("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", "deepseek/"),
    "featherless": Service(
        "https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY", "featherless_ai/"
    ),
    "fireworks": Service(
        "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", "fireworks_ai/"
    ),
    "friendli": Service("https://api.friendli.ai/serverless/v1", "FRIENDLI_TOKEN", "friendliai/"),
    "groq": Service(
        "https://api.groq.com/openai/v1", "GROQ_API_KEY", "groq/", "max_completion_tokens"
    ),
    "huggingface": Service("https://router.huggingface.co/v1", "HF_TOKEN", ""),
    "hyperbolic": Service("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY", "hyperbolic/"),
    "inception": Service("https://api.inceptionlabs.ai/v1", "INCEPTION_API_KEY", "inception/"),
    "lambda": Service("https://api.lambda.ai/v1", "LAMBDA_API_KEY", "lambda_ai/"),
    "meta": Service("https://api.llama.com/compat/v1", "LLAMA_API_KEY", "meta_llama/"),
    "minimax": Service("https://api.minimax.io/v1", "MINIMAX_API_KEY", "minimax/"),
    "mistral": Service(
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        "mistral/",
        stream_usage=False,
        prefill="prefix",
    ),
    "moonshot": Service("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", "moonshot/"),
    "nebius": Service("https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY", "nebius/"),
    "novita": Service("https://api.novita.ai/v3/openai", "NOVITA_API_KEY", "novita/"),
    "nscale": Service("https://inference.api.nscale.com/v1", "NSCALE_API_KEY", "nscale/"),
    "nvidia": Service("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", "nvidia_nim/"),
    "openai": Service(
        "https://api.openai.com/v1", "OPENAI_API_KEY", output_limit="max_completion_tokens"
    ),
    "openrouter": Service("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", output_limit=None),
    "ovhcloud": Service(
        "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        "OVH_AI_ENDPOINTS_ACCESS_TOKEN",
        "ovhcloud/",
    ),
    "perplexity": Service(
        "https://api.perplexity.ai", "PERPLEXITY_API_KEY", "perplexity/", stream_usage=False
    ),
    "sambanova": Service("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", "sambanova/"),
    "scaleway": Service("https://api.scaleway.ai/v1", "SCW_SECRET_KEY", "scaleway/"),
    "together": Service("https://api.together.xyz/v1", "TOGETHER_API_KEY", "together_ai/"),
    "vercel": Service(
        "https://ai-gateway.vercel.sh/v1", "VERCEL_AI_GATEWAY_API_KEY", "vercel_ai_gateway/"
    ),
    "wandb": Service("https://api.inference.wandb.ai/v1", "WANDB_API_KEY", "wandb/"),
    "xai": Service("https://api.x.ai/v1", "XAI_API_KEY", "xai/", "max_completion_tokens"),
    "zai": Service("https://api.z.ai/api/paas/v4", "ZAI_API_KEY", "zai/"),
    # servers on a machine of one's own, at their usual ports
    "docker-model-runner": _local("12434/engines/v1"),
    "jan": _local("1337/v1"),
    "llama.cpp": _local("8080/v1"),
    "llamafile": _local("8080/v1"),
    "lm-studio": _local("1234/v1"),
    "localai": _local("8080/v1"),
    "mlx-lm": _local("8080/v1"),
    "ollama": _local("11434/v1"),
    "sglang": _local("30000/v1", None, "continue_final_message"),
    "tgi": _local("3000/v1"),
}
