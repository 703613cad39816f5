// Asks Shopify's own library for apps (the package @shopify/shopify-api in tests/peers). From
// standard input: a JSON list of questions, each with `ask` and what is asked about. To standard
// output: a JSON list of its answers; a refusal is {"refused": why}.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const packages = new URL(`${pathToFileURL(process.argv[2])}/`);
const dist = new URL("@shopify/shopify-api/dist/esm/", packages);
await import(new URL("adapters/web-api/index.mjs", dist));
const { shopifyApi } = await import(new URL("lib/index.mjs", dist));
const { getHmac } = await import(new URL("test-helpers/get-hmac.mjs", dist));
const { getJwt } = await import(new URL("test-helpers/get-jwt.mjs", dist));

const library = ({ app = "app", secret }) =>
  shopifyApi({
    apiKey: app,
    apiSecretKey: secret,
    hostName: "refunds.example",
    apiVersion: "2026-07",
    isEmbeddedApp: true,
    logger: { level: 0, log: () => {} },
  });

const answers = {
  webhook: ({ headers, body, ...given }) =>
    library(given).webhooks.validate({
      rawBody: body,
      rawRequest: new Request("https://refunds.example/", { method: "POST", headers }),
    }),
  token: ({ token, ...given }) => library(given).session.decodeSessionToken(token),
  shop: ({ shop, ...given }) => library(given).utils.sanitizeShop(shop),
  sign: ({ body, secret }) => getHmac(body, secret),
  make: async ({ shop, app, secret, claims }) => (await getJwt(shop, app, secret, claims)).token,
};

const answered = [];
for (const question of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    answered.push(await answers[question.ask](question));
  } catch (error) {
    answered.push({ refused: error.constructor.name });
  }
}
process.stdout.write(JSON.stringify(answered));
