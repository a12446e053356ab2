// As much of JSON as a provider needs, on jsmn: what an object has, and texts to be written.

#pragma once
#include "text.h"

// A member of an object that is a string, decoded. False if there is none.
bool json_string(string object, string name, string *value);

// A member that is a number. False if there is none.
bool json_number(string object, string name, double *value);

// Appends a text as a JSON string.
void json_add_string(string *json, string text);
