#pragma once

// A file of the cockpit's pages: its name, and its text with a zero at the end.
struct page_file {
    const char *_Nullable name;
    const unsigned char *_Nonnull text;
};

// All of them. The last one has no name.
const struct page_file *_Nonnull page_files(void);
