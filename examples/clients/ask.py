"""Ask a question with the official Python client and print the answer with its sources."""

import sys

from openai import OpenAI

client = OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="none-needed-on-loopback")
question = " ".join(sys.argv[1:]) or "How long do customers in the UK have to return an order?"
stream = client.chat.completions.create(
    model="auto",
    messages=[{"role": "user", "content": question}],
    stream=True,
    extra_body={"moorline": {"grounding": "strict"}},
)
for chunk in stream:
    if chunk.choices:
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    if about := (chunk.model_extra or {}).get("moorline"):
        print()
        for source in about["sources"]:
            if source["cited"]:
                print(f"[{source['n']}] {source['document']} {source['section']}")
