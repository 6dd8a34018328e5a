"""A device with passkeys, in software: what a browser and an authenticator answer together."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

__all__ = ["Device", "text"]

_PRESENT, _VERIFIED, _ATTESTED = 0x01, 0x04, 0x40


def text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


def data(encoded: str) -> bytes:
    return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))


@dataclass
class Device:
    """Answers ``navigator.credentials`` for pages of ``origin``.

    Attributes:
        rp_id: the host that it signs for; by rights that of the origin.
        verifies: whether it asks its owner for finger, face or PIN.
        counts: whether it counts its signatures, as some do.
    """

    origin: str = "http://localhost:8000"
    rp_id: str = "localhost"
    verifies: bool = True
    counts: bool = False
    count: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    handle: str | None = None

    def create(self, options: dict[str, Any], **lies: Any) -> str:
        """Make a passkey as ``PublicKeyCredentialCreationOptionsJSON`` asks."""
        self.handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        x, y = (n.to_bytes(32, "big") for n in (numbers.x, lies.get("y", numbers.y)))
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cose
        statement = {"fmt": "none", "attStmt": {}, "authData": self._signed_of(attested)}
        client_data = self._client_data("webauthn.create", options["challenge"])
        answer = {
            "clientDataJSON": text(client_data),
            "attestationObject": text(cbor2.dumps(statement)),
            "transports": ["internal", "hybrid", "telepathy"],
        }
        return json.dumps(self._credential(answer, lies))

    def get(self, options: dict[str, Any], **lies: Any) -> str:
        """Sign in as ``PublicKeyCredentialRequestOptionsJSON`` asks."""
        client_data = self._client_data("webauthn.get", options["challenge"])
        signed = self._signed_of(b"")
        digest = hashlib.sha256(client_data).digest()
        signature = self.key.sign(signed + digest, ec.ECDSA(hashes.SHA256()))
        answer = {
            "clientDataJSON": text(client_data),
            "authenticatorData": text(signed),
            "signature": text(signature),
            "userHandle": self.handle,
        }
        return json.dumps(self._credential(answer, lies))

    def _signed_of(self, attested: bytes) -> bytes:
        self.count += 1 if self.counts else 0
        flags = _PRESENT | (_VERIFIED if self.verifies else 0) | (_ATTESTED if attested else 0)
        host = hashlib.sha256(self.rp_id.encode()).digest()
        return host + bytes([flags]) + self.count.to_bytes(4, "big") + attested

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _credential(self, answer: dict[str, Any], lies: dict[str, Any]) -> dict[str, Any]:
        answer.update({name: lies[name] for name in lies if name in answer})
        return {
            "id": lies.get("id", text(self.id)),
            "rawId": lies.get("id", text(self.id)),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": answer,
        }
