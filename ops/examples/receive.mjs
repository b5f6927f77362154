// Receives retake requests. Node.js 20 or later; npm install standardwebhooks
//
//   RETAKE_NOTIFY_SECRET=whsec_... PORT=8080 node receive.mjs

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const MAX_BYTES = 20_000;
const webhook = new Webhook(process.env.RETAKE_NOTIFY_SECRET);
const seen = new Set(); // in production a table with a unique webhook_id, written with the message to the seller

createServer(async (request, response) => {
  const answer = (status) => response.writeHead(status).end();
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BYTES) return answer(413);
    chunks.push(chunk);
  }
  let event;
  try {
    event = webhook.verify(Buffer.concat(chunks), request.headers); // the bytes as they came, before any parsing
  } catch {
    return answer(401);
  }
  if (!seen.has(event.id)) {
    seen.add(event.id);
    tellSeller(event.data);
  }
  answer(204);
}).listen(process.env.PORT ?? 8080, "127.0.0.1", function () {
  console.log(`listening on ${this.address().port}`);
});

function tellSeller({ seller_id, image_id, reasons }) {
  console.log(`${seller_id}: please retake photo ${image_id}. ${reasons.map(({ tip }) => tip).join(" ")}`);
}
