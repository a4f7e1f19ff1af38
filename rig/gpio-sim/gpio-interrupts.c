// SPDX-License-Identifier: GPL-2.0
/*
 * Gives the GPIO simulator the interrupts that tell of edges. User Mode Linux has 64 numbers for
 * interrupts, takes all of them at its start, and uses some twenty: the last are given back.
 */
#include <linux/irq.h>
#include <linux/module.h>

#define GIVEN_BACK 16

static int __init give_back(void)
{
	irq_free_descs(NR_IRQS - GIVEN_BACK, GIVEN_BACK);
	return 0;
}

module_init(give_back);
MODULE_LICENSE("GPL");
