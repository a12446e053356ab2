#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

bool text_is(string text, string other) {
    return text.len == other.len && memcmp(text.ptr, other.ptr, text.len) == 0;
}

void text_add(string *text, string more) {
    text->ptr = realloc(text->ptr, text->len + more.len + 1);
    if (text->ptr == NULL) abort();
    memcpy(text->ptr + text->len, more.ptr, more.len);
    text->len += more.len;
}

// The length of the character that these bytes begin with; 0 if they begin with none (RFC 3629, section 4).
static size_t character_length(const uint8_t *bytes, size_t left) {
    uint8_t first = bytes[0];
    size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
    if (length > left) return 0;
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    }
    bool overlong = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xf0 && bytes[1] < 0x90);
    bool surrogate = first == 0xed && bytes[1] >= 0xa0;
    bool beyond = first == 0xf4 && bytes[1] >= 0x90;
    return overlong || surrogate || beyond ? 0 : length;
}

void text_add_bytes(string *text, const uint8_t *bytes, size_t length, size_t characters) {
    for (size_t at = 0; at < length && characters > 0; characters--) {
        size_t next = character_length(bytes + at, length - at);
        text_add(text, next > 0 ? (string){ (uint8_t *)bytes + at, next } : TEXT("\xef\xbf\xbd"));
        at += next > 0 ? next : 1;
    }
}

bool text_is_utf8(string text) {
    for (size_t at = 0, next; at < text.len; at += next) {
        next = character_length(text.ptr + at, text.len - at);
        if (next == 0) return false;
    }
    return true;
}

void text_add_character(string *text, uint32_t character) {
    uint8_t bytes[4];
    size_t length = character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x10000 ? 3 : 4;
    static const uint8_t first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    for (size_t i = length - 1; i > 0; i--, character >>= 6) bytes[i] = 0x80 | (character & 0x3f);
    bytes[0] = first[length] | character;
    text_add(text, (string){ bytes, length });
}

void text_add_number(string *text, unsigned number) {
    if (number > 9) text_add_number(text, number / 10);
    text_add_character(text, '0' + number % 10);
}

string text_of(int count, ...) {
    string whole = { 0 };
    va_list texts;
    va_start(texts, count);
    while (count-- > 0) text_add(&whole, va_arg(texts, string));
    va_end(texts);
    return whole;
}
