// An OpenID provider of oidc-provider (certified), on a free port: `node provider.mjs`.
// It reads its configuration as one line of JSON and says {"issuer": URL}; a further line of JSON
// changes what it names of the configuration, such as its keys, and is answered by the same.
import * as http from 'node:http'
import * as readline from 'node:readline'
import Provider from 'oidc-provider'

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')
console.info = console.warn = (...words) => process.stderr.write(words.join(' ') + '\n')

let given = {}
let handle = (_request, response) => response.writeHead(503).end()
const server = http.createServer((request, response) => handle(request, response))

function resource(uri) {
  const { scope, format = 'jwt', alg = 'ES256' } = given.resources?.[uri] ?? {}
  if (scope === undefined) throw new Error('unknown resource')
  const jwt = format === 'jwt' ? { jwt: { sign: { alg } } } : {}
  return { scope, audience: uri, accessTokenTTL: 300, accessTokenFormat: format, ...jwt }
}

function provider(issuer) {
  const accounts = given.accounts ?? {}
  return new Provider(issuer, {
    clients: given.clients,
    jwks: { keys: given.keys },
    cookies: { keys: ['a key that guards nothing'] },
    claims: given.claims ?? { profile: ['name'], email: ['email', 'email_verified'] },
    conformIdTokenClaims: given.claims_in_id_token !== true,
    pkce: { required: () => true },
    findAccount: (_context, id) => ({
      accountId: id,
      claims: () => ({ sub: id, ...accounts[id] }),
    }),
    extraTokenClaims: (_context, token) =>
      token.accountId ? accounts[token.accountId] : given.client_claims,
    ttl: { AccessToken: 300, ClientCredentials: 300, IdToken: 300 },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, uri) => resource(uri),
      },
    },
  })
}

server.listen(0, '127.0.0.1', async () => {
  const issuer = `http://127.0.0.1:${server.address().port}`
  for await (const line of readline.createInterface({ input: process.stdin })) {
    given = { ...given, ...JSON.parse(line) }
    handle = provider(issuer).callback()
    say({ issuer })
  }
  server.closeAllConnections()
  server.close()
})
