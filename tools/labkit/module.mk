# The lab: what the build fetches, `make deps`, `make run`.

.PHONY: deps deps-build deps-all run
# What a plain `make` needs; silent when all is there.
deps-build:
	@tools/deps build
	@tools/deps fetch lwip newlib > /dev/null

deps: deps-build
	@tools/deps lab test
	@tools/lab deps

# The guest's program that tells the time stamp counter.
$(O)/lab/tsc: tools/labkit/guest/tsc.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 $(WARN) -O2 -static -nostdlib -ffreestanding -fno-pie -no-pie \
		-fno-stack-protector -fcf-protection=none -fno-ident -Wl,--build-id=none -Wl,-z,noexecstack \
		-mgeneral-regs-only -s $< -o $@
all: $(O)/lab/tsc
