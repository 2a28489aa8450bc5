"""Checks a Compose file: against the schema of the Compose specification, and against what docs/containers.md promises.

compose.py SCHEMA COMPOSE_FILE, with python3-yaml and python3-jsonschema of Debian."""

import json
import pathlib
import sys

import jsonschema
import yaml


def problems(compose, folder):
    named = {kind: set(compose.get(kind, {})) for kind in ("networks", "volumes", "secrets", "configs")}
    used = {kind: set() for kind in named}
    for name, service in compose["services"].items():
        if service.get("read_only") is not True:
            yield f"{name}: its root file system can be written"
        if service.get("cap_drop") != ["ALL"]:
            yield f"{name}: it keeps capabilities"
        if "no-new-privileges:true" not in service.get("security_opt", []):
            yield f"{name}: it may get new privileges"
        if service["image"].rpartition(":")[2] in ("", "latest") or ":" not in service["image"]:
            yield f"{name}: its image has no version"
        used["networks"].update(service.get("networks", []))
        used["secrets"].update(service.get("secrets", []))
        used["configs"].update(config["source"] for config in service.get("configs", []))
        used["volumes"].update(volume.partition(":")[0] for volume in service.get("volumes", []))
        for other, how in service.get("depends_on", {}).items():
            if other not in compose["services"]:
                yield f"{name}: there is no {other}"
            elif how["condition"] == "service_healthy" and other.startswith("etcd"):
                if "healthcheck" not in compose["services"][other]:
                    yield f"{name}: {other} never says that it is healthy"
        if "build" in service:
            context = folder / service["build"]["context"]
            dockerfile = (context / service["build"]["dockerfile"]).read_text()
            if f" AS {service['build']['target']}\n" not in dockerfile:
                yield f"{name}: the Dockerfile has no such target"
    for kind, names in used.items():
        if names != named[kind]:
            yield f"{kind}: {sorted(names ^ named[kind])} are named and not used, or used and not named"
    for name, config in compose["configs"].items():
        if not (folder / config["file"]).is_file():
            yield f"{name}: {config['file']} is missing"


def main():
    schema, path = sys.argv[1], pathlib.Path(sys.argv[2])
    compose = yaml.safe_load(path.read_text())
    jsonschema.validate(compose, json.loads(pathlib.Path(schema).read_text()))
    found = list(problems(compose, path.parent))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
