"""Fine-tune a LoRA adapter on instructions in Alpaca's layout; as QLoRA where there is a GPU.

    python examples/fine_tuning/train.py --model Qwen/Qwen3-0.6B \
        --data examples/fine_tuning/tickets.jsonl --out adapters/tickets

Needs the extra `transformers`, and for QLoRA bitsandbytes. A fifth of the instructions is left out
for `moorline eval instructions`; only the loss of their outputs is told here.
"""

from __future__ import annotations

import argparse
import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    DataCollatorForSeq2Seq,
    Trainer,
    TrainingArguments,
)

from eval.datasets import BadDataset
from eval.instructions import Instruction, part, problems, read

UNHEARD = -100  # the label of a token whose prediction is not learned
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def main() -> None:
    """As the arguments say."""
    wanted = arguments()
    rows = looked_over(wanted.data)
    tokenizer = AutoTokenizer.from_pretrained(wanted.model)
    model = adapted(wanted)
    learned, tested = (
        [tokens for row in part(rows, side) if (tokens := lesson(tokenizer, row, wanted.longest))]
        for side in ("train", "test")
    )
    print(f"{len(learned)} to learn from, {len(tested)} left out")
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(wanted.out),
            num_train_epochs=wanted.epochs,
            max_steps=wanted.steps,
            per_device_train_batch_size=wanted.batch,
            per_device_eval_batch_size=wanted.batch,
            learning_rate=wanted.rate,
            lr_scheduler_type="cosine",
            warmup_steps=0.05,
            bf16=torch.cuda.is_available(),
            logging_steps=10,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=torch.cuda.is_available(),
            seed=wanted.seed,
        ),
        data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=UNHEARD),
        train_dataset=learned,
        eval_dataset=tested,
    )
    before = trainer.evaluate()["eval_loss"]
    trainer.train()
    after = trainer.evaluate()["eval_loss"]
    model.save_pretrained(wanted.out)
    print(f"loss of what was left out: {before:.3f} before, {after:.3f} after → {wanted.out}")
    if not math.isfinite(after):
        raise SystemExit("It has learned nothing that is a number: lower --rate.")


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", required=True, help="Folder or hub name of the base model.")
    parser.add_argument("--data", required=True, type=Path, help="JSON list, or an object a line.")
    parser.add_argument("--out", required=True, type=Path, help="Folder of the adapter.")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--targets", default=",".join(LINEAR), help="Modules that are changed.")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--steps", type=int, default=-1, help="In place of --epochs.")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--longest", type=int, default=1024, help="Tokens; others are left out.")
    parser.add_argument("--seed", type=int, default=13)
    return parser.parse_args()


def looked_over(file: Path) -> list[Instruction]:
    """The instructions, unless something is wrong with them."""
    try:
        rows = read(file)
    except BadDataset as error:
        raise SystemExit(str(error)) from None
    wrong = [problem for problem in problems(rows) if problem.wrong]
    if wrong:
        raise SystemExit("\n".join(f"line {each.line} {each.what}" for each in wrong))
    return rows


def adapted(wanted: argparse.Namespace) -> Any:
    """The base model under a fresh adapter: in four bits on a GPU, whole elsewhere."""
    torch.manual_seed(wanted.seed)
    if torch.cuda.is_available() and find_spec("bitsandbytes"):
        quantized = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        model = AutoModelForCausalLM.from_pretrained(wanted.model, quantization_config=quantized)
        model = prepare_model_for_kbit_training(model)
    else:
        model = AutoModelForCausalLM.from_pretrained(wanted.model, dtype=torch.float32)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=wanted.rank,
        lora_alpha=2 * wanted.rank,
        lora_dropout=0.05,
        target_modules=wanted.targets.split(","),
    )
    return get_peft_model(model, config)


def lesson(tokenizer: Any, row: Instruction, longest: int) -> dict[str, list[int]] | None:
    """A conversation of which only the answer is learned; None where it is too long."""
    asked = [{"role": "user", "content": row.prompt}]
    prompt = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    before, after = (
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (prompt, row.output + tokenizer.eos_token)
    )
    tokens = before + after
    if len(tokens) > longest:
        return None
    labels = [UNHEARD] * len(before) + after
    return {"input_ids": tokens, "attention_mask": [1] * len(tokens), "labels": labels}


if __name__ == "__main__":
    main()
