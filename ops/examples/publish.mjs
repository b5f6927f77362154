// Tells Retake that a photo was uploaded. Node.js 20 or later; npm install redis
//
//   node publish.mjs AD_ID IMAGE_ID SELLER_ID IMAGE_URL [REPLACED_IMAGE_ID]

import { randomUUID } from "node:crypto";
import { createClient } from "redis";

const [adId, imageId, sellerId, imageUrl, replaces] = process.argv.slice(2);

const event = {
  specversion: "1.0",
  id: randomUUID(), // keep it: an event sent twice under one id counts once
  source: "/upload-service",
  type: "ad.image.uploaded",
  time: new Date().toISOString(),
  datacontenttype: "application/json",
  data: { ad_id: adId, image_id: imageId, seller_id: sellerId, image_url: imageUrl, replaces },
};

const client = createClient({
  url: process.env.RETAKE_STREAM_URL ?? "redis://localhost:6379/0",
  commandOptions: { timeout: 2000 }, // an upload never waits longer than this
});
client.on("error", (error) => console.error(`stream: ${error.message}`));
await client.connect();

// No MAXLEN: trimming would drop events that nobody has read yet.
const entry = await client.xAdd(process.env.RETAKE_STREAM ?? "ad-images", "*", { event: JSON.stringify(event) });
console.log(`${event.id} ${entry}`);
await client.close();
