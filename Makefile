# Thin doors to CMake and the scripts in tools/. `make help` lists them.
.PHONY: all demo test bench explore faults differential mutants torture crash simulate doubt proof interop install tidy format fuzz-smoke clean help

all:        ## Build the release (the default)
	@tools/setup build && cmake --preset release --log-level=WARNING && cmake --build --preset release
demo:       ## A real Sync Gateway bucket moves under clients, and is verified
	@$(MAKE) --no-print-directory all && tools/demo
test:       ## Everything, in four builds; the last line counts
	@tools/setup test && tools/run-tests
bench: all  ## Ratios against raw SQLite and the like, as a table
	@cmake --build --preset release --target segue-bench && build/release/segue-bench
explore: ## Every schedule of every small scene, then inside of the gate; 3.5 hours on one core, PART=K/N for a share
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-explore && \
		build/release/tests/segue-explore $(if $(PART),--part $(PART)) && \
		build/release/tests/segue-explore --short --detail --most 20000 $(if $(PART),--part $(PART))
mutants: ## Would the tests notice? Small mutations of all that was changed since they were asked; ONLY=src/dual, PART=K/N, JOBS=n, resumed
	@tools/setup mutants && nice tools/mutate --keep $(if $(ONLY),--only $(ONLY)) $(if $(PART),--part $(PART)) $(if $(JOBS),--jobs $(JOBS))
# Chance is its own share: each part plays so much less, half of it from seeds that nobody has seen.
differential: ## A million random operations on mem against a plain model, and on each other store against mem; 15 minutes; OPERATIONS=n, SEED=n, PART=K/N
	@tools/setup test && cmake --preset release --log-level=WARNING && \
		cmake --build --preset release --target test_model --target test_differential && \
		export SEGUE_OPERATIONS=$$(( $(or $(OPERATIONS),1000000) / $(or $(lastword $(subst /, ,$(PART))),1) )) \
			$(if $(SEED),SEGUE_SEED=$(SEED)) && \
		echo "# $$SEGUE_OPERATIONS operations on each store: a million take about 15 minutes" && \
		build/release/tests/test_model && build/release/tests/test_differential
torture: ## Threads, and processes that are killed, judged by their histories; MINUTES=n (2), and some more for the rules; SEED=n, PART=K/N
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-torture && \
		echo "# $(or $(MINUTES),2) minutes of rounds; then the rules, most in seconds, half an hour at most" && \
		build/release/tests/segue-torture all --seconds $$(( $(or $(MINUTES),2) * 60 )) --seed $(or $(SEED),1) $(if $(PART),--part $(PART)) && \
		build/release/tests/segue-torture more-teeth --seconds 120 --seed $(or $(SEED),1) $(if $(PART),--part $(PART))
crash: ## A process dies at every hit of every crash point of a migration, the power goes at every moment; 20 minutes; PART=K/N
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-crash && \
		build/release/tests/segue-crash --all $(if $(PART),--part $(PART)) && \
		build/release/tests/segue-crash --teeth $(if $(PART),--part $(PART)) && \
		build/release/tests/segue-crash --power --all $(if $(PART),--part $(PART))
simulate: ## Whole migrations in virtual time, from one seed each; SEED=n, HOURS=h of real time (0.02), PART=K/N
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-simulate && \
		build/release/tests/segue-simulate --seed $(or $(SEED),1) --hours $(or $(HOURS),0.02) $(if $(PART),--part $(PART))
faults: ## Every call with each allocation, call of the disk, of the system and of a store failing under it; some hours, half of them SQLite's allocations; PART=K/N
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-faults && \
		build/release/tests/segue-faults $(if $(PART),--part $(PART))
doubt: ## Switch a rule of the proof off and watch what misses it: RULE=NAME; without it, the list of rules
	@$(if $(RULE),tools/setup test && program=$$(tools/doubt --program $(RULE)) && cmake --preset release --log-level=WARNING && \
		cmake --build --preset release --target $$program && tools/doubt $(RULE),tools/doubt --list)
proof:      ## The figures of docs/proof.md, made again; 4.5 hours; PART=part..., HOURS=h for the simulation, RESUME=1 to leave out what is done
	@tools/setup proof && HOURS=$(or $(HOURS),0.083) tools/proof $(if $(RESUME),--resume) $(PART)
interop: all ## Open with the original's Go module what Segue wrote, and the other way round
	@ctest --test-dir build/release -L interop -V
install: all ## Install into /usr/local, or PREFIX=/elsewhere
	@cmake --install build/release $(if $(PREFIX),--prefix $(PREFIX)) && if [ "$$(id -u)" = 0 ]; then ldconfig; fi
tidy:       ## clang-tidy over all sources
	@tools/setup test && tools/tidy
format:     ## clang-format over all sources
	@tools/setup test && tools/format
fuzz-smoke: ## SECONDS=n (30) of fuzzing, after the build
	@tools/setup test && tools/fuzz-smoke $(or $(SECONDS),30)
clean:      ## Remove everything that was built
	@rm -rf build
help:       ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
