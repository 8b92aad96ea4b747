#pragma once

// The commit of the checkout. Alone in a target of its own: another commit compiles this one file
// and links the programs, nothing else.
const char *tapeline_revision(void);
