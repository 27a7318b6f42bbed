# SPDX-License-Identifier: Apache-2.0
"""A certification authority for the lab, made with python3-cryptography: what comes out is checked by culvert and by
strongSwan, neither of which made it."""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier

IPSEC_IKE = ObjectIdentifier("1.3.6.1.5.5.7.3.17")
DAY = datetime.timedelta(days=1)
_keys = {}  # RSA keys take a while; those of one kind and user are the same in every test


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def key(kind, who):
    """A key of a kind: rsa2048, rsa3072, p256, p384, p521, ed25519."""
    if (kind, who) not in _keys:
        curves = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1}
        _keys[kind, who] = (rsa.generate_private_key(65537, int(kind[3:])) if kind.startswith("rsa") else
                            ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else
                            ec.generate_private_key(curves[kind]()))
    return _keys[kind, who]


def dn(text):
    """ "C=CH, O=Lab, CN=x" as a name."""
    oids = {"C": NameOID.COUNTRY_NAME, "O": NameOID.ORGANIZATION_NAME, "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
            "CN": NameOID.COMMON_NAME}
    return x509.Name([x509.NameAttribute(oids[k], v) for k, v in (p.strip().split("=", 1) for p in text.split(","))])


def alt(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def _hash(k):
    return None if isinstance(k, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _write(path, data, secret=False):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if secret else 0o644), "wb") as f:
        f.write(data)
    return path


class Authority:
    """A CA; its files go to `directory`.  parent: the CA that signs this one."""

    def __init__(self, directory, name="C=CH, O=Lab, CN=Root", kind="p256", parent=None, pad=0, **kw):
        self.dir, self.name, self.parent = str(directory), dn(name), parent
        os.makedirs(self.dir, exist_ok=True)
        self.key = key(kind, name)
        self.revoked = []
        self.cert = (parent or self)._sign(self.name, self.key.public_key(), ca=True, pad=pad, **kw)
        self.pem = self.cert.public_bytes(serialization.Encoding.PEM)
        self.path = _write(f"{self.dir}/{self._file()}.pem", self.pem)

    def _file(self):
        return self.name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value.replace(" ", "-").replace("/", "_")

    def _sign(self, subject, public, ca=False, sans=(), start=None, end=None, usage=(), pad=0, cdp=None, ocsp=None,
              key_usage=True):
        start, end = start or now() - DAY, end or now() + 365 * DAY
        b = (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
             .serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
             .add_extension(x509.BasicConstraints(ca, None), True)
             .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
             .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))
        if key_usage:
            b = b.add_extension(x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False), True)
        if sans:
            b = b.add_extension(x509.SubjectAlternativeName([alt(s) for s in sans]), False)
        if usage:
            b = b.add_extension(x509.ExtendedKeyUsage(usage), False)
        if cdp:
            b = b.add_extension(x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.UniformResourceIdentifier(cdp)], None, None, None)]), False)
        if ocsp:
            b = b.add_extension(x509.AuthorityInformationAccess(
                [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))]), False)
        if pad:  # an extension nobody knows: makes the certificate that much larger
            b = b.add_extension(x509.UnrecognizedExtension(ObjectIdentifier("1.3.6.1.4.1.55555.1"), bytes(pad)), False)
        return b.sign(self.key, _hash(self.key))

    def issue(self, name, kind="p256", sans=(), chain=(), passphrase=None, **kw):
        """A certificate with its key: Issued."""
        k = key(kind, name)
        return Issued(self, name, k, self._sign(dn(name), k.public_key(), sans=sans, **kw), chain, passphrase)

    def revoke(self, issued):
        self.revoked.append(issued.cert if isinstance(issued, Issued) else issued)
        return self

    def crl(self, start=None, end=None, number=1):
        """A list of what was revoked; its path."""
        b = (x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(start or now() - DAY)
             .next_update(end or now() + 7 * DAY).add_extension(x509.CRLNumber(number), False)
             .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))
        for c in self.revoked:
            b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(c.serial_number)
                                          .revocation_date(now() - DAY).build())
        crl = b.sign(self.key, _hash(self.key))
        return _write(f"{self.dir}/{self._file()}.crl", crl.public_bytes(serialization.Encoding.PEM))


    def responder(self, issued):
        """What `openssl ocsp` needs to answer for this CA: its arguments but for the port."""
        def line(cert, revoked):
            end = cert.not_valid_after.strftime("%y%m%d%H%M%SZ")
            when = (now() - DAY).strftime("%y%m%d%H%M%SZ") if revoked else ""
            serial = f"{cert.serial_number:X}"
            serial = "0" * (len(serial) % 2) + serial  # openssl wants whole octets
            return f"{'R' if revoked else 'V'}\t{end}\t{when}\t{serial}\tunknown\t/CN={serial}\n"
        index = _write(f"{self.dir}/index.txt", "".join(line(i.cert, i.cert in self.revoked) for i in issued).encode())
        k = _write(f"{self.dir}/responder.key", self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()), True)
        return ["-index", index, "-CA", self.path, "-rsigner", self.path, "-rkey", k, "-nmin", "10"]


class Issued:
    """Files of a certificate: path, key_path; chain: the CAs between it and the root."""

    def __init__(self, ca, name, k, cert, chain, passphrase):
        self.name, self.cert, self.chain = name, cert, list(chain)
        base = f"{ca.dir}/{name.split('CN=')[1]}-{cert.serial_number:x}"
        self.path = _write(f"{base}.pem", cert.public_bytes(serialization.Encoding.PEM))
        protect = (serialization.BestAvailableEncryption(passphrase.encode()) if passphrase
                   else serialization.NoEncryption())
        self.key_path = _write(f"{base}.key", k.private_bytes(serialization.Encoding.PEM,
                                                              serialization.PrivateFormat.PKCS8, protect), True)
        if passphrase:
            self.passphrase_path = _write(f"{base}.pass", passphrase.encode() + b"\n", True)

    def conf(self, **kw):
        """As an entry of culvert's `certificates`."""
        out = {"name": "own", "certificate": self.path, "private-key": self.key_path, **kw}
        if self.chain:
            out["chain"] = [c.path for c in self.chain]
        return out
