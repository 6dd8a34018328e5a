"""What a team writes by hand: FastAPI and PyJWT, with a signature checked at each call.

No policy, no audit, no revocation, no limits. ``python -m benchmarks.auth.bare PORT ALGORITHM``.
"""

from __future__ import annotations

import hmac
import sys
import time
import uuid
from typing import Annotated, Any
from urllib.parse import parse_qsl

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from pydantic import BaseModel

__all__ = ["bare_app"]

SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - opens a host on loopback for seconds
ISSUER = "http://127.0.0.1"


class Numbers(BaseModel):
    """What the tool takes."""

    a: int
    b: int


def bare_app(algorithm: str) -> FastAPI:
    """Two endpoints: a token by client credentials, and a tool that adds."""
    key: Any = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == "ES256"
        else rsa.generate_private_key(65537, 2048)
    )
    public = key.public_key()
    app = FastAPI()

    async def claims(authorization: Annotated[str, Header()]) -> dict[str, Any]:
        try:
            found: dict[str, Any] = jwt.decode(
                authorization.removeprefix("Bearer "),
                public,
                algorithms=[algorithm],
                audience=ISSUER,
                issuer=ISSUER,
            )
        except jwt.PyJWTError as error:
            raise HTTPException(401) from error
        if "tools.bench:add" not in found["scope"].split():
            raise HTTPException(403)
        return found

    @app.post("/token")
    async def token(request: Request) -> dict[str, Any]:
        form = dict(parse_qsl((await request.body()).decode()))
        client_id = form.get("client_id")
        known = client_id == "bench" and form.get("grant_type") == "client_credentials"
        if not (known and hmac.compare_digest(form.get("client_secret", ""), SECRET)):
            raise HTTPException(401)
        now = int(time.time())
        body = {
            "iss": ISSUER, "aud": ISSUER, "sub": f"client:{client_id}", "client_id": client_id,
            "iat": now, "exp": now + 300, "jti": uuid.uuid4().hex, "scope": "tools.bench:add",
        }  # fmt: skip
        return {
            "access_token": jwt.encode(body, key, algorithm, {"typ": "at+jwt"}),
            "token_type": "Bearer",
            "expires_in": 300,
        }

    @app.post("/add", dependencies=[Depends(claims)])
    async def add(numbers: Numbers) -> dict[str, int]:
        return {"value": numbers.a + numbers.b}

    return app


if __name__ == "__main__":
    uvicorn.run(
        bare_app(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        access_log=False,
    )
