import COpenSSL
import Glibc
import Testing

@Suite struct ProcessExitTests {
    @Test("OpenSSL stays as it is when the process ends: threads may still be ending")
    func trapsNoCleanup() async {
        await #expect(processExitsWith: .success) {
            // What is registered first comes last: after a cleanup of OpenSSL's, if there is one.
            let refused = atexit { if !isUsable() { _exit(1) } }
            guard refused == 0, isUsable() else { _exit(2) }
            exit(0)
        }
    }
}

/// Loads what is not loaded yet, which a cleaned up library refuses.
private func isUsable() -> Bool {
    OPENSSL_init_crypto(UInt64(OPENSSL_INIT_LOAD_CRYPTO_STRINGS), nil) == 1
}
