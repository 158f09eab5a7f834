# A fresh machine needs Python 3.11 or newer and make. Everything else comes from the locks in requirements/.
#
#   make venv     .venv, with the `airlift` command in .venv/bin
#   make demo     the staged incident on this machine; VOTE=me asks you for the votes, VOTE=page in the browser;
#                 MODE=drill: a drill, of which nothing must be left
#   make faults   the fault campaign on two cores, random sequences, and eight faults on the local cloud; writes
#                 docs/fault-campaign.md.
#                 FAULTS=120: about so many seconds; ONLY=PATTERN: cases in whose name it is found
#   make test     all tests but those that need a browser
#   make golden   writes the histories anew that tests/workflow/golden keeps
#   make test-web the pages, in a headless Chromium; screenshots in artefacts/
#   make bench    measures, and writes bench/RESULTS.md; under an hour, QUICK=1: a part of it in some minutes
#   make check    formatting, types, template, workflows, rights, Control Tower's rules, secrets, licences; asks no network
#   make audit    known vulnerabilities of every locked package; needs a vulnerability service. OPTIONS=… goes to pip-audit
#   make lock     writes the locks anew after a change of a *.in file; UPGRADE=1 takes newer releases
#   make clean    removes the environments and what was built
#
# PYTHON=/path/to/python is tried before the interpreters found by name.

SHELL := /bin/sh
.DELETE_ON_ERROR:
.PHONY: venv demo bench faults faults-campaign faults-sequences faults-on-local-cloud test golden test-web web-programs \
	check check-style check-types check-template check-workflows check-iam check-control-tower check-credentials \
	check-licences audit lock clean
.DEFAULT_GOAL := venv

# The first interpreter that really runs (a version manager may leave shims that don't) and can make environments.
usable = import sys, venv, ensurepip; assert sys.version_info >= (3, 11); print(sys.executable)
python = $(or $(shell for name in $(PYTHON) python3.13 python3.12 python3.11 python3 python3.14 python; do \
	"$$name" -c "$(usable)" 2>/dev/null && break; done),$(error \
	Airlift needs Python 3.11 or newer with venv and ensurepip: install it, or name it: make PYTHON=/path/to/python))

# $(call environment,folder,lock,seconds,what for): makes the environment from scratch, so that it holds the lock alone.
define environment
@echo "Making $(1) ($(4)), about $(3) s the first time ..."
@"$(python)" -m venv --clear $(1)
@$(1)/bin/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r $(2)
@touch $@
endef

venv: .venv/bin/airlift

.venv/.locked: requirements/dev.txt
	$(call environment,.venv,$<,40,the project; its tests and checks)

.venv/bin/airlift: .venv/.locked pyproject.toml
	@.venv/bin/python -m pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv-cloud/.locked: requirements/cloud.txt
	$(call environment,.venv-cloud,$<,30,the local cloud)

.venv-sam/.locked: requirements/sam.txt
	$(call environment,.venv-sam,$<,40,the AWS SAM command line and cfn-lint)

.venv-guard/.locked: requirements/guard.txt
	$(call environment,.venv-guard,$<,10,Control Tower's rules)

.venv-audit/.locked: requirements/audit.txt
	$(call environment,.venv-audit,$<,20,pip-audit)

.venv-web/.locked: requirements/web.txt
	$(call environment,.venv-web,$<,20,the tests in a browser)

# $(call needs,program,Debian's package): says in one line what is missing.
needs = command -v $(1) >/dev/null || { echo "make test-web needs $(1). On Debian: apt-get install $(2)" >&2; exit 1; }

web-programs:
	@$(call needs,chromium,chromium)
	@$(call needs,chromedriver,chromium-driver)
	@$(call needs,npm,npm)

.venv-web/axe/.locked: tests/web/package-lock.json .venv-web/.locked
	@mkdir -p $(@D) && cp tests/web/package.json $< $(@D)
	@npm ci --prefix $(@D) --silent --no-audit --no-fund --ignore-scripts
	@touch $@

.venv-lock/.locked: requirements/lock.txt
	$(call environment,.venv-lock,$<,10,uv)

demo: .venv/bin/airlift .venv-cloud/.locked .venv-sam/.locked
	@.venv/bin/python -m local.cloud.demo $(if $(MODE),--mode $(MODE)) $(if $(VOTE),--vote $(VOTE))

faults: .venv/bin/airlift .venv-cloud/.locked .venv-sam/.locked
	@$(MAKE) --jobs 3 --no-print-directory \
		faults-campaign $(if $(ONLY),,faults-sequences) $(if $(ONLY)$(FAULTS),,faults-on-local-cloud)

faults-campaign:
	@PYTHONPATH=.:functions:cli .venv/bin/python -m tests.campaign \
		$(if $(FAULTS),--seconds $(FAULTS)) $(if $(ONLY),--only '$(ONLY)')

faults-sequences:
	@SEQUENCES=$(if $(FAULTS),3,40) .venv/bin/python -m pytest tests/campaign/test_random.py

faults-on-local-cloud:
	@.venv/bin/python -m pytest tests/e2e/faults.py

test: .venv/bin/airlift .venv-cloud/.locked .venv-sam/.locked
	@.venv/bin/python -m pytest --numprocesses 3 $(TESTS)

golden: .venv/bin/airlift
	@RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/workflow/test_golden.py

test-web: web-programs .venv/bin/airlift .venv-cloud/.locked .venv-sam/.locked .venv-web/axe/.locked
	@.venv-web/bin/python -m pytest --confcutdir tests/web $(or $(TESTS),tests/web)

bench: .venv/bin/airlift .venv-cloud/.locked .venv-sam/.locked
	@PYTHONPATH=functions:. .venv/bin/python -m bench

check: check-style check-types check-template check-workflows check-iam check-control-tower check-credentials check-licences

check-style: .venv/bin/airlift
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .

check-types: .venv/bin/airlift
	@.venv/bin/mypy functions cli local checks tests

check-template: .venv-sam/.locked
	@.venv-sam/bin/python checks/template.py

check-workflows: .venv/bin/airlift
	@.venv/bin/python -m checks.workflows

check-iam: .venv/bin/airlift
	@.venv/bin/python -m checks.iam

check-control-tower: .venv/bin/airlift .venv-guard/.locked
	@.venv/bin/python -m checks.control_tower

check-credentials: .venv/bin/airlift
	@.venv/bin/python -m checks.credentials

check-licences: .venv/bin/airlift .venv-cloud/.locked .venv-sam/.locked .venv-guard/.locked
	@.venv/bin/python -m checks.licences

audit: .venv-audit/.locked
	@.venv-audit/bin/python checks/audit.py $(OPTIONS)

# One lock serves every supported Python and platform. No index is named: pip's own settings decide where from.
compile = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	$(if $(UPGRADE),--upgrade)

lock: .venv-lock/.locked
	@echo "Writing the locks ..."
	@$(compile) dependencies/requirements.in --output-file dependencies/requirements.txt
	@$(compile) requirements/dev.in --constraints dependencies/requirements.txt --output-file requirements/dev.txt
	@for lock in cloud sam web audit lock; do \
		$(compile) requirements/$$lock.in --output-file requirements/$$lock.txt || exit 1; done
	@$(compile) --no-deps requirements/guard.in --output-file requirements/guard.txt

clean:
	@rm -rf .venv .venv-cloud .venv-sam .venv-web .venv-guard .venv-audit .venv-lock .aws-sam .local artefacts
