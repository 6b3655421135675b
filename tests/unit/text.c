/* Numbers from outside: digits alone, and never above the bound. */
#include "lib/lib.h"
#include "tap.h"

static const struct {
	const char *text;
	uint64_t max;
	bool good;
	uint64_t value;
} numbers[] = {
	{ "0", 0, true, 0 },
	{ "1", 0, false, 0 },
	{ "3", 3, true, 3 },
	{ "4", 3, false, 0 },
	{ "9", 3, false, 0 },
	{ "03", 3, true, 3 },
	{ "10", 9, false, 0 },
	{ "65535", 65535, true, 65535 },
	{ "65536", 65535, false, 0 },
	{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
	{ "18446744073709551616", UINT64_MAX, false, 0 },
	{ "99999999999999999999", UINT64_MAX, false, 0 },
	{ "", 9, false, 0 },
	{ "-1", 9, false, 0 },
	{ "+1", 9, false, 0 },
	{ " 1", 9, false, 0 },
	{ "1 ", 9, false, 0 },
	{ "0x1", 99, false, 0 }
};

int
main(void)
{
	uint64_t value;
	size_t i;
	bool good;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		value = 0;
		good = text_number(text_of(numbers[i].text), numbers[i].max,
		    &value);
		ok(good == numbers[i].good && value == numbers[i].value,
		    "\"%s\" up to %llu", numbers[i].text,
		    (unsigned long long)numbers[i].max);
	}
	return tap_end();
}
