"""`python -m export sign BUNDLE --key KEY`: signed bundles, and the keys for that."""

import argparse
import base64
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from export.bundle.folder import read_bundle
from export.bundle.manifest import MANIFEST_NAME, SIGNATURE_NAME
from export.bundle.signature import read_key
from rgbd.errors import UserError
from rgbd.files import atomic_file
from rgbd.overlap import check_apart
from rgbd.terminal import say


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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command reads."""
    parser.add_argument("bundle", type=Path, nargs="?", help="what `python -m export` wrote")
    parser.add_argument("--key", type=Path, required=True, help="the private key, a PEM file")
    parser.add_argument("--new-key", action="store_true", help="make the key, and the public one beside it, first")


def run(options: argparse.Namespace) -> int:
    """Sign a bundle, or make keys; returns the exit code."""
    if options.new_key:
        if options.bundle is not None:  # it is sent to others, and the key must not be
            check_apart([options.key, _public_beside(options.key)], [options.bundle], option="--key")
        public_key = make_keys(options.key)
        say(f"{options.key}: keep it secret; services need {public_key}")
    if options.bundle is not None:
        say(f"signed: {sign_bundle(options.bundle, options.key)}")
    elif not options.new_key:
        raise UserError("there is nothing to sign; name a bundle, or --new-key")
    return 0


def _private_key(path: Path) -> Ed25519PrivateKey:
    key = read_key(path, lambda content: load_pem_private_key(content, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path}: is no private ed25519 key; python -m export sign --new-key makes one")
    return key
