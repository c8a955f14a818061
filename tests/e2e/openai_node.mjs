// The official Node client against a running gateway; prints what it saw as one line of JSON.
import OpenAI from "openai";

const [baseURL, question] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "anything", maxRetries: 0 });
const messages = [{ role: "user", content: question }];
const seen = {};

const whole = await client.chat.completions.create({ model: "auto", messages });
seen.text = whole.choices[0].message.content;
seen.citation = whole.choices[0].message.annotations[0].url_citation.title;
seen.grounded = whole.moorline.grounded;

const stream = await client.chat.completions.create({
  model: "sim/simulated",
  messages,
  stream: true,
  stream_options: { include_usage: true },
});
seen.streamed = "";
for await (const chunk of stream) {
  seen.streamed += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.usage) seen.tokens = chunk.usage.total_tokens;
  if (chunk.moorline) seen.sources = chunk.moorline.sources.length;
}

try {
  await client.chat.completions.create({ model: "gpt-9", messages });
} catch (error) {
  seen.error = [error.status, error.code, error.type, error.param, error instanceof OpenAI.NotFoundError];
}

try {
  const broken = await client.chat.completions.create({
    model: "broken/simulated",
    messages,
    stream: true,
    moorline: { grounding: "off" },
  });
  for await (const _ of broken);
} catch (error) {
  seen.cut = error instanceof OpenAI.APIError;
}

const controller = new AbortController();
try {
  const long = await client.chat.completions.create(
    { model: "cloud/wordy", messages, stream: true, moorline: { grounding: "off" } },
    { signal: controller.signal },
  );
  for await (const _ of long) controller.abort();
} catch {
  // The client may end an aborted stream quietly or with an error; the upstream's view counts.
}
seen.models = (await client.models.list()).data.length;
console.log(JSON.stringify(seen));
