"""The check that a service makes of a signed bundle.

The signature (ed25519) is of bundle.json, which holds the hash of every file.
"""

import base64
import binascii
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from export.bundle.manifest import BundleError
from rgbd.errors import UserError


def check_signature(manifest: bytes, signature: bytes | None, public_key: Path, where: Path) -> None:
    """Raise `BundleError` where bundle.json's content was not signed by the owner of the key."""
    key = _public_key(public_key)
    if signature is None:
        raise BundleError(f"{where}: is not signed, and a signature is required; run python -m export sign")
    try:
        key.verify(base64.b64decode(signature.strip(), validate=True), manifest)
    except (InvalidSignature, binascii.Error) as error:
        raise BundleError(
            f"{where}: its signature is not of {public_key}, or bundle.json was changed since; sign it again if you "
            "trust it"
        ) from error


def _public_key(path: Path) -> Ed25519PublicKey:
    key = read_key(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{path}: is no public ed25519 key; give the .pub.pem that was made with the private one")
    return key


def read_key(path: Path, parse: Callable[[bytes], object]) -> object:
    """Return what `parse` makes of a key file, None where it holds no key, or one with a password."""
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, TypeError):
        return None
