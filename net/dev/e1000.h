/* Intel 8254x family (e1000): register numbers and descriptor layouts shared with the unit test's
 * model of the card. PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual
 * (317453), section 13 (registers), 3.2 and 3.3 (descriptors).
 */
#pragma once

#include <stdint.h>

enum e1000_register {
	E1000_CTRL = 0x0000,
	E1000_STATUS = 0x0008,
	E1000_EERD = 0x0014,
	E1000_FCAL = 0x0028,
	E1000_FCAH = 0x002c,
	E1000_FCT = 0x0030,
	E1000_ICR = 0x00c0,
	E1000_ICS = 0x00c8,
	E1000_IMS = 0x00d0,
	E1000_IMC = 0x00d8,
	E1000_RCTL = 0x0100,
	E1000_FCTTV = 0x0170,
	E1000_TCTL = 0x0400,
	E1000_TIPG = 0x0410,
	E1000_RDBAL = 0x2800,
	E1000_RDBAH = 0x2804,
	E1000_RDLEN = 0x2808,
	E1000_RDH = 0x2810,
	E1000_RDT = 0x2818,
	E1000_RDTR = 0x2820,
	E1000_RADV = 0x282c,
	E1000_TDBAL = 0x3800,
	E1000_TDBAH = 0x3804,
	E1000_TDLEN = 0x3808,
	E1000_TDH = 0x3810,
	E1000_TDT = 0x3818,
	E1000_TIDV = 0x3820,
	E1000_RXCSUM = 0x5000,
	E1000_MTA = 0x5200, /* 128 words */
	E1000_RAL = 0x5400, /* 16 pairs of RAL, RAH */
	E1000_RAH = 0x5404,
};

#define E1000_BAR_SIZE 0x20000 /* memory BAR 0 */

#define E1000_CTRL_LRST	  (1u << 3)
#define E1000_CTRL_ASDE	  (1u << 5)
#define E1000_CTRL_SLU	  (1u << 6)
#define E1000_CTRL_ILOS	  (1u << 7)
#define E1000_CTRL_FRCSPD (1u << 11)
#define E1000_CTRL_FRCDPX (1u << 12)
#define E1000_CTRL_RST	  (1u << 26)
#define E1000_CTRL_VME	  (1u << 30)
#define E1000_CTRL_PHYRST (1u << 31)

#define E1000_STATUS_LU (1u << 1)

#define E1000_RCTL_EN	 (1u << 1)
#define E1000_RCTL_MPE	 (1u << 4)
#define E1000_RCTL_BAM	 (1u << 15)
#define E1000_RCTL_SECRC (1u << 26)

#define E1000_TCTL_EN	   (1u << 1)
#define E1000_TCTL_PSP	   (1u << 3)
#define E1000_TCTL_CT(n)   ((uint32_t)(n) << 4)
#define E1000_TCTL_COLD(n) ((uint32_t)(n) << 12)

#define E1000_INT_LSC	 (1u << 2)
#define E1000_INT_RXDMT0 (1u << 4)
#define E1000_INT_RXO	 (1u << 6)
#define E1000_INT_RXT0	 (1u << 7)
#define E1000_INT_MDAC	 (1u << 9)

#define E1000_RAH_AV (1u << 31)

/* 3.2.3 */
struct e1000_rx_desc {
	uint64_t addr;
	uint16_t length;
	uint16_t checksum;
	uint8_t status;
	uint8_t errors;
	uint16_t special;
};

#define E1000_RXD_DD  0x01u
#define E1000_RXD_EOP 0x02u

/* 3.3.3, legacy format */
struct e1000_tx_desc {
	uint64_t addr;
	uint16_t length;
	uint8_t cso;
	uint8_t cmd;
	uint8_t status;
	uint8_t css;
	uint16_t special;
};

#define E1000_TXD_EOP  0x01u
#define E1000_TXD_IFCS 0x02u
#define E1000_TXD_RS   0x08u
#define E1000_TXD_DD   0x01u

#define E1000_RX_RING 256 /* 16-byte descriptors: one page each at most */
#define E1000_TX_RING 128
