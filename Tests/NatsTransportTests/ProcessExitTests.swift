import COpenSSL
import Glibc
import Testing

@Suite struct ProcessExitTests {
    @Test("OpenSSL stays as it is when the process ends: threads may still be ending")
    func trapsNoCleanup() async {
        await #expect(processExitsWith: .success) {
            // The first registered handler runs last: after a cleanup by OpenSSL, if there is one.
            let refused = atexit { if !isUsable() { _exit(1) } }
            guard refused == 0, isUsable() else { _exit(2) }
            exit(0)
        }
    }
}

/// Loads what is not loaded yet. A library after its cleanup would refuse that.
private func isUsable() -> Bool {
    OPENSSL_init_crypto(UInt64(OPENSSL_INIT_LOAD_CRYPTO_STRINGS), nil) == 1
}
