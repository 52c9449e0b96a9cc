// Calls an SDK once for every line of standard input, and writes what came of it: JSON in, JSON out.

import { createInterface } from "node:readline";

import sendgrid from "@sendgrid/mail";
import { Resend } from "resend";

const sdks = {
  async resend({ url, key, method, values, then }) {
    const path = method.split(".");
    const name = path.pop();
    const resource = path.reduce((parent, member) => parent[member], new Resend(key, { baseUrl: url }));
    const call = resource[name](...values);
    return then ? await call[then]() : await call;
  },

  async sendgrid({ url, key, method, values }) {
    sendgrid.setApiKey(key);
    sendgrid.client.setDefaultRequest("baseUrl", url); // after the key, which sets it back
    const [response] = await sendgrid[method](...values);
    return { statusCode: response.statusCode, body: response.body, headers: response.headers };
  },
};

// JSON has no bytes: {"$bytes": "<base64>"} stands for a Buffer.
function revive(_, value) {
  return value?.$bytes === undefined ? value : Buffer.from(value.$bytes, "base64");
}

async function answer(line) {
  try {
    const call = JSON.parse(line, revive);
    return { returned: await sdks[call.sdk](call) };
  } catch (error) {
    const { message, code, response } = error;
    return { thrown: { type: error.constructor.name, message, code, response } };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(await answer(line))}\n`);
}
process.exit(); // connections that are kept alive would hold us
