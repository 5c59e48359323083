"""A software authenticator: what a thief with a stolen cookie brings along, and what tests without a browser sign with."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client
from fido2 import cbor
from fido2.utils import websafe_encode

ORIGIN, RP_ID = "http://testserver", b"testserver"


class Authenticator:
    """One credential, which says of every user that they were verified."""

    def __init__(self) -> None:
        self.key, self.id = generate_private_key(SECP256R1()), os.urandom(32)

    def enrol(self, client: Client, **more: str) -> Any:
        """What the page answers to an enrolment with this authenticator."""
        asked = client.get("/sign-in/passkey/?for=enrol").json()["publicKey"]
        point = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + cbor.encode(cose)
        data = hashlib.sha256(RP_ID).digest() + bytes([0x45]) + bytes(4) + attested
        made = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        said = {
            "clientDataJSON": websafe_encode(_said("webauthn.create", asked["challenge"])),
            "attestationObject": websafe_encode(made),
        }
        return client.post("/account/passkeys/", {"answer": self._answer(said), "name": "mine", **more})

    def assertion(self, client: Client, purpose: str) -> str:
        asked = client.get(f"/sign-in/passkey/?for={purpose}").json()["publicKey"]
        said = _said("webauthn.get", asked["challenge"])
        data = hashlib.sha256(RP_ID).digest() + bytes([0x05]) + (1).to_bytes(4, "big")
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ECDSA(SHA256()))
        return self._answer(
            {
                "clientDataJSON": websafe_encode(said),
                "authenticatorData": websafe_encode(data),
                "signature": websafe_encode(signature),
                "userHandle": None,
            }
        )

    def _answer(self, response: dict[str, Any]) -> str:
        key = websafe_encode(self.id)
        whole = {"id": key, "rawId": key, "type": "public-key", "response": response}
        return json.dumps({**whole, "clientExtensionResults": {}})


def _said(kind: str, challenge: str) -> bytes:
    said = {"type": kind, "challenge": challenge, "origin": ORIGIN, "crossOrigin": False}
    return json.dumps(said).encode()
