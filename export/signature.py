"""Signed bundles: `python -m export sign BUNDLE --key KEY`, and the check that a service makes.

The signature (ed25519) is of bundle.json, which holds the hash of every file.
"""

import argparse
import base64
import binascii
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from rich.console import Console

from export.bundle import MANIFEST_NAME, SIGNATURE_NAME, BundleError, read_bundle
from preprocess.atomic import atomic_file
from preprocess.errors import UserError
from preprocess.overlap import check_apart


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


def sign_bundle(folder: Path, private_key: Path) -> Path:
    """Sign the bundle in `folder`, which must be whole, and return the signature's path."""
    read_bundle(folder)
    key = _private_key(private_key)
    path = folder / SIGNATURE_NAME
    with atomic_file(path) as temporary:
        temporary.write_bytes(base64.b64encode(key.sign((folder / MANIFEST_NAME).read_bytes())) + b"\n")
    return path


def make_keys(private_key: Path) -> Path:
    """Write a new private key, readable by its owner only, and the public one beside it; return that one's path."""
    public_key = _public_beside(private_key)
    for path in (private_key, public_key):
        if path.exists():
            raise UserError(f"{path}: exists; choose another name, a lost key cannot be made again")
    key = Ed25519PrivateKey.generate()
    with atomic_file(private_key) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with atomic_file(public_key) as temporary:
        temporary.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return public_key


def _public_beside(private_key: Path) -> Path:
    return private_key.with_suffix(".pub.pem")


def main(arguments: list[str]) -> int:
    """Sign a bundle, or make keys; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m export sign", description="Sign a bundle, or make keys for that.")
    parser.add_argument("bundle", type=Path, nargs="?", help="what `python -m export` wrote")
    parser.add_argument("--key", type=Path, required=True, help="the private key, a PEM file")
    parser.add_argument("--new-key", action="store_true", help="make the key, and the public one beside it, first")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if options.new_key:
        if options.bundle is not None:  # it is sent to others, and the key must not be
            check_apart([options.key, _public_beside(options.key)], [options.bundle], option="--key")
        public_key = make_keys(options.key)
        console.print(f"{options.key}: keep it secret; services need {public_key}")
    if options.bundle is not None:
        console.print(f"signed: {sign_bundle(options.bundle, options.key)}")
    elif not options.new_key:
        parser.error("name a bundle to sign, or --new-key")
    return 0


def _private_key(path: Path) -> Ed25519PrivateKey:
    key = _parsed(path, lambda content: load_pem_private_key(content, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path}: is no private ed25519 key; python -m export sign --new-key makes one")
    return key


def _public_key(path: Path) -> Ed25519PublicKey:
    key = _parsed(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise UserError(f"{path}: is no public ed25519 key; give the .pub.pem that was made with the private one")
    return key


def _parsed(path: Path, parse: Callable[[bytes], object]) -> object:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, TypeError):  # no key, or one with a password
        return None
