# The commands of this checkout. They fetch what the machine lacks, and write only under .build/ and
# .local/.
.DEFAULT_GOAL := help
.PHONY: help setup servers build programs wheel wheels demo up down status check test night soak sample bench bench-full coverage budget pages format lint clean
.PHONY: pictures pictures-all images cluster-up cluster-down cluster-test autoscale-test upgrade-test try-clickhouse try-questdb try-kubernetes sbom decoder packages release release-check
SHELL := /bin/bash

# All commands use the same flags, because other flags would rebuild everything.
BUILD := TAPELINE_REVISION=$$(deploy/local/revision.sh) swift build -c release --static-swift-stdlib -debug-info-format none
TOOL  := .build/release/tapeline
# Ticks of another provider are in a stack of their own: binance, or binance-sim of its simulator.
# A NAME of the environment is somebody else's.
STACK := $(or $(if $(filter command line,$(origin NAME)),$(NAME)),$(if $(PROVIDER)$(SIMULATOR),$(or $(PROVIDER),ibkr)$(if $(SIMULATOR),-sim)))
NAMED := $(if $(STACK),--name $(STACK))
SWIFT_FOLDERS := Package.swift $(wildcard Equipment Samples Sources services Tests)

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# Fast when nothing has changed. The compiler's output goes to a log.
.PHONY: stack-programs
stack-programs: setup
	@deploy/local/build.sh '$(if $(SIMULATOR),$(PROVIDER))'

programs: setup ## Build the programs: services, tool and all simulators (release)
	@deploy/local/build.sh --all

# Downloads while the compiler works. The step 'servers' waits for it, and shows what failed.
.PHONY: servers-meanwhile
servers-meanwhile: setup
	@mkdir -p .build/logs
	@deploy/local/servers.sh >.build/logs/servers.log 2>&1 &

setup: ## Install what the build needs (as root, or by sudo)
	@deploy/local/prerequisites.sh

servers: setup ## Fetch nats-server, PostgreSQL with TimescaleDB, Valkey, Prometheus, Alertmanager and kustomize into .local/servers
	@deploy/local/servers.sh

build: setup ## Build everything: services, tool, benchmarks (release)
	@$(BUILD)

wheel: setup ## Make the wheel of the Python package (docs/python.md) in .build/wheel
	@deploy/local/wheel.sh

wheels: programs ## Make the packages of Python that a stack consists of, with its servers, in .build/wheel
	@deploy/local/wheel.sh
	@deploy/local/programs-wheel.py --servers

demo: servers-meanwhile stack-programs servers ## Ticks of a made-up broker become bars, 30 s, then an audit of every row (KEEP=1: leave it)
	@$(TOOL) demo $(if $(KEEP),--keep)

up: servers-meanwhile stack-programs servers ## Start servers and services and leave them running (PROVIDER=binance, alpaca or massive; SIMULATOR=1; NAME=mine)
	@$(TOOL) up $(NAMED) $(if $(PROVIDER),PROVIDER=$(PROVIDER)) $(if $(SIMULATOR),--simulator)

down: ## Stop what 'make up' with the same variables started
	@if [ -x $(TOOL) ]; then $(TOOL) down --name $(or $(STACK),default); else echo "nothing is built, so nothing runs"; fi

status: ## What runs where
	@if [ -x $(TOOL) ]; then $(TOOL) status $(NAMED); else echo "nothing is built, so nothing runs"; fi

cluster-up: ## The same in containers: build the images, start the compose cluster, wait until it works
	@deploy/compose/secrets.sh
	@REVISION=$$(deploy/local/revision.sh) docker compose --profile tools build
	@docker compose up --detach --wait
	@docker compose ps
	@echo "look:  http://$$(docker compose port cockpit 8510)/  (token: deploy/compose/secrets/cockpit-token)"

cluster-down: ## Stop the compose cluster; the data stay (docker compose down --volumes removes them)
	@docker compose --profile '*' down

cluster-test: ## Scale a compose cluster under load, kill and stop its parts, audit every row (THREE=1: three NATS servers)
	@deploy/compose/cluster-test.py $(if $(THREE),--three)

autoscale-test: ## Have a compose cluster scale its workers by the lag under ten times the ticks, audit every row
	@deploy/compose/autoscale-test.py

upgrade-test: programs servers ## Have the next release take over a local stack, and go back; all mixes of both; 15 minutes
	@deploy/local/previous.sh
	@deploy/local/upgrade-test.py
	@deploy/local/upgrade-mixes.py

try-clickhouse: ## Judge a server of ClickHouse as a store, in a database of its own: make try-clickhouse URL=http://host:8123 (USER_NAME=default; CLICKHOUSE_PASSWORD; REPORT=file)
	@deploy/clickhouse/try.py '$(URL)' $(if $(USER_NAME),--user '$(USER_NAME)') $(if $(REPORT),--report '$(REPORT)')

try-questdb: ## Judge a server of QuestDB as a store, with tables of its own: make try-questdb URL=http://host:9000 (USER_NAME; QUESTDB_PASSWORD; REPORT=file)
	@deploy/questdb/try.py '$(URL)' $(if $(USER_NAME),--user '$(USER_NAME)') $(if $(REPORT),--report '$(REPORT)')

try-kubernetes: ## Judge Tapeline on the Kubernetes of KUBECONFIG, in a namespace of its own (REGISTRY=host:port/prefix; TAG; REPORT=file)
	@deploy/kubernetes/try.py $(if $(REGISTRY),--registry '$(REGISTRY)') $(if $(TAG),--tag '$(TAG)') $(if $(REPORT),--report '$(REPORT)')

images: ## Pin the images of others to the digests of their versions (asks their registries; deploy/images.env)
	@deploy/images.py --digests

decoder: setup ## Build libtapeline_decoder.so for programs of other languages, into .build/python
	@deploy/local/decoder.sh

packages: programs ## Make Debian packages of services and tool in .build/packages (docs/release.md)
	@deploy/debian/packages.py

release: setup servers ## Make a release: make release VERSION=x.y.z [REGISTRY=host:port/prefix] (docs/release.md)
	@deploy/release/release.py '$(VERSION)' $(if $(REGISTRY),--registry '$(REGISTRY)')

release-check: setup ## Check the workflows, and run the scripts of the release's steps here (WORKFLOW=checks: another one; JOBS="build")
	@deploy/release/check.py $(if $(WORKFLOW),--workflow '$(WORKFLOW)') $(JOBS)

pictures: setup ## Draw the pictures of docs/cockpit.md from made data (builds the tests)
	@TAPELINE_PICTURES=docs/pictures swift test --filter CockpitServerTests.PictureTests

pictures-all: setup ## Draw every page of the cockpit, well and with each of 12 faults, into .local/pictures
	@TAPELINE_EVERY_PICTURE=.local/pictures swift test --filter CockpitServerTests.PictureTests/drawAll

.PHONY: golden
golden: setup ## Make the golden files of the formats again, after a change of one (builds the tests)
	@deploy/local/golden.sh

sbom: ## Write what each image consists of (CycloneDX) into .build/sbom
	@deploy/docker/sbom.py

check: setup ## Prove in a minute or two what a change concerns: pure tests, house rules, layout; no servers
	@.ci/check.py

test: ## Prove that all of it works: format, house rules, unit and integration tests
	@.ci/test.sh

night: setup ## All that is too slow for each landing, in parts, within NIGHT_HOURS (6); PARTS="a b" runs those
	@deploy/local/prerequisites.sh --tests
	@.ci/night.py $(if $(NIGHT_HOURS),--hours $(NIGHT_HOURS)) $(PARTS)

soak: ## Run a storm of faults with many seeds: make soak NAME=kills SEEDS=20; without NAME it lists them
	@.ci/soak.sh '$(NAME)' $(SEEDS)

sample: setup servers ## Build Samples/tapeline-sample as its own package, and run its test with what came out
	@.ci/sample.sh

bench: build servers ## Make the record of what all of it does on this machine, in docs/performance.md (25 min; QUICK=1: a try)
	@Benchmarks/record/record.py $(if $(QUICK),--quick)

bench-full: build servers ## The same with growth and longer runs
	@Benchmarks/record/record.py --full

coverage: setup servers ## Line coverage of each target
	@.ci/coverage.sh

pages: setup ## Make docs/metrics.md, and default.env and the tables of settings of the services, from the code (builds tests)
	@.ci/pages.py
	@TAPELINE_PAGES=1 swift test --filter ServicesTests.DocumentTests

budget: ## Measure the code, the words and the last run of 'make test', and write .ci/budget.json (REASON='…': why it grew)
	@.ci/budget.py $(if $(REASON),--reason '$(REASON)')

format: ## Lay out the sources
	@swift format -i --recursive --parallel $(SWIFT_FOLDERS)

lint: ## Check the layout of the sources
	@swift format lint --strict --recursive --parallel $(SWIFT_FOLDERS)

clean: ## Stop all local stacks, and remove them, the servers and what was built
	@if [ -x $(TOOL) ]; then for home in .local/stack/*/; do \
		[ ! -d "$$home" ] || $(TOOL) down --name "$$(basename "$$home")" || exit; done; fi
	@rm -rf .build .local
