// The official Node clients at the doors besides chat; prints what they saw as one line of JSON.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [baseURL, question] = process.argv.slice(2);
const openai = new OpenAI({ baseURL, apiKey: "anything", maxRetries: 0 });
const anthropic = new Anthropic({
  baseURL: baseURL.replace(/\/v1$/, ""),
  apiKey: "anything",
  maxRetries: 0,
});
const ungrounded = { moorline: { grounding: "off" } };
const parameters = { type: "object", properties: { city: { type: "string" } } };
const seen = { responses: {}, messages: {}, completions: {}, embeddings: {} };

const error = async (work) => {
  try {
    await work();
  } catch (caught) {
    return caught;
  }
};

{
  const whole = await openai.responses.create({ model: "auto", input: question });
  seen.responses.text = whole.output_text;
  seen.responses.note = whole.output[0].content[0].annotations[0].title;
  const stream = openai.responses.stream({ model: "sim/simulated", input: question });
  let streamed = "";
  for await (const event of stream) {
    if (event.type === "response.output_text.delta") streamed += event.delta;
  }
  const final = await stream.finalResponse();
  seen.responses.same = streamed === final.output[0].content[0].text && streamed.length > 0;
  const tools = [{ type: "function", name: "weather", parameters, strict: null }];
  const asked = { model: "gifted", input: "Weather?", tools, ...ungrounded };
  const called = await openai.responses.stream(asked).finalResponse();
  const calls = called.output.filter((item) => item.type === "function_call");
  seen.responses.calls = calls.map((call) => JSON.parse(call.arguments).city);
  const input = calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: "wet" }));
  const answered = await openai.responses.create({ ...asked, input, previous_response_id: called.id });
  seen.responses.answered = answered.output_text;
  const missing = await error(() =>
    openai.responses.create({ model: "auto", input: "x", previous_response_id: "resp_none" }),
  );
  seen.responses.error = [missing.status, missing.param, missing instanceof OpenAI.NotFoundError];
  const cut = await error(async () => {
    const asked = { model: "broken/simulated", input: "x", stream: true, ...ungrounded };
    for await (const _ of await openai.responses.create(asked));
  });
  seen.responses.cut = cut instanceof OpenAI.APIError;
}

{
  const turns = (content) => ({ max_tokens: 500, messages: [{ role: "user", content }] });
  const whole = await anthropic.messages.create({ model: "auto", ...turns(question) });
  seen.messages.text = whole.content[0].text;
  const stream = anthropic.messages.stream({ model: "sim/simulated", ...turns(question) });
  let streamed = "";
  stream.on("text", (text) => (streamed += text));
  const final = await stream.finalMessage();
  seen.messages.same = streamed === final.content[0].text && streamed.length > 0;
  const tools = [{ name: "weather", input_schema: parameters }];
  const asked = { model: "gifted", ...turns("Weather?"), tools, ...ungrounded };
  const called = await anthropic.messages.stream(asked).finalMessage();
  const calls = called.content.filter((block) => block.type === "tool_use");
  seen.messages.calls = calls.map((call) => call.input.city);
  seen.messages.stop = called.stop_reason;
  const results = calls.map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: "wet" }));
  const answered = await anthropic.messages.create({
    ...asked,
    messages: [
      ...asked.messages,
      { role: "assistant", content: called.content },
      { role: "user", content: results },
    ],
  });
  seen.messages.answered = answered.content[0].text;
  const missing = await error(() => anthropic.messages.create({ model: "gpt-9", ...turns("x") }));
  seen.messages.error = [missing.status, missing.error.error.type, missing instanceof Anthropic.NotFoundError];
  const cut = await error(() =>
    anthropic.messages.stream({ model: "broken/simulated", ...turns("x"), ...ungrounded }).done(),
  );
  seen.messages.cut = cut instanceof Anthropic.APIError;
  const { input_tokens } = await anthropic.messages.countTokens({ model: "auto", messages: turns("x").messages });
  seen.messages.counted = input_tokens;
}

{
  const asked = { model: "echo/simulated", prompt: ["one", "two"], ...ungrounded };
  const whole = await openai.completions.create(asked);
  seen.completions.texts = whole.choices.map((choice) => choice.text);
  const streamed = ["", ""];
  for await (const chunk of await openai.completions.create({ ...asked, stream: true })) {
    for (const choice of chunk.choices) streamed[choice.index] += choice.text;
  }
  seen.completions.streamed = streamed;
}

{
  const made = await openai.embeddings.create({ model: "vectors", input: ["a", "bb", "ccc", "dddd"] });
  seen.embeddings.lengths = made.data.map((each) => each.embedding[0]);
}
console.log(JSON.stringify(seen));
