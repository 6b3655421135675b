/*
 * The entities of HTML: those that mail has.
 */
#define _XOPEN_SOURCE 700

#include <ctype.h>
#include <string.h>

#include "mime.h"

enum {
	ENTITY = 10		/* octets of a name, at most */
};

/* From 160 on, as ISO-8859-1 has them. */
static const char latin1[] = "nbsp iexcl cent pound curren yen brvbar sect uml "
    "copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para "
    "middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute "
    "Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave "
    "Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash "
    "Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde "
    "auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml "
    "eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute "
    "ucirc uuml yacute thorn yuml";

static const struct {
	const char *name;
	unsigned short c;
} entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' },
    { "quot", '"' }, { "apos", '\'' }, { "euro", 0x20ac },
    { "ndash", 0x2013 }, { "mdash", 0x2014 }, { "lsquo", 0x2018 },
    { "rsquo", 0x2019 }, { "sbquo", 0x201a }, { "ldquo", 0x201c },
    { "rdquo", 0x201d }, { "bdquo", 0x201e }, { "lsaquo", 0x2039 },
    { "rsaquo", 0x203a }, { "hellip", 0x2026 }, { "bull", 0x2022 },
    { "dagger", 0x2020 }, { "permil", 0x2030 }, { "trade", 0x2122 },
    { "larr", 0x2190 }, { "uarr", 0x2191 }, { "rarr", 0x2192 },
    { "darr", 0x2193 }, { "minus", 0x2212 }, { "ne", 0x2260 },
    { "le", 0x2264 }, { "ge", 0x2265 }, { "check", 0x2713 },
    { "OElig", 0x152 }, { "oelig", 0x153 }, { "Scaron", 0x160 },
    { "scaron", 0x161 }, { "ensp", ' ' }, { "emsp", ' ' },
    { "thinsp", ' ' }, { "zwnj", 0x200c }, { "zwj", 0x200d } };

static unsigned long
named_entity(const char *name, size_t n)
{
	const char *s;
	unsigned long c;
	size_t i, k;

	for (i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
		if (strncmp(entities[i].name, name, n) == 0 &&
		    entities[i].name[n] == '\0')
			return entities[i].c;
	for (s = latin1, c = 160; *s != '\0'; s += k + (s[k] == ' '), c++) {
		k = strcspn(s, " ");
		if (k == n && memcmp(s, name, n) == 0)
			return c;
	}
	return 0;
}

size_t
html_entity(const char *s, size_t n, struct text *out)
{
	unsigned long c;
	size_t i;
	bool hex;
	char o;

	c = 0;
	if (n > 2 && s[1] == '#') {
		hex = s[2] == 'x' || s[2] == 'X';
		for (i = hex ? 3 : 2; i < n && (hex ? hex_digit(s[i]) != -1 :
		    isdigit((unsigned char)s[i])); i++)
			if (c <= 0x10ffff)
				c = c * (hex ? 16 : 10) +
				    (unsigned long)hex_digit(s[i]);
		if (i == (hex ? 3 : 2))
			return 0;
		i += i < n && s[i] == ';';
	} else {
		for (i = 1; i < n && i <= ENTITY && isalnum((unsigned char)
		    s[i]); i++)
			;
		if (i == n || s[i] != ';' ||
		    (c = named_entity(s + 1, i - 1)) == 0)
			return 0;
		i++;
	}
	if (c >= 0x80 && c < 0xa0) {	/* numbers of windows-1252 */
		o = (char)c;
		charset_decode("windows-1252", &o, 1, out);
	} else
		utf8_add(out, c == 0 || c > 0x10ffff ||
		    (c >= 0xd800 && c < 0xe000) ? 0xfffd : c);
	return i;
}
