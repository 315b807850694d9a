# The network half in the core: NIC driver, virtual virtio-net, PCI interception. (net/stack has its own.)
NET_DEV := net/dev/virtqueue.c net/dev/virtio_net.c net/dev/pci_config.c net/dev/pci.c net/dev/e1000.c \
	net/dev/intr.c net/dev/path.c net/dev/device.c
CORE_SRC += $(NET_DEV) net/dev/net.c

# Unit tests: against a mock machine, a model of the 82540EM, and a guest driver with Linux' rules.
NETDEV_MOCK := tests/unit/netdev_machine.c tests/unit/netdev_memory.c
UNIT_TESTS += test_virtqueue test_virtio_net test_pci test_e1000 test_intr
test_virtqueue_SRC := tests/unit/test_virtqueue.c tests/unit/netdev_memory.c net/dev/virtqueue.c
test_e1000_SRC := tests/unit/test_e1000.c $(NETDEV_MOCK) net/dev/e1000.c
test_virtio_net_SRC := tests/unit/test_virtio_net.c tests/unit/netdev_driver.c $(NETDEV_MOCK) $(NET_DEV)
test_intr_SRC := tests/unit/test_intr.c tests/unit/netdev_driver.c $(NETDEV_MOCK) $(NET_DEV)
test_pci_SRC := tests/unit/test_pci.c tests/unit/netdev_driver.c $(NETDEV_MOCK) $(NET_DEV)
test_pci_DEPS := net/dev/net.c

FUZZERS += fuzz_virtqueue
fuzz_virtqueue_SRC := tests/fuzz/fuzz_virtqueue.c net/dev/virtqueue.c
