#include "COpenSSL.h"

// libpq and libnats bring OpenSSL with them. By itself it frees at exit() what it keeps for each
// thread, also of threads that are just ending and free the same: a double free once in a thousand
// exits beside them. The system takes the memory back anyway.
//
// Before main, because only the first call of a process can choose.
__attribute__((constructor)) static void leave_the_cleanup_to_the_system(void) {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}
