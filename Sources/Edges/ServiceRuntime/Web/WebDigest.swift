internal import COpenSSL

/// SHA-256, by which a token is recognised that is not kept, and a content that is the same, and by
/// which a message proves who made it.
package enum WebDigest {
    private static let byteCount = 32
    /// The bytes of a digest in hexadecimal digits.
    package static let hexBytes = 2 * byteCount

    /// Returns the 64 hexadecimal digits of the text's bytes.
    package static func sha256(_ text: String) -> String { sha256(Array(text.utf8)) }

    package static func sha256(_ bytes: [UInt8]) -> String {
        let digest = unsafe digest { output, count in
            unsafe bytes.withUnsafeBytes { input in
                unsafe EVP_Digest(
                    input.baseAddress, input.count, output, &count, EVP_sha256(), nil) == 1
            }
        }
        return String(decoding: digest, as: UTF8.self)
    }

    /// Returns the 64 hexadecimal digits of the HMAC-SHA256 (RFC 2104) of the bytes.
    package static func hmac(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
        unsafe digest { output, count in
            unsafe bytes.withUnsafeBufferPointer { input in
                unsafe key.withUnsafeBytes { key in
                    unsafe HMAC(
                        EVP_sha256(), key.baseAddress, Int32(key.count), input.baseAddress,
                        input.count, output, &count) != nil
                }
            }
        }
    }

    /// Returns whether both are the same, in a time that does not tell how much of them is.
    package static func isEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        return unsafe one.withUnsafeBytes { one in
            unsafe other.withUnsafeBytes { other in
                unsafe CRYPTO_memcmp(one.baseAddress, other.baseAddress, one.count) == 0
            }
        }
    }

    private static func digest(
        _ make: (UnsafeMutablePointer<UInt8>?, inout UInt32) -> Bool
    ) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: byteCount)
        var count: UInt32 = 0
        let done = unsafe digest.withUnsafeMutableBufferPointer {
            unsafe make($0.baseAddress, &count)
        }
        precondition(done && count == byteCount, "SHA-256 of libcrypto needs no memory")
        let digits = Array("0123456789abcdef".utf8)
        return digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }
}
