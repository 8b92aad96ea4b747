import ServiceRuntime
import Testing

@Suite("Digests, and proofs of who made a message") struct WebDigestTests {
    @Test(
        "a proof is that of RFC 4231",
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 20), "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131),
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
        ])
    func hmac(key: [UInt8], text: String, digest: String) {
        let made = WebDigest.hmac(Array(text.utf8), key: key)
        #expect(String(decoding: made, as: UTF8.self) == digest)
        #expect(made.count == WebDigest.hexBytes)
    }

    @Test(
        "only the same bytes are equal",
        arguments: [
            ("", "", true), ("a", "a", true), ("a", "b", false), ("a", "", false),
            ("ab", "a", false), ("ab", "aB", false),
        ])
    func equal(one: String, other: String, isEqual: Bool) {
        #expect(WebDigest.isEqual(Array(one.utf8), Array(other.utf8)) == isEqual)
    }
}
