# The network half in the core: NIC driver, virtual virtio-net, PCI interception. (net/stack has its own.)
NET_DEV := net/dev/virtqueue.c net/dev/virtio_net.c net/dev/pci_config.c net/dev/pci.c net/dev/e1000.c \
	net/dev/intr.c net/dev/path.c net/dev/device.c
CORE_SRC += $(NET_DEV) net/dev/net.c
