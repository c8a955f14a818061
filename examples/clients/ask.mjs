// Ask a question with the official Node client and print the answer with its sources.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "http://127.0.0.1:8080/v1", apiKey: "none-needed-on-loopback" });
const question = process.argv.slice(2).join(" ") || "How long do customers in the UK have to return an order?";
const answer = await client.chat.completions.create({
  model: "auto",
  messages: [{ role: "user", content: question }],
  moorline: { grounding: "strict" },
});
console.log(answer.choices[0].message.content);
for (const source of answer.moorline.sources.filter((each) => each.cited)) {
  console.log(`[${source.n}] ${source.document} ${source.section}`);
}
