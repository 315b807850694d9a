# The lab: what the build fetches, `make deps`, `make run`.

.PHONY: deps deps-build deps-all run
# What a plain `make` needs; silent when all is there.
deps-build:
	@tools/deps build
	@tools/deps fetch lwip newlib > /dev/null

deps: deps-build
	@tools/deps lab test
	@tools/lab deps
