"""What a finished picture says of itself: made by a model, not to be trained on, signed (C2PA 2, CAWG training and data mining).

No ingredient and no thumbnail is ever passed on: a thumbnail of what a picture was made from would carry the vault's
content out inside it. Reading never follows an address that a file names.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dressform import __version__
from dressform.errors import BadInput

_YEARS = 20
_PNG = "image/png"
_GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_MINING = ("cawg.data_mining", "cawg.ai_inference", "cawg.ai_training", "cawg.ai_generative_training")


@dataclass(frozen=True)
class Credentials:
    """A signing key (PEM) with its chain (leaf, then a local authority), and the authority alone as the anchor to verify by."""

    key: bytes
    chain: bytes
    anchor: bytes

    def to_bytes(self) -> bytes:
        return json.dumps({n: getattr(self, n).decode() for n in ("key", "chain", "anchor")}).encode()


@dataclass(frozen=True)
class Seen:
    """What a picture says: ``state`` is "ours", "someone else's", "changed" or "unsigned"; ``claims`` are its words."""

    state: str
    claims: tuple[str, ...] = ()


def credentials_from(data: bytes) -> Credentials:
    """The inverse of ``to_bytes``."""
    found = json.loads(data)
    return Credentials(*(found[n].encode() for n in ("key", "chain", "anchor")))


def new_credentials(now: datetime | None = None) -> Credentials:
    """A local authority and one leaf. The authority's key is forgotten, so that it never signs another.

    The names say dressform and nothing of the person. A single self-signed certificate is refused by C2PA by design.
    """
    start = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    authority, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    top = _name("dressform local authority")
    ca = _certificate(top, top, authority.public_key(), authority.public_key(), start, is_ca=True).sign(authority, hashes.SHA256())
    end = _certificate(_name("dressform picture"), top, leaf.public_key(), authority.public_key(), start, is_ca=False).sign(
        authority, hashes.SHA256()
    )
    pem = serialization.Encoding.PEM
    secret = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Credentials(secret, end.public_bytes(pem) + ca.public_bytes(pem), ca.public_bytes(pem))


def signed(png: bytes, credentials: Credentials) -> bytes:
    """The same PNG with its manifest."""
    manifest = {
        "claim_generator_info": [{"name": "dressform", "version": __version__}],
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": _GENERATED}]}},
            {"label": "cawg.training-mining", "data": {"entries": {name: {"use": "notAllowed"} for name in _MINING}}},
        ],
    }
    info = c2pa.C2paSignerInfo(b"es256", credentials.chain, credentials.key, None)
    context, out = _context(credentials.anchor), io.BytesIO()
    with c2pa.Builder(manifest, context=context) as builder:
        builder.sign(c2pa.Signer.from_info(info), _PNG, io.BytesIO(png), out)
    return out.getvalue()


def inspect(data: bytes, anchors: bytes) -> Seen:
    """What a PNG, JPEG or WebP says of itself, held against our own anchors (PEM). Raises BadInput for another file."""
    kind = _kind(data)
    try:
        with c2pa.Reader(kind, io.BytesIO(data), context=_context(anchors)) as reader:
            state = str(reader.get_validation_state())
            claims = tuple(_printable(claim) for claim in _claims(reader.get_active_manifest() or {}))
    except Exception as error:  # noqa: BLE001 - a manifest made to break its reader may raise anything
        if "ManifestNotFound" in type(error).__name__ or "ManifestNotFound" in str(error) or "no JUMBF" in str(error):
            return Seen("unsigned")
        return Seen("changed", (_printable(str(error)),))
    words = {"Trusted": "ours", "Valid": "someone else's"}
    return Seen(words.get(state, "changed"), claims)


def _printable(text: str) -> str:
    """One line of what a stranger wrote: no line breaks, no terminal commands, no pages of it."""
    return "".join(c if c.isprintable() else " " for c in text)[:200]


def _claims(manifest: dict) -> list[str]:  # type: ignore[type-arg]
    made = [f"{i.get('name')} {i.get('version', '')}".strip() for i in manifest.get("claim_generator_info", [])]
    said = [f"written by {', '.join(made)}"] if made else []
    for assertion in manifest.get("assertions", []):
        data = assertion.get("data", {})
        for action in data.get("actions", []) if isinstance(data, dict) else []:
            if str(action.get("digitalSourceType", "")).endswith("trainedAlgorithmicMedia"):
                said.append("drawn by a model")
        entries = data.get("entries", {}) if isinstance(data, dict) else {}
        if entries and all(e.get("use") == "notAllowed" for e in entries.values()):
            said.append("training and data mining: not allowed")
    return [*said, f"ingredients: {len(manifest.get('ingredients', []))}"]


def _context(anchors: bytes) -> c2pa.Context:
    return c2pa.Context.from_dict(
        {
            "version": 1,
            **({"trust": {"user_anchors": anchors.decode()}} if anchors else {}),
            "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": bool(anchors)},
            "builder": {"thumbnail": {"enabled": False}},
        }
    )


def _kind(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _PNG
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise BadInput("not a PNG, JPEG or WebP picture")


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "dressform"), x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, by: ec.EllipticCurvePublicKey, start: datetime, is_ca: bool
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(not is_ca, False, False, False, False, is_ca, is_ca, False, False)
    built = (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number(), start, start + timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(is_ca, 0 if is_ca else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by), critical=False)
    )
    if is_ca:
        return built
    return built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
