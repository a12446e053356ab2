#include "json.h"

#include <stdlib.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

static string token_text(string json, jsmntok_t token) {
    return (string){ json.ptr + token.start, token.end - token.start };
}

// The value of an object's member, and whether it is of this type.
static bool member(string json, string name, jsmntype_t type, string *value) {
    jsmn_parser parser;
    jsmn_init(&parser);
    int count = jsmn_parse(&parser, (char *)json.ptr, json.len, NULL, 0);
    if (count < 1) return false;
    jsmntok_t *tokens = calloc(count, sizeof *tokens);
    if (tokens == NULL) abort();
    jsmn_init(&parser);
    jsmn_parse(&parser, (char *)json.ptr, json.len, tokens, count);
    for (int at = 1; tokens[0].type == JSMN_OBJECT && at + 1 < count; at++) {
        // A name is a child of the object itself, and its value stands behind it.
        if (tokens[at].parent == 0 && text_is(token_text(json, tokens[at]), name)) {
            *value = token_text(json, tokens[at + 1]);
            return tokens[at + 1].type == type;
        }
    }
    return false;
}

static uint32_t hex(const uint8_t *digits) {
    char text[5] = { digits[0], digits[1], digits[2], digits[3], 0 };
    return strtoul(text, NULL, 16);
}

bool json_string(string object, string name, string *value) {
    string raw;
    if (!member(object, name, JSMN_STRING, &raw)) return false;
    *value = (string){ 0 };
    for (size_t at = 0; at < raw.len; at++) {
        if (raw.ptr[at] != '\\') {
            text_add(value, (string){ raw.ptr + at, 1 });
            continue;
        }
        switch (raw.ptr[++at]) {
            case 'b': text_add_character(value, '\b'); break;
            case 'f': text_add_character(value, '\f'); break;
            case 'n': text_add_character(value, '\n'); break;
            case 'r': text_add_character(value, '\r'); break;
            case 't': text_add_character(value, '\t'); break;
            case 'u': {
                uint32_t unit = hex(raw.ptr + at + 1);
                at += 4;
                bool high = unit >= 0xd800 && unit < 0xdc00;
                if (high && at + 6 < raw.len && raw.ptr[at + 1] == '\\' && raw.ptr[at + 2] == 'u') {
                    uint32_t low = hex(raw.ptr + at + 3);
                    if (low >= 0xdc00 && low < 0xe000) {
                        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                        at += 6;
                    }
                }
                text_add_character(value, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
                break;
            }
            default: text_add(value, (string){ raw.ptr + at, 1 });
        }
    }
    return text_is_utf8(*value);
}

bool json_number(string object, string name, double *value) {
    string raw;
    if (!member(object, name, JSMN_PRIMITIVE, &raw)) return false;
    *value = strtod((char *)text_of(2, raw, TEXT("\0")).ptr, NULL);
    return raw.ptr[0] == '-' || (raw.ptr[0] >= '0' && raw.ptr[0] <= '9');
}

void json_add_string(string *json, string text) {
    text_add(json, TEXT("\""));
    for (size_t at = 0; at < text.len; at++) {
        uint8_t byte = text.ptr[at];
        if (byte < 0x20) {
            static const char digits[] = "0123456789abcdef";
            text_add(json, TEXT("\\u00"));
            text_add_character(json, digits[byte >> 4]);
            text_add_character(json, digits[byte & 15]);
        } else {
            if (byte == '"' || byte == '\\') text_add(json, TEXT("\\"));
            text_add(json, (string){ text.ptr + at, 1 });
        }
    }
    text_add(json, TEXT("\""));
}
