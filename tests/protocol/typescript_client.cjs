// A session of the TypeScript SDK: node typescript_client.cjs <node_modules> <command> [argument ...]
// Prints what it saw as one JSON document.
const { createRequire } = require("node:module");
const { setTimeout: pause } = require("node:timers/promises");

const [modules, command, ...args] = process.argv.slice(2);
const installed = createRequire(`${modules}/`);
const { Client } = installed("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = installed("@modelcontextprotocol/sdk/client/stdio.js");

const WAIT_MS = 10_000;
const SLEEPING = `SELECT count(*) FROM pg_stat_activity
  WHERE state = 'active' AND query LIKE '%pg_sleep(30)%' AND query NOT LIKE '%pg_stat_activity%'`;

const query = (sql, more = {}) => ({ name: "run_query", arguments: { sql, ...more } });

// Waits until so many queries sleep on the server; returns the milliseconds that it took.
async function until(client, wanted) {
  const started = Date.now();
  while (Date.now() - started < WAIT_MS) {
    const result = await client.callTool(query(SLEEPING, { format: "json" }));
    if (Number(JSON.parse(result.content[0].text).rows[0][0]) === wanted) return Date.now() - started;
    await pause(20);
  }
  throw new Error(`not ${wanted} queries sleep after ${WAIT_MS} ms`);
}

async function main() {
  const client = new Client({ name: "typescript", version: "1" });
  await client.connect(new StdioClientTransport({ command, args, env: { ...process.env }, stderr: "inherit" }));
  const seen = {
    tools: (await client.listTools()).tools.map((tool) => tool.name),
    read: await client.callTool(query("SELECT 6 * 7 AS answer")),
    write: await client.callTool(query("DROP TABLE item")),
  };
  const abort = new AbortController();
  const sleep = client.callTool(query("SELECT pg_sleep(30)"), undefined, { signal: abort.signal });
  await until(client, 1);
  abort.abort();
  seen.aborted = await sleep.then(() => "answered", String);
  seen.gone_ms = await until(client, 0);
  await client.close();
  console.log(JSON.stringify(seen));
}

main();
