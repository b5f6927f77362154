// Prints, as JSON, what the AsyncAPI parser says of the document given as argument.
import { readFile } from "node:fs/promises";
import asyncapi from "@asyncapi/parser";

const { document, diagnostics } = await new asyncapi.Parser().parse(await readFile(process.argv[2], "utf8"));
const channels = document?.channels().all().map((channel) => channel.address()) ?? [];
console.log(JSON.stringify({ channels, diagnostics }));
