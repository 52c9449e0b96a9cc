# Everything a developer types.  `make` alone prints this help.
SHELL := /bin/sh
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
INSTALLED := .venv/.installed

PORT ?= 8080
BROKER ?=
MAILER_BROKER ?= $(BROKER)
LEDGER ?=
CLAIMS ?=
WORKERS ?= 3
SCENARIO ?=
ROUNDS ?= 5
SECONDS ?= 5
SCALE ?= 1
PLOT ?=
PEERS := var/bench/peers

IMAGES := gateway mailer fake-esp
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
ADVISORIES ?=
IGNORE ?=
ENGINE ?= $(firstword $(foreach engine,docker podman buildah,$(shell command -v $(engine) >/dev/null && echo $(engine))))
ENGINE_OPTIONS ?=
REGISTRY ?=

# Where this is set, every process would compile everything that it imports anew: three of the four seconds that a
# gateway then takes to start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# Options of a torture run, as far as they are given: SEED=7 becomes --seed 7.
option = $(if $($(1)),--$(2) '$($(1))')
TORTURE = $(call option,SEED,seed) $(call option,MESSAGES,messages) $(call option,PROFILE,profile) \
	$(call option,ON_UNCERTAIN,on-uncertain) $(call option,BROKER,broker) $(call option,DATABASE,database) \
	$(call option,PACE,pace) $(call option,RATE,rate) $(call option,EACH,each) $(call option,KINDS,kinds) $(call option,CODE,code)

.PHONY: help install lock run gateway mailer migrate fake-esp test soak torture torture-mutants bench bench-report audit check format sbom images wheel release clean

help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##@ Run
run: $(INSTALLED) ## Run both services and send one e-mail   (PORT= BROKER= MAILER_BROKER= LEDGER= CLAIMS=)
	@PORT='$(PORT)' BROKER='$(BROKER)' MAILER_BROKER='$(MAILER_BROKER)' LEDGER='$(LEDGER)' CLAIMS='$(CLAIMS)' $(BIN)/python deploy/local.py

gateway: $(INSTALLED) ## Run the gateway alone, with the settings in the environment
	@PILLARBOX_PORT='$(PORT)' $(BIN)/python -m services.gateway

mailer: $(INSTALLED) ## Run the mailer alone, with the settings in the environment
	@$(BIN)/celery -A services.mailer.worker worker -l INFO

migrate: $(INSTALLED) ## Bring the ledger's schema up to date (PILLARBOX_LEDGER_URL)
	@$(BIN)/python -m services.gateway migrate

fake-esp: $(INSTALLED) ## Run a fake SendGrid to try against
	@$(BIN)/python -m tests.fakes sendgrid

##@ Test
test: $(INSTALLED) ## Run all tests                           (T=tests/flow narrows)
ifdef T
	@$(BIN)/pytest $(T)
else
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m 'not soak and not alone'
	@$(BIN)/pytest -m 'alone and not soak'
endif

soak: $(INSTALLED) ## Run the long tests: backlogs of 20,000, an outage of minutes
	@$(BIN)/pytest -m soak $(T)

torture-mutants: $(INSTALLED) ## Services with one promise broken: does a storm find out?   (ONLY=M7 CONTROL=1)
	@$(BIN)/python -m tests.torture.mutants --only '$(ONLY)' $(if $(CONTROL),--control)

torture: $(INSTALLED) ## A storm of faults, and whether anything was lost or doubled
torture: ##   SEED= MESSAGES= PROFILE=idempotent|search|none ON_UNCERTAIN=resend|hold
torture: ##   BROKER=rabbitmq|redis DATABASE=postgresql|sqlite PACE=quick|production RATE= EACH= KINDS= CODE=
	@$(BIN)/python -m tests.torture $(TORTURE)

bench: $(INSTALLED) ## Measure beside bare aiohttp and others        (SCENARIO= ROUNDS= SECONDS= SCALE= PLOT=1)
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --inexact --group bench
	@UV_PROJECT_ENVIRONMENT=$(PEERS) $(BIN)/uv sync --quiet --frozen --only-group peers
	@$(BIN)/python -m bench run $(SCENARIO) --rounds $(ROUNDS) --seconds $(SECONDS) --scale $(SCALE) $(if $(PLOT),--plot)

bench-report: $(INSTALLED) ## Write the last figures into docs/performance.md
	@$(BIN)/python -m bench report

audit: $(INSTALLED) ## Known advisories against what is pinned    (ADVISORIES=copy of OSV, IGNORE=ids)
	@$(BIN)/python deploy/audit.py $(if $(ADVISORIES),--advisories '$(ADVISORIES)') $(foreach id,$(IGNORE),--ignore '$(id)')

check: $(INSTALLED) ## Lint, types, architecture; what pre-commit runs
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(INSTALLED) ## Format and mend what can be mended
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

##@ Build
install: $(INSTALLED) ## Make .venv and install what uv.lock pins

lock: $(INSTALLED) ## Resolve the dependencies anew
	$(BIN)/uv lock --upgrade

sbom: $(INSTALLED) ## Write what each image is made of into var/sbom (CycloneDX)
	@mkdir -p var/sbom
	@for service in gateway mailer; do \
		$(BIN)/uv export --quiet --frozen --only-group $$service --format cyclonedx1.5 \
			--output-file var/sbom/$$service.cdx.json && echo var/sbom/$$service.cdx.json; \
	done

images: $(addprefix image-,$(IMAGES)) ## Build all images        (ENGINE=docker|podman|buildah REGISTRY=host/)

image-%:
	@test -n '$(ENGINE)' || { echo 'Found neither docker, podman nor buildah'; exit 1; }
	$(ENGINE) build $(ENGINE_OPTIONS) --target $* --tag $(REGISTRY)pillarbox-$*:$(VERSION) \
		--build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown) .

wheel: $(INSTALLED) ## Build the command line as a wheel, into dist/
	@rm -f dist/*.whl dist/*.tar.gz
	@$(BIN)/uv build --quiet --wheel --sdist --out-dir dist
	@ls dist/*.whl dist/*.tar.gz

release: $(INSTALLED) ## Write a version wherever it stands  (VERSION=1.2.3, NEXT=1 after a release; docs/releasing.md)
	@$(BIN)/python deploy/release.py $(VERSION) $(if $(NEXT),--next)

clean: ## Remove what was installed and what runs left behind (var/)
	rm -rf .venv var dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# Debian's python3 comes without ensurepip; where we may, we add it.
$(INSTALLED): pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Pillarbox needs Python 3.11 or newer: make PYTHON=/path/to/python3.11'; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
		rm -rf .venv; \
		test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -qq -y python3-venv && $(PYTHON) -m venv .venv; \
	} || { echo 'python3 -m venv does not work: install the package python3-venv'; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@UV_PROJECT_ENVIRONMENT=.venv $(BIN)/uv sync --quiet --frozen --inexact
	@touch $@
