# Two commands for a newcomer: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
STATE  ?= .k2
WORKERS ?= 3
STEP = @$(PYTHON) deploy/local/step.py
INSTALL = .venv/bin/uv pip install --compile-bytecode --python $(1)/bin/python \
	--constraint requirements.lock --build-constraint requirements.lock
MEMBERS = shared shared/support deploy/local $(wildcard services/*)
EDITABLE = $(foreach m,$(MEMBERS),--editable ./$(m))
CORE_TESTS = $(wildcard services/*/tests/test_domain.py services/*/tests/test_facts.py services/*/tests/test_protocol.py \
	services/*/tests/test_rules.py services/*/tests/test_sealing.py services/*/tests/test_rows.py services/feed_*/tests/test_rest.py) \
	services/k2/tests/test_demo_reconcile.py services/k2/tests/test_demo_warm_rows.py services/k2/tests/test_gaps_account.py services/k2/tests/test_ohlcv_chart.py services/k2/tests/test_resources_facts.py services/k2/tests/test_sink_resolution.py services/k2/tests/test_status_verdict.py \
	services/k2/tests/test_status_pages.py services/k2/tests/test_validation_comparison.py services/k2/tests/test_validation_scope.py \
	$(patsubst %,shared/tests/lake/test_%.py,offload_state sink_state retention) \
	$(patsubst %,shared/tests/core/test_%.py,avro columns headers layout symbol trade) \
	$(wildcard shared/tests/arrow/test_*.py) \
	$(wildcard shared/tests/candles/test_*.py) \
	$(patsubst %,shared/tests/cold/test_%.py,fingerprint hours rows) \
	$(patsubst %,shared/tests/feed/test_%.py,encoder blocks checkpoint coverage feed_records gap_log listings patterns recent rest silent)
COMMA := ,
SPARK_MEMBERS = $(foreach m,./shared[lake$(COMMA)warm] ./shared/support[testing] ./deploy/local ./services/iceberg_sink ./deploy/spark,--editable '$(m)')
MANIFESTS = requirements.lock Makefile $(MEMBERS:%=%/pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help demo test test-cores test-repeat test-first-run test-crashes test-protocols test-alerts prometheus dashboards test-dashboards test-service test-feeds test-feed-kills soak soak-feeds test-exactly-once test-warm test-candles test-lake test-cold test-maintenance test-restores test-compose spark test-spark gate bench-cli bench-core bench-feeds bench-fold bench-gaps bench-latency bench-commits bench-sink-commits bench-sink-rows bench-state bench-clickhouse bench-lake bench-warm bench-candles bench-cold bench-maintenance bench-resources check lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | column -t -s "$$(printf '\t')" 2>/dev/null \
		|| grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST)

.venv/bin/uv:
	@$(PYTHON) deploy/local/preflight.py
	$(STEP) "setting up .venv (once)" $(PYTHON) -m venv .venv
	$(STEP) "installing uv" .venv/bin/pip install --disable-pip-version-check --progress-bar off --require-hashes \
		-r deploy/local/uv.lock || { rm -rf .venv; \
		echo "k2: could not install uv from the package registry: check the network, then run make again" >&2; exit 2; }

.venv/.runtime: .venv/bin/uv $(MANIFESTS)
	$(STEP) "installing what the main job uses" $(call INSTALL,.venv) $(EDITABLE) || { \
		echo "k2: could not install the packages: check the network and the disk, then run make again" >&2; exit 2; }
	@touch $@

.venv/.dev: .venv/.runtime pyproject.toml
	$(STEP) "installing what the tests use" $(call INSTALL,.venv) --group dev || { \
		echo "k2: could not install the test packages: check the network and the disk, then run make again" >&2; exit 2; }
	@touch $@

demo: .venv/.runtime ## real recorded trades through every agent, reconciled (ARGS="--invalid 0.02 …")
	@.venv/bin/k2 demo $(ARGS)

# No server of the tests lives long enough for Java's second compiler to earn what it costs.
test: export JDK_JAVA_OPTIONS ?= -XX:TieredStopAtLevel=1
test: .venv/.dev ## everything but the long suites, on one shared stack (ARGS="-k dlq", WORKERS=0 for one process)
	@$(MAKE) --no-print-directory --jobs 2 check test-cores
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv/bin/python -m pytest -n $(WORKERS) --dist worksteal -m "not long" $(ARGS)

check: .venv/.dev ## formatting, lint, types, import contracts
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/ruff check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

# Of the cores' tests those with fixed examples: what a random one happens to reach holds no branch.
test-cores: .venv/.dev ## every branch of the pure cores is taken by a test of theirs (the cores: pyproject.toml)
	@.venv/bin/coverage run -m pytest --quiet -p no:xdist -m "not hypothesis and not long" -k "not good_time and not full_windows" $(CORE_TESTS)
	@.venv/bin/coverage report

test-service: .venv/.dev ## one service's tests with only its own dependencies (SERVICE=silver)
	@test -d services/$(SERVICE)/tests || { echo "k2: SERVICE=$(SERVICE) is not one of: $(notdir $(wildcard services/*))" >&2; exit 2; }
	@$(PYTHON) -m venv .venv-$(SERVICE)
	$(STEP) "installing what $(SERVICE) uses" $(call INSTALL,.venv-$(SERVICE)) --editable ./shared --editable './shared/support[testing]' --editable ./services/$(SERVICE)
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv-$(SERVICE)/bin/python -m pytest services/$(SERVICE)/tests $(ARGS)

test-crashes: .venv/.dev ## long tests of stack, broker, pipeline and demo under kill -9 (ARGS="-k broker")
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv/bin/python -m pytest -m long --ignore tests/feeds --ignore-glob 'services/feed_*' -n $(WORKERS) --dist worksteal $(ARGS)

test-protocols: .venv/.dev ## 100,000 broken frames a venue: none is lost in silence, none is made up
	@.venv/bin/python -m pytest services/feed_*/tests/test_protocol.py $(ARGS)

test-alerts: .venv/.dev ## every alert fires in one case and keeps quiet in another, and goes where it should, by promtool, amtool and Alertmanager
	@.venv/bin/python -m tests.contract.alerts.tools >/dev/null
	@.venv/bin/python -m pytest tests/contract/alerts -rs $(ARGS)

dashboards: .venv/.dev ## write Grafana's dashboards anew from their tables (deploy/grafana)
	@.venv/bin/python -m k2_grafana

test-dashboards: .venv-spark/.ready ## every panel has an answer of a real Prometheus while the whole pipeline works (ARGS="--pictures deploy/grafana/pictures")
	@SPARK_PYTHON=$(CURDIR)/.venv-spark/bin/python .venv/bin/python -m tests.dashboards.run --state $(STATE)/dashboards $(ARGS)
prometheus: .venv/.dev ## Prometheus for k2 stack up --metrics and the judges of its rules, out of Debian's packages without root, once
	@PROMETHEUS_TOOLS=required .venv/bin/python -m tests.contract.alerts.tools

test-repeat: .venv/.dev ## make test again and again, beside a load, in the background, in other orders (ARGS="--times 10 --load 2")
	@.venv/bin/python -m tests.repeat.run --state $(STATE)/repeat $(ARGS)

test-first-run: .venv/.dev ## make demo in a fresh clone with empty caches: its longest silence, and after which line
	@.venv/bin/python -m tests.first_run.run $(ARGS)

test-feeds: .venv/.dev ## feeds under every fault of a simulated venue, each proven, every id accounted for (ARGS="-k rotation")
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv/bin/python -m pytest tests/feeds -n $(WORKERS) --dist worksteal $(ARGS)

test-feed-kills: .venv/.dev ## 100 kills -9 and 100 rotations of both feeds under load: no id is lost (ARGS="--kills 10 --rotations 10")
	@.venv/bin/python -m tests.feeds.kills --state $(STATE)/soak $(ARGS)

soak: .venv-spark/.ready ## everything for an hour at 1,000 trades a second: memory flat, no alert, all well, both tiers equal (ARGS="--minutes 60")
	@SPARK_PYTHON=$(CURDIR)/.venv-spark/bin/python .venv/bin/python -m tests.soak.run --state $(STATE)/whole $(ARGS)

soak-feeds: .venv/.dev ## both feeds, silver and gold in a storm of 500 faults: no id is lost or repeated (ARGS="--seed 7 --faults 500 --minutes 45")
	@.venv/bin/python -m tests.feeds.soak --state $(STATE)/soak $(ARGS)

test-exactly-once: .venv/.dev ## 200 faults on a pipeline under load, each proven, every record verified (ARGS="--seed 7 --faults 200")
	@.venv/bin/python -m tests.faults.run --state $(STATE)/faults $(ARGS)

test-warm: .venv/.dev ## ClickHouse's tables equal their topics under every fault, and its HTTP conformance (ARGS="--seed 7 --rounds 20")
	@.venv/bin/python -m pytest tests/contract/clickhouse
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv/bin/python -m pytest -m long services/warm_sink tests/warm -n $(WORKERS)
	@.venv/bin/python -m tests.warm.run --state $(STATE)/warm $(ARGS)

test-candles: .venv/.dev ## every candle is exact and says what it lacks, whatever dies, and the fold itself (ARGS="--seed 7 --rounds 15")
	@.venv/bin/python -m pytest -m "not long" shared/tests/candles tests/candles
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv/bin/python -m pytest -m long tests/candles/test_histories.py
	@.venv/bin/python -m tests.candles.run --state $(STATE)/candles $(ARGS)

test-lake: .venv/.dev ## each Iceberg table has its topics' rows, whatever dies, on both catalogs (ARGS="--seed 7 --rounds 20 --catalog both")
	@.venv/bin/k2 stack exec --state $(STATE)/test-postgres --catalog postgres -- .venv/bin/python -m pytest shared/tests/lake shared/tests/cold services/iceberg_sink
	@.venv/bin/python -m tests.lake.run --state $(STATE)/lake $(ARGS)

test-cold: .venv/.dev ## cold equals warm and the log of all that warm was told, whatever dies, on both catalogs (ARGS="--seed 7 --catalog both")
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv/bin/python -m pytest -m long shared/tests/cold services/offload
	@.venv/bin/python -m tests.cold.run --state $(STATE)/cold $(ARGS)

.venv-spark/.ready: .venv/.dev deploy/spark/requirements.lock deploy/spark/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || { \
		echo "k2: Spark 3.5 was tried on Python 3.11 to 3.13: make test-spark PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -m venv .venv-spark
	$(STEP) "installing Spark (once, 317 MB)" .venv/bin/uv pip install --compile-bytecode --python .venv-spark/bin/python \
		--constraint deploy/spark/requirements.lock --build-constraint requirements.lock $(SPARK_MEMBERS) || { \
		echo "k2: could not install Spark: check the network and the disk, then run make again" >&2; exit 2; }
	@touch $@

test-maintenance: .venv-spark/.ready ## no append fails and no row is lost or doubled because of the maintenance, on both catalogs (ARGS="--seed 7 --catalog both")
	@SPARK_PYTHON=$(CURDIR)/.venv-spark/bin/python .venv/bin/python -m tests.maintenance.run --state $(STATE)/maintenance $(ARGS)

test-restores: .venv/.dev ## broker, PostgreSQL, ClickHouse and bucket backed up, lost and restored as deploy/README.md says (ARGS="--only broker")
	@.venv/bin/python -m tests.restores.run --state $(STATE)/restores $(ARGS)

test-compose: .venv/.dev ## the compose file with real containers, each killed and replaced under load (ARGS="--minutes 12")
	@.venv/bin/python -m tests.compose.run --state $(STATE)/compose $(ARGS)

spark: .venv-spark/.ready ## install Spark (once, 317 MB): SPARK_PYTHON=.venv-spark/bin/python is its environment

test-spark: .venv-spark/.ready ## Spark reads every table of the lake to the last digit, and what is true of its cluster
	@.venv/bin/k2 stack exec --state $(STATE)/test -- .venv-spark/bin/python -m pytest deploy/spark/tests $(ARGS)

gate: .venv-spark/.ready ## Spark's own candles of recordings and 5 million trades equal ClickHouse's; an altered one is named (ARGS="--trades 200000")
	@SPARK_PYTHON=$(CURDIR)/.venv-spark/bin/python .venv/bin/k2 stack exec --state $(STATE)/gate -- .venv/bin/python -m tests.gate.run $(ARGS)

.venv-bench/.ready: .venv/.dev tests/bench/requirements.lock
	@$(PYTHON) -m venv .venv-bench
	@.venv/bin/uv pip install --quiet --python .venv-bench/bin/python --constraint tests/bench/requirements.lock \
		--build-constraint requirements.lock quixstreams --editable ./shared --editable ./services/silver
	@touch $@

bench-core: .venv-bench/.ready ## messages per CPU second of silver, gold, Faust and quixstreams, in one run; ours in 256 MB
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.core $(ARGS)

bench-feeds: .venv/.dev ## trades per CPU second from the socket to acknowledged Kafka, and a plain client's
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.feeds $(ARGS)

bench-latency: .venv/.dev ## from the receipt of a frame to readable gold at 10k messages a second (ARGS="--rate …")
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.latency $(ARGS)

bench-state: .venv/.dev ## gold with 100 million remembered trades: bytes, checkpoints, and recovery after kill -9
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.state $(ARGS)

bench-cli: .venv/.dev ## CPU time of the command line's version, help and completion (ARGS="--runs 20")
	@.venv/bin/python -m tests.bench.cli $(ARGS)

bench-gaps: .venv/.dev ## a feed with up to 100,000 open gaps, by operation, and the memory of 1,000 symbols
	@.venv/bin/python -m tests.bench.gaps $(ARGS)

bench-fold: .venv/.dev ## trades per CPU second of the fold into candles, beside a plain pass over the same columns
	@.venv/bin/python -m tests.bench.fold $(ARGS)

bench-commits: .venv/.dev ## what a transaction's cycle takes, alone and beside others
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.commits $(ARGS)

bench-sink-commits: .venv/.dev ## a commit of the Iceberg sink after 20,000 others, its memory at a lag, its CPU when idle
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.sink_commits $(ARGS)

bench-sink-rows: .venv/.dev ## rows per CPU second of the Iceberg sink, by column and as it made them before, in one run
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.sink_rows $(ARGS)

bench-lake: .venv/.dev ## rows a second into bronze and gold beside a plain append, freshness at 10k/s for 10 minutes, an hour read (ARGS="--minutes 1")
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.lake $(ARGS)

bench-clickhouse: .venv/.dev ## embedded ClickHouse: point reads beside a heavy query, rows a second, memory, idle CPU
	@.venv/bin/python -m tests.bench.clickhouse $(ARGS)

bench-warm: .venv/.dev ## rows per CPU second into gold_trades, how soon they are found, the last 100 of 20 million (ARGS="--rows …")
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.warm $(ARGS)

bench-candles: .venv/.dev ## rows per CPU second with candles at 4, 50 and 200 symbols; 1,440 candles of 20 million trades; a start
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.candles $(ARGS)

bench-cold: .venv/.dev ## the offload's rows per CPU second and memory, nine layers compared, queries of cold alone (ARGS="--rows 200000")
	@.venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.cold $(ARGS)

bench-maintenance: .venv-spark/.ready ## gold of 5,000 small files before and after, while a sink appends every second (ARGS="--files 500")
	@SPARK_PYTHON=$(CURDIR)/.venv-spark/bin/python .venv/bin/k2 stack exec --state $(STATE)/bench -- .venv/bin/python -m tests.bench.maintenance $(ARGS)

bench-resources: .venv/.dev ## CPUs and memory of the whole system, each beside its target, and whether the rate is held (ARGS="--rates 1000,10000 --minutes 10")
	@.venv/bin/python -m tests.bench.resources --state $(STATE)/resources $(ARGS)

format: .venv/.dev ## rewrite the code in the house format
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

lock: .venv/bin/uv ## pin every dependency again, with hashes
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--all-extras --group dev --no-emit-package k2-shared --no-emit-package k2-support --no-emit-package k2-local --no-emit-package k2-grafana \
		deploy/grafana/pyproject.toml $(MEMBERS:%=%/pyproject.toml) pyproject.toml --output-file requirements.lock
	@echo 'quixstreams' | .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.11 --no-emit-package k2-shared shared/pyproject.toml services/silver/pyproject.toml - \
		--output-file tests/bench/requirements.lock
	@.venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11 \
		--extra arrow --extra lake --extra testing --extra warm --constraint requirements.lock --no-emit-package k2-shared \
		--no-emit-package k2-support --no-emit-package k2-local shared/pyproject.toml shared/support/pyproject.toml \
		deploy/local/pyproject.toml services/iceberg_sink/pyproject.toml deploy/spark/pyproject.toml \
		--output-file deploy/spark/requirements.lock
	@echo 'uv' | .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
		--python-version 3.11 - --output-file deploy/local/uv.lock

clean: ## remove the environments; recorded state stays
	rm -rf .venv .venv-*
