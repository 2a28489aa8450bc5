#!/usr/bin/env python3
"""A foreign client: it speaks cat1 from SPEC.md alone, with one user key that it reads on standard input.

  cattery key export ... | client.py cases > cases.jsonl     (`cases` may be left out)
  cattery key export ... | client.py mint --method GET --path-prefix /albums --lifetime 60

cases   prints JSON lines. The first one is {"seed", "now", "service", "principal", "epoch", "generation", "cases"}.
        Each of the others is a case, in the order in which to send them:
          name       unique
          want       "ok", or the code of SPEC section 5
          text       the presentation, to be sent behind "Bearer "
          status     what forward-auth answers: 200, 401, 403 or 503; null where the text or its facts cannot be told in
                     a forward-auth request, so that only a face that takes facts (Verify) can be asked
          facts      method, authority, path (with the query), source_addr, client_cert_sha256, scope, body_sha256
                     (hexadecimal), context (an object): what the verifier must know of the request; null is: not known
          after      null, or the name of the case that has to be sent first (single use); with null, any order will do
          principal  who an accepted token speaks for; null where it is not accepted. An accepted one has epoch,
                     lease_id, token_id, claims_type and claims, too (hexadecimal)
        The tokens of the single-use cases begin at now + leeway, so that a verifier accepts them that has just begun
        (in an earlier second than now). A seed and a time make the same tokens, so use a pair once for a verifier.
        Some facts are not ASCII; they are meant as UTF-8.
mint    prints one token, to use as: curl -H "Authorization: Bearer $(client.py mint ... < key)"
attenuate
        prints a narrower key; or a narrower token, where standard input is a token
discharge
        prints the key's word for a ticket, to be put behind the token and a comma

The exit code is 2 where the key or the options are of no use.
"""

import argparse
import json
import os
import random
import secrets
import sys
import time

import cases
import cat1
from cat1 import caveat

LIFETIME = 300  # seconds that a minted token lives unless told


def sign_as_service(service_key, service, epoch, generation, principal, version=0, caveats=(), lifetime=LIFETIME):
    """A token by whoever holds S, as any principal (SPEC 2): a service as a signer needs no lease from anyone."""
    now = int(time.time())
    key_id = cat1.KeyId(epoch, service, generation, principal, version, now + lifetime, secrets.token_bytes(8))
    return cat1.mint(cat1.issue(service_key, key_id), now, now + lifetime, secrets.token_bytes(16), caveats)


def known_fact(text):
    """NAME=VALUE of --fact, as an entry of facts."""
    name, equals, value = text.partition("=")
    if name.startswith("context."):
        return "context", {name[len("context.") :]: value}
    if not equals or name not in ("authority", "scope", "client_cert_sha256"):
        raise argparse.ArgumentTypeError("authority, scope, client_cert_sha256 or context.KEY, and =VALUE")
    return name, value


def refuse(why):
    """Says why on standard error; the exit code."""
    print(f"client.py: {why}", file=sys.stderr)
    return 2


def numbers(text):
    return [int(n) for n in text.split(",")]


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="client.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    modes = parser.add_subparsers(dest="mode", required=True)

    c = modes.add_parser("cases", help="print cases, good and bad, with what each has to be answered")
    c.add_argument("--now", type=float, default=None, help="Unix seconds (default: the clock)")
    c.add_argument("--seed", type=int, default=None, help="of everything random (default: random; it is printed)")
    c.add_argument("--leeway", type=int, default=cat1.LEEWAY, help="the verifier's, in seconds (default: %(default)s)")
    c.add_argument("--max-lifetime", type=int, default=3600, help="the verifier's, in seconds (default: %(default)s)")
    c.add_argument(
        "--fact",
        type=known_fact,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="known of every request: authority, scope, client_cert_sha256 or context.KEY; may be repeated",
    )
    c.add_argument(
        "--held-epochs",
        type=numbers,
        default=[],
        metavar="N,N",
        help="epochs that the verifier holds; without it, only epochs beyond doubt are claimed",
    )
    c.add_argument(
        "--held-generations",
        type=numbers,
        default=[],
        metavar="N,N",
        help="generations that it holds, in the key's epoch (default: the key's alone)",
    )
    c.add_argument("--mutants", type=int, default=100, help="random changes to make besides (default: %(default)s)")
    c.add_argument("--max-text", type=int, default=None, help="leave out presentations that are longer, for proxies")
    c.add_argument(
        "--exact",
        action="store_true",
        help="the seconds next to each limit, too: for a verifier whose clock stands still",
    )
    c.add_argument("--summary", action="store_true", help="counts by code, on standard error")

    m = modes.add_parser("mint", help="print one token")
    m.add_argument("--lifetime", type=int, default=LIFETIME, help="seconds (default: %(default)s)")
    m.add_argument("--not-before", type=int, default=None, help="Unix seconds (default: now)")
    add_caveats(m)
    m.add_argument("--claims-type", default="", help="full name of a message")
    m.add_argument("--claims", type=bytes.fromhex, default=b"", metavar="HEX")

    a = modes.add_parser("attenuate", help="print a narrower key or token")
    add_caveats(a)

    d = modes.add_parser("discharge", help="print a discharge")
    d.add_argument("--ticket", type=bytes.fromhex, required=True, metavar="HEX", help="16 to 64 bytes")
    d.add_argument("--lifetime", type=int, default=60, help="seconds (default: %(default)s)")
    add_caveats(d)

    asks_help = argv[:1] in (["-h"], ["--help"])
    args = parser.parse_args(argv if asks_help or argv[:1] and argv[0] in modes.choices else ["cases", *argv])
    if getattr(args, "body_sha256", None) and not args.bind:
        parser.error("--body-sha256 goes with --bind")
    return args


def add_caveats(m):
    m.add_argument("--method", action="append", default=[], help="GET, or /pkg.Service/Method; may be repeated")
    m.add_argument("--path-prefix", metavar="/PATH")
    m.add_argument("--source-addr", action="append", default=[], metavar="BLOCK", help="192.0.2.0/24; may be repeated")
    m.add_argument("--scope", action="append", default=[], help="may be repeated")
    m.add_argument("--client-cert", type=bytes.fromhex, metavar="HEX", help="SHA-256 of the certificate")
    m.add_argument("--context", action="append", default=[], metavar="KEY=VALUE", help="may be repeated")
    m.add_argument("--bind", nargs=3, metavar=("METHOD", "AUTHORITY", "PATH_AND_QUERY"), help="for this request alone")
    m.add_argument("--body-sha256", type=bytes.fromhex, metavar="HEX", help="with --bind: for this body alone")
    m.add_argument("--third-party", action="append", default=[], metavar="PRINCIPAL:HEX", help="may be repeated")
    m.add_argument("--once", action="store_true", help="single use")
    m.add_argument("--revocation-id", type=bytes.fromhex, metavar="HEX", help="16 bytes")


def caveats_of(args):
    """The caveats that options ask for, in the order of their numbers (SPEC 3)."""
    for kind, entries in (("scopes", args.scope), ("methods", args.method)):
        if entries:
            yield caveat(kind, any_of=entries)
    if args.path_prefix:
        yield caveat("path_prefix", prefix=args.path_prefix)
    if args.source_addr:
        yield caveat("source_addr", any_of=args.source_addr)
    if args.client_cert:
        yield caveat("client_cert", sha256=args.client_cert)
    if args.bind:
        body = args.body_sha256 or b""
        yield caveat("request", digest=cat1.request_digest(*args.bind, body), body=bool(body))
    for entry in args.context:
        key, _, value = entry.partition("=")
        yield caveat("context", key=key, value=value)
    for entry in args.third_party:
        principal, _, ticket = entry.rpartition(":")
        yield caveat("third_party", principal=principal, ticket=bytes.fromhex(ticket))
    if args.once:
        yield caveat("single_use", id=secrets.token_bytes(16))
    if args.revocation_id:
        yield caveat("revocation_id", id=args.revocation_id)


def mint(key, args):
    begin = int(time.time()) if args.not_before is None else args.not_before
    end = min(begin + args.lifetime, key.id.expires_at)  # step 6 refuses what outlives its key
    token = cat1.mint(key, begin, end, secrets.token_bytes(16), list(caveats_of(args)), args.claims_type, args.claims)
    print(cat1.token_text(token))


def attenuate(key, args):
    print(cat1.key_text(cat1.attenuate_key(key, *caveats_of(args))))


def attenuate_token(text, args):
    print(cat1.token_text(cat1.attenuate_token(cat1.parse_token(text), *caveats_of(args))))


def discharge(key, args):
    now = int(time.time())
    end = min(now + args.lifetime, key.id.expires_at)
    print(cat1.discharge_text(cat1.discharge(key, args.ticket, now, end, caveats=list(caveats_of(args)))))


def print_cases(key, args):
    now = int(time.time() if args.now is None else args.now)
    seed = int.from_bytes(os.urandom(6), "big") if args.seed is None else args.seed
    if key.id.expires_at < now + args.leeway + 60:
        raise SystemExit(refuse("the key has expired, or is about to"))
    if len(key.caveats) > cat1.MAX_CAVEATS - 3 or any(cat1.kind_of(c)[0] == "single_use" for c in key.caveats):
        raise SystemExit(refuse("the key leaves no room for cases: more than 13 caveats, or a single use"))
    known = {}
    for name, value in args.fact:
        known[name] = {**known.get("context", {}), **value} if name == "context" else value
    book = cases.Book(
        key, now, random.Random(seed), args.leeway, args.max_lifetime, known, args.held_epochs, args.held_generations
    )
    made = cases.all_cases(book, args.exact, args.mutants)
    made = [c for c in made if args.max_text is None or len(c["text"]) <= args.max_text]
    about = {k: getattr(key.id, k) for k in ("service", "principal", "epoch", "generation")}
    print(json.dumps({"seed": seed, "now": now, **about, "cases": len(made)}))
    for case in made:
        print(json.dumps(case))
    if args.summary:
        for code, n in sorted(cases.counts(made).items()):
            print(f"{code:18} {n:4}", file=sys.stderr)


def main(argv):
    args = arguments(argv)
    text = sys.stdin.read().strip()
    try:
        if args.mode == "attenuate" and text.startswith(cat1.TOKEN_PREFIX):
            attenuate_token(text, args)
            return 0
        key = cat1.parse_key(text)
    except cat1.Refused as refused:
        return refuse(f"no key on standard input ({refused})")
    {"mint": mint, "attenuate": attenuate, "discharge": discharge, "cases": print_cases}[args.mode](key, args)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
