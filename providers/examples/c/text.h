// Texts as the bindings have them: bytes and their number, without a zero at the end.
//
// Each call of a provider runs in an instance of its own, so nothing here is ever freed: the memory goes with the instance. What the
// host gets is allocated all the same, since the bindings free it.

#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "integration_provider.h"

typedef integration_provider_string_t string;

// A literal's text.
#define TEXT(literal) ((string){ (uint8_t *)(literal), sizeof(literal) - 1 })

bool text_is(string text, string other);

// Appends to a text.
void text_add(string *text, string more);

// Appends what may be no UTF-8, at most so many characters of it: what is none becomes U+FFFD. The contract wants UTF-8 everywhere.
void text_add_bytes(string *text, const uint8_t *bytes, size_t length, size_t characters);

// Appends a code point in UTF-8.
void text_add_character(string *text, uint32_t character);

// Appends a decimal number.
void text_add_number(string *text, unsigned number);

// Puts texts one behind the other: text_of(3, a, b, c).
string text_of(int count, ...);

bool text_is_utf8(string text);
