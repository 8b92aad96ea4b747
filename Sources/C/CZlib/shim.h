#pragma once
// What is packed is not written to.
#define ZLIB_CONST
#include <zlib.h>
