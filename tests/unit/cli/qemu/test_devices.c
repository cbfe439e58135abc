/* SPDX-License-Identifier: BSD-3-Clause */
/* Trees of devices, written down and compared. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/qemu/devices.h"
#include "cli/qemu/tree.h"
#include "util/compiler.h"

#define HEAD                                \
	"qemu 7.2.22\nmachine pc-q35-7.2\n" \
	"cpus 2 qemu64-x86_64-cpu\ncpuid 1.EDX=ff\n"
#define CARD "device /System/PCIE/virtio-net-pci@02.0 id=n vectors=4\n"
#define NET                                                       \
	"device /System/PCIE/virtio-net-pci@02.0/virtio-pci-bus/" \
	"virtio-net-device id= mac=52:54:00:12:34:56\n"

static char *write_tree(const char *tree, int wanted)
{
	char *copy = strdup(tree), *text = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&text, &bytes);

	assert_non_null(copy);
	assert_non_null(out);
	assert_int_equal(rj_qemu_tree_write(copy, out), wanted);
	assert_int_equal(fclose(out), 0);
	free(copy);
	return text;
}

/* Host's things are left out, names of buses as well. */
static void tree_becomes_lines(void **state RJ_UNUSED)
{
	char *text = write_tree(
		"bus: main-system-bus\r\n"
		"  type System\r\n"
		"  dev: q35-pcihost, id \"\"\r\n"
		"    MCFG = -1 (0xffffffffffffffff)\r\n"
		"    bus: pcie.0\r\n"
		"      type PCIE\r\n"
		"      dev: virtio-net-pci, id \"my card\"\r\n"
		"        vectors = 4 (0x4)\r\n"
		"        addr = 02.0\r\n"
		"        romfile = \"efi-virtio.rom\"\r\n"
		"        class Ethernet controller, addr 00:02.0, pci id "
		"1af4:1000 (sub 1af4:0001)\r\n"
		"        bar 0: i/o at 0xffffffffffffffff [0x1e]\r\n"
		"        bus: virtio-bus\r\n"
		"          type virtio-pci-bus\r\n"
		"          dev: virtio-net-device, id \"\"\r\n"
		"            mac = \"52:54:00:12:34:56\"\r\n"
		"            netdev = \"u\"\r\n"
		"  dev: kvmvapic, id \"\"\r\n\r\n",
		0);

	assert_string_equal(
		text,
		"device /System/q35-pcihost id=\n"
		"device /System/q35-pcihost/PCIE/virtio-net-pci@02.0 "
		"id=my_card vectors=4 pci=1af4:1000\n"
		"device /System/q35-pcihost/PCIE/virtio-net-pci@02.0/"
		"virtio-pci-bus/virtio-net-device id= mac=52:54:00:12:34:56\n"
		"device /System/kvmvapic id=\n");
	free(text);
}

static void other_texts_are_no_tree(void **state RJ_UNUSED)
{
	static const char *const texts[] = {
		"",
		"unknown command: 'info qtree'",
		"bus: x",
		"bus: x\n dev: y, id \"\"",
		"bus: x\n  type X\n  what: y",
		"dev: x, id \"\"",
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(texts); i++)
		free(write_tree(texts[i], -EPROTO));
}

static void endless_trees_are_refused(void **state RJ_UNUSED)
{
	char *tree = NULL;
	size_t bytes = 0;
	FILE *out = open_memstream(&tree, &bytes);

	assert_non_null(out);
	for (int i = 0; i < 200; i++)
		(void)fprintf(out, "%*sbus: b\n%*stype T\n%*sdev: d, id \"\"\n",
			      4 * i, "", 4 * i + 2, "", 4 * i + 2, "");
	assert_int_equal(fclose(out), 0);
	free(write_tree(tree, -EPROTO));
	free(tree);
}

static void expect(const char *source, const char *target, int wanted,
		   const char *words)
{
	struct ramjet_error err = { 0 };
	int rc = rj_qemu_devices_compare(source, target, &err);

	if (rc != wanted || (wanted && !strstr(err.message, words)))
		fail_msg("%d '%s', wanted '%s'", rc, err.message, words);
}

static void equal_ones_are_equal(void **state RJ_UNUSED)
{
	expect(HEAD CARD NET, HEAD CARD NET, 0, "");
	/* In another order, with another id, of another micro version. */
	expect(HEAD CARD NET,
	       "qemu 7.2.1\nmachine pc-q35-7.2\n"
	       "cpus 2 qemu64-x86_64-cpu\ncpuid 1.EDX=ff\n" NET
	       "device /System/PCIE/virtio-net-pci@02.0 id=m vectors=4\n",
	       0, "");
	/* A later QEMU knows more of a device. */
	expect(HEAD CARD,
	       "qemu 10.0.2\nmachine pc-q35-7.2\n"
	       "cpus 2 qemu64-x86_64-cpu\ncpuid 1.EDX=ff\n"
	       "device /System/PCIE/virtio-net-pci@02.0 id= vectors=4 x=1\n",
	       0, "");
}

static void differences_are_named(void **state RJ_UNUSED)
{
	expect(HEAD, HEAD CARD, -EINVAL,
	       "only the target has /System/PCIE/virtio-net-pci@02.0 (id n)");
	expect(HEAD CARD CARD, HEAD CARD, -EINVAL, "only the source has");
	expect(HEAD CARD,
	       HEAD "device /System/PCIE/virtio-net-pci@02.0 id=n vectors=3\n",
	       -EINVAL, "vectors=4 at the source, 3 at the target");
	expect(HEAD,
	       "qemu 7.2.22\nmachine pc-i440fx-7.2\n"
	       "cpus 2 qemu64-x86_64-cpu\ncpuid 1.EDX=ff\n",
	       -EINVAL, "machine type is pc-q35-7.2 at the source");
	expect(HEAD,
	       "qemu 7.2.22\nmachine pc-q35-7.2\n"
	       "cpus 1 qemu64-x86_64-cpu\ncpuid 1.EDX=ff\n",
	       -EINVAL, "'1 qemu64-x86_64-cpu' at the target");
	expect(HEAD,
	       "qemu 7.2.22\nmachine pc-q35-7.2\n"
	       "cpus 2 qemu64-x86_64-cpu\ncpuid 1.EDX=fe 7.0.EBX=1\n",
	       -EINVAL, "CPUID has 1.EDX=ff at the source, fe at the target");
	expect(HEAD,
	       "qemu 7.2.22\nmachine pc-q35-7.2\n"
	       "cpus 2 qemu64-x86_64-cpu\ncpuid 1.EDX=ff 7.0.EBX=1\n",
	       -EINVAL,
	       "only the target's CPUs have features in CPUID 7.0.EBX");
	expect("qemu 7.2.22\nmachine microvm\ncpus 1 c\ncpuid\n",
	       "qemu 10.0.2\nmachine microvm\ncpus 1 c\ncpuid\n", -EINVAL,
	       "microvm is another one");
}

static void many_differences_are_counted(void **state RJ_UNUSED)
{
	expect(HEAD,
	       HEAD "device /a id=\ndevice /b id=\ndevice /c id=\n"
		    "device /d id=\ndevice /e id=\ndevice /f id=\n",
	       -EINVAL, "and 2 more");
}

/* It comes from another machine. */
static void texts_from_outside_are_checked(void **state RJ_UNUSED)
{
	static const char *const texts[] = {
		"",
		"\n",
		"device /a id=",
		"qemu 7\nmachine m\ncpus 1 c\n",
		HEAD "what /a",
		HEAD "device /\x1b[2J id=\n",
	};
	char *large = malloc(RJ_QEMU_DEVICES_BYTES_MAX + 2);

	for (size_t i = 0; i < RJ_ARRAY_SIZE(texts); i++)
		expect(texts[i], HEAD, -EPROTO, "the source's devices");
	assert_non_null(large);
	memset(large, '\n', RJ_QEMU_DEVICES_BYTES_MAX + 1);
	large[RJ_QEMU_DEVICES_BYTES_MAX + 1] = '\0';
	expect(HEAD, large, -EPROTO, "the target's devices");
	free(large);
	/* Odd ones are compared all the same. */
	expect("qemu 7\nmachine -\ncpus \ncpuid  =\ndevice \ndevice  = =\n",
	       "qemu \nmachine -\ncpus \ncpuid  \ndevice \n", -EINVAL,
	       "differ");
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(tree_becomes_lines),
	cmocka_unit_test(other_texts_are_no_tree),
	cmocka_unit_test(endless_trees_are_refused),
	cmocka_unit_test(equal_ones_are_equal),
	cmocka_unit_test(differences_are_named),
	cmocka_unit_test(many_differences_are_counted),
	cmocka_unit_test(texts_from_outside_are_checked),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
