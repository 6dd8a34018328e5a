// A relying party of openid-client (certified), driven by tests: `node relying_party.mjs FLOW`.
// It reads its configuration as one line of JSON, and says one line of JSON at a time:
// {"open": URL} where a person must visit a page, after which it reads {"url": where they ended};
// {"result": …} at the end.
import * as readline from 'node:readline'
import * as rp from 'openid-client'

const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const say = (message) => process.stdout.write(JSON.stringify(message) + '\n')
const insecure = { execute: [rp.allowInsecureRequests] }

async function authentication(given) {
  if (given.private_jwk) {
    const { alg, kid, ...jwk } = given.private_jwk
    const kinds = { ES256: { name: 'ECDSA', namedCurve: 'P-256' } }
    const key = await crypto.subtle.importKey('jwk', jwk, kinds[alg], false, ['sign'])
    return rp.PrivateKeyJwt({ key, kid })
  }
  if (!given.client_secret) return rp.None()
  const way = given.method === 'post' ? rp.ClientSecretPost : rp.ClientSecretBasic
  return way(given.client_secret)
}

async function discover(given) {
  const auth = await authentication(given)
  const metadata = given.metadata ?? {}
  return rp.discovery(new URL(given.issuer), given.client_id, metadata, auth, insecure)
}

async function sender(config, given) {
  if (!given.dpop) return undefined
  return { DPoP: rp.getDPoPHandle(config, await rp.randomDPoPKeyPair('ES256')) }
}

async function signIn(config, given, bound) {
  const verifier = rp.randomPKCECodeVerifier()
  const state = rp.randomState()
  const nonce = rp.randomNonce()
  const parameters = {
    redirect_uri: given.redirect_uri,
    scope: given.scope,
    code_challenge: await rp.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...given.parameters,
  }
  const address = given.par
    ? await rp.buildAuthorizationUrlWithPAR(config, parameters, bound)
    : rp.buildAuthorizationUrl(config, parameters)
  say({ open: address.href })
  const ended = await read()
  const checks = {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: given.scope.split(' ').includes('openid'),
    ...given.checks,
  }
  return rp.authorizationCodeGrant(config, new URL(ended.url), checks, given.token_parameters, bound)
}

const call = async (config, given, token, bound) => {
  if (!given.resource_url) return null
  const url = new URL(given.resource_url)
  const answer = await rp.fetchProtectedResource(config, token, url, 'GET', null, undefined, bound)
  return { status: answer.status, body: await answer.json() }
}

const flows = {
  async client_credentials(given) {
    const config = await discover(given)
    const bound = await sender(config, given)
    const parameters = { scope: given.scope, ...given.parameters }
    const tokens = await rp.clientCredentialsGrant(config, parameters, bound)
    const called = await call(config, given, tokens.access_token, bound)
    const seen = await rp.tokenIntrospection(config, tokens.access_token)
    await rp.tokenRevocation(config, tokens.access_token)
    const after = await rp.tokenIntrospection(config, tokens.access_token)
    return { tokens, called, seen, after }
  },

  async code(given) {
    const config = await discover(given)
    const bound = await sender(config, given)
    const tokens = await signIn(config, given, bound)
    const claims = tokens.claims()
    const person = claims && (await rp.fetchUserInfo(config, tokens.access_token, claims.sub, bound))
    const called = await call(config, given, tokens.access_token, bound)
    const result = { tokens, claims, person, called }
    if (tokens.refresh_token && given.refresh !== false) {
      result.refreshed = await rp.refreshTokenGrant(config, tokens.refresh_token, {}, bound)
      const again = rp.refreshTokenGrant(config, tokens.refresh_token, {}, bound)
      result.reuse = await again.then(() => null, (error) => error.error)
      const child = rp.refreshTokenGrant(config, result.refreshed.refresh_token, {}, bound)
      result.after_reuse = await child.then(() => null, (error) => error.error)
    }
    if (given.post_logout_redirect_uri) {
      const address = rp.buildEndSessionUrl(config, {
        id_token_hint: tokens.id_token,
        post_logout_redirect_uri: given.post_logout_redirect_uri,
        state: 'bye',
      })
      say({ open: address.href })
      result.left_at = (await read()).url
    }
    return result
  },

  async refused(given) {
    const config = await discover(given)
    const attempt = signIn(config, given, undefined)
    return attempt.then(() => null, (error) => {
      const answer = error.cause instanceof URLSearchParams ? Object.fromEntries(error.cause) : null
      return { error: error.error, code: error.code, answer }
    })
  },

  async device(given) {
    const config = await discover(given)
    const bound = await sender(config, given)
    const begun = await rp.initiateDeviceAuthorization(config, { scope: given.scope })
    say({ open: begun.verification_uri_complete, user_code: begun.user_code })
    const tokens = await rp.pollDeviceAuthorizationGrant(config, begun, undefined, bound)
    // The person may still look at the last page.
    await read()
    return { tokens, claims: tokens.claims() ?? null }
  },

  async exchange(given) {
    const config = await discover(given)
    const type = 'urn:ietf:params:oauth:grant-type:token-exchange'
    const tokens = await rp.genericGrantRequest(config, type, {
      subject_token: given.subject_token,
      subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      scope: given.scope,
    })
    return { tokens }
  },

  async register(given) {
    const config = await rp.dynamicClientRegistration(
      new URL(given.issuer), given.metadata, await authentication(given), insecure,
    )
    const registered = config.clientMetadata()
    const tokens = await signIn(config, given, undefined)
    const called = await call(config, given, tokens.access_token, undefined)
    return { registered, tokens, claims: tokens.claims(), called }
  },
}

const given = await read()
try {
  say({ result: await flows[process.argv[2]](given) })
} catch (error) {
  const { message, code, error: kind, cause } = error
  say({ failed: { message, code, error: kind, cause: String(cause?.message ?? cause ?? '') } })
}
process.exit(0)
