"""One causal language model in this process, and adapters that change it. Needs the extra
`transformers`; all of it blocks, and is called from one thread at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch  # type: ignore[import-not-found,unused-ignore]
from tokenizers.decoders import DecodeStream
from transformers import (  # type: ignore[import-not-found,unused-ignore]
    AutoModelForCausalLM,
    AutoTokenizer,
    StoppingCriteria,
    StoppingCriteriaList,
    logging,
)
from transformers.generation.streamers import (  # type: ignore[import-not-found,unused-ignore]
    BaseStreamer,
)

from gateway.providers.local.device import Device
from gateway.providers.local.stops import UntilStop


class CannotTalk(Exception):
    """The model is no chat model: its tokenizer has no template for conversations."""


class TooLong(Exception):
    """The prompt leaves no room for an answer."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn, and when no more is."""

    max_tokens: int
    temperature: float = 1.0  # 0 takes the likeliest
    top_p: float = 1.0
    top_k: int = 0  # 0 is all
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapted:
    """An adapter: what it is called, and the folder that has its files."""

    name: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Generated:
    """How an answer ended."""

    tokens: int
    finish: Literal["stop", "length"]


class LocalModel:
    """Construction loads it."""

    def __init__(self, name: str, device: Device, adapters: int) -> None:
        """`name` is a folder or the hub's, `adapters` how many are kept loaded. Raises CannotTalk,
        and what transformers raises."""
        logging.disable_progress_bar()
        logging.set_verbosity_error()  # or each adapter that comes is told to lack the others
        self._tokenizer = AutoTokenizer.from_pretrained(name)
        if not self._tokenizer.chat_template:
            raise CannotTalk(f"{name} has no chat template: it is no model for conversations")
        self._model = AutoModelForCausalLM.from_pretrained(name, dtype=device.dtype)
        self._model.to(device.kind).eval()
        self._device = device.kind
        self._window = int(self._model.config.get_text_config().max_position_embeddings)
        ends = self._model.generation_config.eos_token_id or self._tokenizer.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else [ends])
        self._most = adapters
        self._loaded: OrderedDict[str, None] = OrderedDict()

    def read(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """A conversation as tokens, up to where the answer begins, or goes on."""
        goes_on = bool(messages) and messages[-1].get("role") == "assistant"
        text = self._tokenizer.apply_chat_template(
            [dict(message) for message in messages],
            tokenize=False,
            add_generation_prompt=not goes_on,
            continue_final_message=goes_on,
        )
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def answer(
        self,
        prompt: Sequence[int],
        sampling: Sampling,
        adapter: Adapted | None,
        tell: Callable[[str], None],
        unwanted: Callable[[], bool],
    ) -> Generated:
        """Tell an answer in pieces, until it ends or nobody wants it. Raises TooLong."""
        room = self._window - len(prompt)
        if room < 1:
            raise TooLong(f"{len(prompt)} tokens exceed the context length of {self._window}")
        self._change(adapter)
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        letters = self._tokenizer.backend_tokenizer
        speaker = _Speaker(letters, self._ends, sampling.stop, tell, unwanted)
        tokens = torch.tensor([prompt], device=self._device)
        with torch.inference_mode():
            self._model.generate(
                tokens,
                attention_mask=torch.ones_like(tokens),
                max_new_tokens=min(sampling.max_tokens, room),
                pad_token_id=self._tokenizer.eos_token_id,
                streamer=speaker,
                stopping_criteria=StoppingCriteriaList([_Enough(speaker)]),
                **_drawn(sampling),
            )
        cut = speaker.said == min(sampling.max_tokens, room) and not speaker.ended
        return Generated(speaker.said, "length" if cut else "stop")

    def _change(self, adapter: Adapted | None) -> None:
        """Answer as this adapter does from now on; the one unused for longest makes room."""
        if adapter is None:
            if self._loaded:
                self._model.disable_adapters()
            return
        if adapter.name not in self._loaded:
            while len(self._loaded) >= self._most:
                oldest, _ = self._loaded.popitem(last=False)
                self._model.delete_adapter(_key(oldest))
            self._load(adapter)
            self._loaded[adapter.name] = None
        self._loaded.move_to_end(adapter.name)
        self._model.enable_adapters()
        self._model.set_adapter(_key(adapter.name))

    def _load(self, adapter: Adapted) -> None:
        key = _key(adapter.name)
        if not adapter.folder.is_dir():  # or it would be looked for on the hub
            raise FileNotFoundError(f"the files of {adapter.name} are not there")
        try:
            self._model.load_adapter(str(adapter.folder), adapter_name=key)
        except Exception:
            with suppress(Exception):  # as much of it as has been put in place
                self._model.delete_adapter(key)
            raise


def _key(name: str) -> str:
    """Torch has names of modules parted by points."""
    return name.replace(".", "·")


def _drawn(sampling: Sampling) -> dict[str, Any]:
    if sampling.temperature == 0:
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    return {
        "do_sample": True,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "top_k": sampling.top_k,
    }


class _Speaker(BaseStreamer):  # type: ignore[misc,unused-ignore]
    """Makes words of tokens as they come."""

    def __init__(
        self,
        letters: Any,
        ends: frozenset[int],
        stops: Sequence[str],
        tell: Callable[[str], None],
        unwanted: Callable[[], bool],
    ) -> None:
        self.said = 0
        self.ended = False  # by the model itself, or by a stop string
        self.unwanted = unwanted
        self._ends = ends
        self._letters = letters
        self._decoded = DecodeStream(skip_special_tokens=True)
        self._until = UntilStop(stops)
        self._tell = tell
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        if self._prompt:  # comes first
            self._prompt = False
            return
        for token in value.flatten().tolist():
            self.said += 1
            self.ended = self.ended or token in self._ends
            if piece := self._decoded.step(self._letters, token):
                self._say(self._until.add(piece))
                self.ended = self.ended or self._until.found

    def end(self) -> None:
        self._say(self._until.end())

    def _say(self, text: str) -> None:
        if text:
            self._tell(text)


class _Enough(StoppingCriteria):  # type: ignore[misc,unused-ignore]
    """Stops in front of the next token."""

    def __init__(self, speaker: _Speaker) -> None:
        self._speaker = speaker

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        over = self._speaker.ended or self._speaker.unwanted()
        return torch.full((input_ids.shape[0],), over, device=input_ids.device)
