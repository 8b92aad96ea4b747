#!/usr/bin/env python3
"""Writes what runs each source of deploy/sources.json: for compose, Kubernetes, Prometheus and Debian.

  sources.py            write it; says which files changed
  sources.py --check    change nothing; exit code 1 and a line for each file that differs

The first source, of Interactive Brokers, is written by hand (service provider-gateway), and compared. Of the list:

  about         what the source is, for people
  prefix        what the names of its provider's settings begin with
  gateway       the service that runs it, where that is not NAME-gateway
  operations    the port of its operations page where all units share a host
  instruments   the shipped lists (services/provider-gateway/instruments) that it has unless another one is set
  keys          the settings that are secrets; each is a file. A needed one is demanded by the service
  choices       settings of .env, with their defaults
  hosts         where it connects to, as name:port
  simulator     its stand-in: program, port, and the settings of a gateway that is fed by it

A simulated source has a name of its own, NAME-simulated: made-up ticks are never among real ones.
"""

import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy"))
import written_files  # noqa: E402

LISTS = "services/provider-gateway/instruments"
# Ranges that no service of the web is in: of a cluster, of its nodes, and of its provider's metadata.
PRIVATE = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
PRIVATE6 = ("fc00::/7", "fe80::/10")
BEGIN, END = "# sources: made by deploy/sources.py", "# end of sources"


def read(root=ROOT):
    """Returns the sources by name."""
    return json.loads((root / "deploy/sources.json").read_text())


def beside(sources):
    """Returns the sources beside the first one, which is written by hand."""
    return {name: source for name, source in sources.items() if "gateway" not in source}


def gateways(sources):
    """Returns the services of the compose cluster that run a source of the list."""
    own = [source.get("gateway", f"{name}-gateway") for name, source in sources.items()]
    return own + [f"{name}-simulated-gateway" for name in beside(sources)]


def secret(setting):
    return setting.lower().replace("_", "-")


def lists(source):
    return ",".join(f"{LISTS}/{name}.yaml" for name in source["instruments"])


def feeds(source):
    """Returns the choices of a feed. A delayed one beside the other is another source."""
    return [key for key in source["choices"] if key.endswith("_FEED")]


def all_keys(sources):
    return [key for source in sources.values() for key in source["keys"]]


def simulators(sources):
    """Returns the ports of the simulators by program."""
    return {source["simulator"]["program"]: source["simulator"]["port"] for source in beside(sources).values()}


# --- compose


def service(name, source, is_simulated):
    """Returns the lines of the gateway of a source."""
    unit = f"{name}-simulated" if is_simulated else name
    listed = lists(source) if is_simulated else f"${{{source['prefix']}_INSTRUMENTS:-{lists(source)}}}"
    own_name = f"${{{source['prefix']}_SOURCE:-{unit}}}" if feeds(source) and not is_simulated else unit
    lines = [f"  {unit}-gateway:", "    <<: *gateway", f"    profiles: [{'simulators' if is_simulated else name}]",
             "    environment:", "      <<: *gateway-environment", f"      GATEWAY_SOURCE: {own_name}",
             f"      GATEWAY_PROVIDER: {name}", f"      GATEWAY_INSTRUMENTS: {listed}"]
    # Those that each gateway has.
    secrets = ["nats-gateway", "otlp-headers"]
    if is_simulated:
        lines += [f"      {key}: {value}" for key, value in source["simulator"]["settings"].items()]
    else:
        lines += [f"      {key}: ${{{key}:-{value}}}" for key, value in source["choices"].items()]
        for key in source["keys"]:
            place = f"/run/secrets/{secret(key['setting'])}"
            # A file without a key is refused, so one that is optional is named only if it is set.
            value = place if key["needed"] else f"${{{key['setting']}_FILE:+{place}}}"
            lines.append(f"      {key['setting']}_FILE: {value}")
            secrets.append(secret(key["setting"]))
    if len(secrets) > 2:
        lines.append(f"    secrets: [{', '.join(secrets)}]")
    lines += ["    volumes:", f"      - {unit}-gateway:/var/lib/tapeline"]
    if not is_simulated:
        lines.append(f"      - ${{INSTRUMENTS_FOLDER:-./{LISTS}}}:/etc/tapeline/instruments:ro")
    lines.append(f"    networks: [{'simulators' if is_simulated else name}, tape, monitor, observe]")
    if is_simulated:
        lines += ["    depends_on:", "      <<: *gateway-needs",
                  f"      {source['simulator']['program']}: {{condition: service_healthy}}"]
    return lines


def simulator(program, port):
    return [f"  {program}:", "    <<: *service", "    profiles: [simulators]",
            f"    image: tapeline/{program}:${{TAPELINE_VERSION:-latest}}", "    build:", "      context: .",
            f"      dockerfile: deploy/docker/{program}.Dockerfile", "      args: *build-args",
            f'    command: [--address, 0.0.0.0, --port, "{port}", --control-port, "4100"]', "    healthcheck:",
            "      <<: *rhythm", f'      test: ["CMD", "{program}", "--control-port", "4100", "--tell", "status"]',
            "    networks: [simulators]", "    deploy:", "      resources:",
            '        limits: {memory: 512m, cpus: "1"}']


def compose(sources):
    """Returns the parts of docker-compose.yml: services, networks, volumes, secrets."""
    services = []
    for is_simulated in (False, True):
        for name, source in beside(sources).items():
            title = "simulated" if is_simulated else f"{source['about']}: --profile {name}"
            services += ([] if is_simulated else [f"  # {title}"]) + service(name, source, is_simulated) + [""]
        if not is_simulated:
            services += ["  # Simulated services, and a gateway for each source of them: --profile simulators"]
            for program, port in simulators(sources).items():
                services += simulator(program, port) + [""]
    names = beside(sources)
    networks = ["  # To each provider, and of the simulated ones."] + [f"  {name}: {{}}" for name in names]
    networks.append("  simulators: {internal: true}")
    volumes = [f"  {name}{end}-gateway: {{}}" for end in ("", "-simulated") for name in names]
    secrets = [f"  {secret(key['setting'])}: {{file: \"${{{key['setting']}_FILE:-/dev/null}}\"}}"
               for key in all_keys(sources)]
    return [services[:-1], networks, volumes, secrets]


def on_top(sources, anchor):
    """Returns the part of a file that goes on top of docker-compose.yml: each gateway has what the first one has."""
    return [[f"  {name}-gateway: *{anchor}" for own in beside(sources) for name in (own, f"{own}-simulated")]]


def choices(sources):
    """Returns the part of .env.example."""
    names = beside(sources)
    lines = ["# Files with the keys of services that demand one, and of CoinGecko, where it is optional.",
             "# They are absolute, or begin in the folder of docker-compose.yml; group 10001 has to read them.",
             "# A new key is written into the same file (cat new >file): a container keeps the file it began with."]
    lines += [f"{key['setting']}_FILE=" for key in all_keys(sources)]
    lines += ["# Which data of the account, and where CoinGecko is asked. A delayed feed is a source of its own:",
              "# give it another name. The feed crypto has other instruments, too."]
    for name, source in names.items():
        lines += [f"{key}={value}" for key, value in source["choices"].items()]
        lines += [f"{source['prefix']}_SOURCE={name}"] if feeds(source) else []
    lines.append("# Lists of the image, or /etc/tapeline/instruments/LIST.yaml (INSTRUMENTS_FOLDER).")
    return [lines + [f"{source['prefix']}_INSTRUMENTS={lists(source)}" for source in names.values()]]


def scraped(sources, text):
    """Returns the configuration of Prometheus with all gateways of the compose cluster."""
    names = ["provider-gateway", "provider-gateway-standby", "load-gateway", "peak-gateway"]
    names += [name for name in gateways(sources) if name not in names]
    listed = "\n".join(f"          - {name}" for name in names)
    return re.sub(r"(?<=- job_name: provider-gateway\n    dns_sd_configs:\n)      - names:(?: \[.*\]|(?:\n +- .*)+)",
                  lambda _: f"      - names:\n{listed}", text)


# --- Kubernetes


def kustomization(name, source):
    """Returns the gateway of a source: that of the base under another name, with settings of its own."""
    settings = {"GATEWAY_SOURCE": name, "GATEWAY_PROVIDER": name, "GATEWAY_INSTRUMENTS": lists(source)}
    # An optional key is left out: who has one adds both lines.
    keys = [key["setting"] for key in source["keys"] if key["needed"]]
    settings |= {f"{key}_FILE": f"/etc/tapeline/passwords/{secret(key)}" for key in keys}
    lines = [f"# {source['about']}. Made by deploy/sources.py: add the folder to the resources of your overlay."]
    if keys:
        lines.append(f"# The Secret tapeline-passwords has the key in {' and '.join(map(secret, keys))}.")
    lines += ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "",
              f"nameSuffix: -{name}", "resources: [../../base/gateway, network.yaml]", "", "labels:",
              f"  - pairs: {{app.kubernetes.io/name: provider-gateway-{name}}}", "    includeSelectors: true", "",
              "patches:", "  - target: {kind: StatefulSet}", "    patch: |-", "      - op: replace",
              "        path: /spec/template/metadata/labels/tapeline~1provider", f"        value: {name}",
              "      - op: replace", "        path: /spec/template/spec/containers/0/env", "        value:"]
    lines += [f"          - {{name: {key}, value: {value}}}" for key, value in settings.items()]
    for key in keys:
        lines += ["      - op: add", "        path: /spec/template/spec/volumes/0/secret/items/-",
                  f"        value: {{key: {secret(key)}, path: {secret(key)}}}"]
    return "\n".join(lines) + "\n"


def network(name, source):
    """Returns the policy that lets a source's gateway out to its provider, and to nothing in the cluster."""
    ports = sorted({int(host.rpartition(":")[2]) for host in source["hosts"]})
    hosts = ", ".join(host.rpartition(":")[0] for host in source["hosts"])
    lines = [f"# To {hosts}.", "# A policy knows addresses and no names: this one leaves out those that are private.",
             "apiVersion: networking.k8s.io/v1", "kind: NetworkPolicy", "metadata:", "  name: to-provider",
             "  labels: {app.kubernetes.io/component: network}", "spec:", "  podSelector:", "    matchLabels:",
             "      app.kubernetes.io/name: provider-gateway", f"      tapeline/provider: {name}",
             "  policyTypes: [Egress]", "  egress:", "    - to:", "        - ipBlock:", "            cidr: 0.0.0.0/0",
             "            except:"]
    lines += [f"              - {each}" for each in PRIVATE]
    lines += ["        - ipBlock:", '            cidr: "::/0"', "            except:"]
    lines += [f'              - "{each}"' for each in PRIVATE6]
    lines += ["      ports:"] + [f"        - {{protocol: TCP, port: {port}}}" for port in ports]
    return "\n".join(lines) + "\n"


# --- Debian


def settings(name, source):
    """Returns the settings of a source's unit beside those that all gateways share."""
    lines = [f"# {source['about']}. Read after provider-gateway.env by tapeline-provider-gateway@{name}.", "",
             "# Its name on the tape, and where its ticks come from.", f"GATEWAY_SOURCE={name}",
             f"GATEWAY_PROVIDER={name}", "# Lists of its instruments, seen from /usr/share/tapeline.",
             f"GATEWAY_INSTRUMENTS={lists(source)}",
             "# Folder for its dead letters while NATS takes none; the spool has a folder for each source.",
             f"GATEWAY_DEAD_LETTERS=/var/lib/tapeline/provider-gateway/dead-letters-{name}",
             "# TCP port of its metrics and health.", f"OPS_PORT={source['operations']}"]
    for key in source["keys"]:
        remark = "" if key["needed"] else "; without: fewer requests"
        lines += [f"# The path of a file with a key of the account{remark}.",
                  f"#{key['setting']}_FILE=/etc/tapeline/secrets/provider-gateway/{secret(key['setting'])}"]
    if source["choices"]:
        lines.append("# Which data of the account." if feeds(source) else "# Where it is asked.")
    lines += [f"{key}={value}" for key, value in source["choices"].items()]
    return "\n".join(lines) + "\n"


# --- the files


def filled(text, parts, path):
    """Returns the text with the parts between its marks, in their order."""
    parts = list(parts)

    def replace(found):
        return found[1] + "\n".join(parts.pop(0)) + "\n" + found[3]

    text, count = re.subn(rf"(?ms)^( *{BEGIN}\n)(.*?)(^ *{END}\n)", replace, text)
    if parts or not count:
        raise ValueError(f"{path}: '{BEGIN}' and '{END}' do not stand there once for each part")
    return text


def made(root=ROOT):
    """Returns the text of each file."""
    sources = read(root)
    texts = {}
    for path, parts in (("docker-compose.yml", compose(sources)), (".env.example", choices(sources)),
                        ("deploy/compose/tls.yml", on_top(sources, "tape-only")),
                        ("deploy/compose/nats-cluster.yml", on_top(sources, "gateway"))):
        texts[path] = filled((root / path).read_text(), parts, path)
    path = "deploy/prometheus/prometheus.yml"
    texts[path] = scraped(sources, (root / path).read_text())
    for name, source in beside(sources).items():
        folder = f"deploy/kubernetes/sources/{name}"
        texts[f"{folder}/kustomization.yaml"] = kustomization(name, source)
        texts[f"{folder}/network.yaml"] = network(name, source)
    return texts


def main(arguments, root=ROOT):
    return written_files.main("sources.py", __doc__, arguments, root, made)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
