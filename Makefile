# SPDX-License-Identifier: GPL-3.0-or-later
.DEFAULT_GOAL := help
.PHONY: help demo test test-full bench lint sanity units lab molecule clean distclean

STEPS := scripts/run python scripts/steps.py
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/baremetal-dsr

help: ## show this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## boot the lab, set up Direct Server Return in it and prove it with packets
	@scripts/demo

test: ## everything: static checks, unit tests, and the scenarios in the lab
	@$(STEPS)

bench: ## measure everything that has a goal in the lab, and say which goals are met
	@scripts/install-prerequisites
	@scripts/run lab/dsrlab up
	@scripts/run bench/run

test-full: export DSR_TEST_FULL := 1
test-full: ## the same, with the long tests and scenarios: every fault, single teardowns, drains, failures
	@$(STEPS)

lint: ## static checks: ruff, mypy, yamllint, ansible-lint, shellcheck, role contract
	@$(STEPS) lint

sanity: ## ansible-test sanity
	@$(STEPS) sanity

units: ## unit and property tests
	@$(STEPS) units

molecule: ## boot the lab and run the scenarios in it
	@$(STEPS) lab

lab: ## only boot the lab
	@scripts/install-prerequisites
	@scripts/run lab/dsrlab up

clean: ## remove what runs in this checkout left behind
	@scripts/run bash -c 'rm -rf "$$DSR_WORK"'
	@rm -rf .ansible .hypothesis .pytest_cache tests/output

distclean: clean ## stop the lab and remove the images and environments of all checkouts as well
	@scripts/run lab/dsrlab down
	@rm -rf '$(CACHE)'
