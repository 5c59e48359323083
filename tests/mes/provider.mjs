// A real OpenID Connect provider for tests, on loopback. Who signs in, and how long ago, is set by POST /control.
import http from "node:http";
import Provider from "oidc-provider";

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const control = { account: "subject-1", ago: 0 };
const provider = new Provider(issuer, {
  clients: [{
    client_id: "lamina",
    client_secret: "a secret of the client",
    token_endpoint_auth_method: "client_secret_post",
    redirect_uris: ["http://testserver/sign-in/provider/answer/"],
  }],
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, email: "owner@example.org", email_verified: true }) }),
  features: { devInteractions: { enabled: false } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
    grant.addOIDCScope("openid");
    await grant.save();
    return grant;
  },
  cookies: { keys: ["a key of the tests"] },
});
const answer = provider.callback();
const asked = [];

http.createServer((request, response) => {
  const url = new URL(request.url, issuer);
  if (url.pathname === "/control") {
    Object.assign(control, Object.fromEntries(url.searchParams));
    response.end(JSON.stringify({ asked }));
  } else if (url.pathname.startsWith("/interaction/")) {
    const ts = Math.floor(Date.now() / 1000) - Number(control.ago);
    provider.interactionFinished(request, response, { login: { accountId: control.account, ts } });
  } else {
    if (url.pathname === "/auth") asked.push(Object.fromEntries(url.searchParams));
    answer(request, response);
  }
}).listen(port, "127.0.0.1", () => console.log("ready"));
