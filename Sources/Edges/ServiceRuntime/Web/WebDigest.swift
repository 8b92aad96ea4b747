internal import COpenSSL

/// SHA-256, by which a token is recognised that is not kept, and a content that is the same.
package enum WebDigest {
    private static let byteCount = 32

    /// Returns the 64 hexadecimal digits of the text's bytes.
    package static func sha256(_ text: String) -> String { sha256(Array(text.utf8)) }

    package static func sha256(_ bytes: [UInt8]) -> String {
        var digest = [UInt8](repeating: 0, count: byteCount)
        var count: UInt32 = 0
        let done = unsafe bytes.withUnsafeBytes { input in
            unsafe digest.withUnsafeMutableBufferPointer { output in
                unsafe EVP_Digest(
                    input.baseAddress, input.count, output.baseAddress, &count, EVP_sha256(), nil)
            }
        }
        precondition(done == 1 && count == byteCount, "SHA-256 of libcrypto needs no memory")
        let digits = Array("0123456789abcdef")
        return String(digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
