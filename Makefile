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
explore: ## Every schedule of every small scene; PART=K/N for a share
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-explore && \
		build/release/tests/segue-explore $(if $(PART),--part $(PART))
mutants: ## Would the tests notice? Small mutations of all that was changed since they were asked; ONLY=src/dual, PART=K/N, JOBS=n, resumed
	@tools/setup mutants && nice tools/mutate --keep $(if $(ONLY),--only $(ONLY)) $(if $(PART),--part $(PART)) $(if $(JOBS),--jobs $(JOBS))
differential: ## A million random operations on mem against a plain model, and on each other store against mem; OPERATIONS=n, SEED=n
	@tools/setup test && cmake --preset release --log-level=WARNING && \
		cmake --build --preset release --target test_model --target test_differential && \
		echo "a million operations on each store take about 15 minutes" && \
		export SEGUE_OPERATIONS=$(or $(OPERATIONS),1000000) $(if $(SEED),SEGUE_SEED=$(SEED)) && \
		build/release/tests/test_model && build/release/tests/test_differential
torture: ## Threads, and processes that are killed, judged by their histories; MINUTES=n (2)
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-torture && \
		echo "this takes about $(or $(MINUTES),2) minutes, and up to 5 more for the rules" && \
		build/release/tests/segue-torture all --seconds $$(( $(or $(MINUTES),2) * 60 )) && \
		build/release/tests/segue-torture more-teeth --seconds 60
crash: ## A process dies at every hit of every crash point of a migration, the power goes at every moment; 10 minutes
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-crash && \
		echo "this takes about 10 minutes" && build/release/tests/segue-crash --all && \
		build/release/tests/segue-crash --teeth && build/release/tests/segue-crash --power --all
simulate: ## Whole migrations in virtual time, from one seed each; SEED=n, HOURS=h of real time (0.02), PART=K/N
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-simulate && \
		echo "this takes $(or $(HOURS),0.02) hours" && build/release/tests/segue-simulate --seed $(or $(SEED),1) \
		--hours $(or $(HOURS),0.02) $(if $(PART),--part $(PART))
faults: ## Every call with each allocation, call of the disk and of a store failing under it; hours; PART=K/N
	@tools/setup test && cmake --preset release --log-level=WARNING && cmake --build --preset release --target segue-faults && \
		echo "this takes hours on one core; PART=K/N plays a share" && build/release/tests/segue-faults $(if $(PART),--part $(PART))
doubt: ## Switch a rule of the proof off and watch what misses it: RULE=NAME; without it, the list of rules
	@$(if $(RULE),tools/setup test && program=$$(tools/doubt --program $(RULE)) && cmake --preset release --log-level=WARNING && \
		cmake --build --preset release --target $$program && tools/doubt $(RULE),tools/doubt --list)
proof:      ## The figures of docs/proof.md, made again; tools/proof --list says what and how long
	@tools/setup proof && tools/proof
interop: all ## Open with the original's Go module what Segue wrote, and the other way round
	@ctest --test-dir build/release -L interop -V
install: all ## Install into /usr/local, or PREFIX=/elsewhere
	@cmake --install build/release $(if $(PREFIX),--prefix $(PREFIX)) && if [ "$$(id -u)" = 0 ]; then ldconfig; fi
tidy:       ## clang-tidy over all sources
	@tools/setup test && tools/tidy
format:     ## clang-format over all sources
	@tools/setup test && tools/format
fuzz-smoke: ## Half a minute of fuzzing
	@tools/setup test && tools/fuzz-smoke 30
clean:      ## Remove everything that was built
	@rm -rf build
help:       ## This list
	@sed -n 's/^\([a-z-]*\):[^#]*## /\1\t/p' Makefile | expand -t 14
