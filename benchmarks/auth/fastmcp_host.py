"""FastMCP's authenticated tool call, stateless and answered as JSON: its fastest way.

Runs in an environment of its own: ``PYTHON fastmcp_host.py PORT``; the first line that it prints is
a token.
"""

import sys

from fastmcp import FastMCP
from fastmcp.server.auth.providers.jwt import JWTVerifier, RSAKeyPair

keys = RSAKeyPair.generate()
verifier = JWTVerifier(
    public_key=keys.public_key,
    issuer="http://127.0.0.1",
    audience="bench",
    required_scopes=["tools.bench:add"],
)
server = FastMCP("bench", auth=verifier)


async def add(a: int, b: int) -> int:
    """The sum of two numbers."""
    return a + b


server.tool(add)

if __name__ == "__main__":
    token = keys.create_token(
        issuer="http://127.0.0.1", audience="bench", scopes=["tools.bench:add"]
    )
    sys.stdout.write(token + "\n")
    sys.stdout.flush()
    server.run(
        transport="http",
        host="127.0.0.1",
        port=int(sys.argv[1]),
        show_banner=False,
        stateless_http=True,
        json_response=True,
        log_level="warning",
        uvicorn_config={"access_log": False},
    )
