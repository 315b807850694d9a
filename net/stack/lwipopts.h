/* lwIP's options for Vigil. What is not named here has lwIP's default (lwip/opt.h).
 *
 * lwIP serves Vigil's own address only; forwarding between guest and wire is ours (forward.c) and
 * needs no more of it than pbufs and netifs. So everything that listens to strangers is off until a
 * part of Vigil needs it: no TCP, no IPv6, no reassembly (a fragmented ping is not answered).
 */
#pragma once

/* One thread, no operating system: the sentry's main loop. */
#define NO_SYS		     1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN	     0
#define LWIP_SOCKET	     0
#define LWIP_TIMERS	     1

/* Memory: fixed pools in .bss, so that a flood can exhaust nothing but lwIP itself. */
#define MEM_ALIGNMENT	    8
#define MEM_SIZE	    (32 * 1024) /* outgoing frames; DHCP's message is the largest user */
#define MEMP_NUM_PBUF	    16
#define PBUF_POOL_SIZE	    32	 /* received frames for Vigil's own address */
#define PBUF_POOL_BUFSIZE   1536 /* a whole frame in one pbuf */
#define MEMP_NUM_UDP_PCB    4
#define MEMP_NUM_ARP_QUEUE  8
#define MEMP_OVERFLOW_CHECK 0
#define MEM_OVERFLOW_CHECK  0

/* Layer 2. Padding stays 0: frames are sent as they lie. */
#define ETH_PAD_SIZE		      0
#define PBUF_LINK_HLEN		      14
#define ARP_TABLE_SIZE		      16
#define ARP_QUEUEING		      0 /* one waiting packet per address is enough */
#define ETHARP_SUPPORT_VLAN	      0
#define ETHARP_TRUST_IP_MAC	      0 /* a packet does not change the ARP table */
#define ETHARP_SUPPORT_STATIC_ENTRIES 0

/* Layer 3 and above. */
#define LWIP_IPV4		   1
#define LWIP_IPV6		   0
#define IP_FORWARD		   0
#define IP_REASSEMBLY		   0
#define IP_FRAG			   0
#define IP_OPTIONS_ALLOWED	   0
#define LWIP_ICMP		   1
#define LWIP_BROADCAST_PING	   0
#define LWIP_MULTICAST_PING	   0
#define LWIP_RAW		   0
#define LWIP_UDP		   1 /* DHCP */
#define LWIP_TCP		   0
#define LWIP_DNS		   0
#define LWIP_IGMP		   0
#define LWIP_AUTOIP		   0
#define LWIP_DHCP		   1
#define DHCP_DOES_ARP_CHECK	   1
#define LWIP_NETIF_HOSTNAME	   1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK   0
#define LWIP_SINGLE_NETIF	   0
#define LWIP_SUPPORT_CUSTOM_PBUF   1 /* a frame is inspected where the core put it */

/* Checksums are always verified and always generated: the wire is not trusted. */
#define LWIP_CHECKSUM_CTRL_PER_NETIF 0

#define LWIP_STATS 0
#define LWIP_DEBUG 0
